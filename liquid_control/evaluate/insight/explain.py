"""`liquid-control explain`: a policy's saliency, its neurons, and the loss without each of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from liquid_control.config import REQUIRED, WorldConfig, check, group, number, path, switch
from liquid_control.deploy.saliency import VisualBackProp
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.evaluate.closed_loop.worlds import refuse_other_vehicle
from liquid_control.evaluate.insight import findings
from liquid_control.evaluate.insight.film import write_film
from liquid_control.evaluate.insight.intervention import Effect, choose_lesions, intervene_all
from liquid_control.evaluate.insight.lesions import synapse_signs, synapse_strengths
from liquid_control.evaluate.insight.page import write_explanation
from liquid_control.evaluate.insight.trace import joined, record
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.policy.saved import load_network
from liquid_control.report.page import require
from liquid_control.report.strip import by_layer, display_names
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.system.files import clear_results
from liquid_control.system.verb import Verb, as_lines

PICTURE = (480, 240)
STATES = 400
"""States of the intact drive that a held neuron's means are taken from."""


@dataclasses.dataclass(frozen=True)
class ExplainSettings:
    """Explain `model` by `roads` held-out roads: saliency, neurons, and the circuit with each part
    silenced."""

    model: Path = path(REQUIRED, "path of a model directory, or the name of an installed model")
    out: Path = path(
        Path("out/explain"),
        "folder for explain.html, explain.mp4 and explain.json",
        writes="folder",
    )
    roads: int = number(3, 1, 1000, "", "held-out roads to drive")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    world: WorldConfig = group(WorldConfig(length=400.0))
    lesion_roads: int = number(
        1, 0, 1000, "", "roads driven with each silenced part; 0: no interventions"
    )
    lesion_length: float = number(250.0, 50.0, 20000.0, "m", "length of each of those roads")
    synapses: int = number(
        6, 0, 1000, "", "also silence this many of the strongest synapses between neurons"
    )
    video: bool = switch(True, "write the video of the first road")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def explain(settings: ExplainSettings, progress: bool = True) -> dict:
    """Writes the page, the video and all figures into `settings.out` and returns the figures.
    Raises ModelFileError and DriveError."""
    require("jinja2", "matplotlib", *(("av",) if settings.video else ()))
    settings = dataclasses.replace(settings, model=find_model(settings.model))
    torch.set_num_threads(1)  # more cost time on pictures this small
    info, network = read_model(settings.model), load_network(settings.model)
    refuse_other_vehicle(info)
    runtime = TorchRuntime(network)
    bar = tqdm(range(settings.roads), "roads", disable=not progress or None, leave=False)
    traces = [
        record(runtime, road, settings.seed, settings.world, PICTURE if road == 0 else None)
        for road in bar
    ]
    trace, back_prop = joined(traces), VisualBackProp.load(info)
    names = display_names(info.state_names)
    names = [names[index] for index in sorted(by_layer(names))]
    neurons = findings.examine_neurons(network, trace, names)
    states = trace.after[trace.evenly(STATES)]
    intact, effects = None, []
    if settings.lesion_roads:
        world = dataclasses.replace(settings.world, length=settings.lesion_length)
        lesions = choose_lesions(network, states, settings.synapses)
        roads = range(settings.lesion_roads)
        intact, effects = intervene_all(
            settings.model, lesions, states, roads, settings.seed, world, settings.workers, progress
        )
    strengths, signs = synapse_strengths(network, states), synapse_signs(network)
    facts = {
        "model": str(settings.model),
        "core": info.policy.core.name,
        "roads": settings.roads,
        "seed": settings.seed,
        "steps": len(trace),
        "seconds": float(sum(one.seconds[-1] for one in traces)),
        "frame_s": float(np.median(trace.dt)),
        "departures": trace.departures,
        "lateral_rmse_m": float(np.sqrt(np.mean(np.square(trace.lane_offset)))),
        "pc1_share": float(neurons.shares[0]),
        "pc2_share": float(neurons.shares[1]) if len(neurons.shares) > 1 else 0.0,
        "lipschitz": sorted((row["largest_step"] for row in neurons.rows), reverse=True),
        "saliency_under_noise": findings.similarity_under_noise(
            back_prop, network, trace, settings.seed
        ),
        "time_constant_is": info.policy.core.time_constant,
        "time_constant_title": info.policy.core.time_constant_title,
        "neurons": neurons.rows,
        "synapses": [
            {"source": s, "target": t, "strength": v, "sign": signs.get((s, t), 0)}
            for (s, t), v in strengths.items()
        ],
        "intact": _effect(intact, names) if intact else None,
        "interventions": [_effect(effect, names) for effect in effects],
    }
    settings.out.mkdir(parents=True, exist_ok=True)
    clear_results(settings.out, "explain.html", "explain.mp4", "explain.json")
    film = (
        _film(settings, runtime.preprocess, back_prop, network, traces[0], names)
        if settings.video
        else None
    )
    (settings.out / "explain.json").write_text(
        json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    write_explanation(facts, info, traces[0], trace, neurons, film, settings.out / "explain.html")
    return facts


def brief(facts: Mapping) -> dict:
    """The figures that fit a terminal."""
    rows = {
        f"ssim at variance {row['variance']}": row["ssim_visual_backprop"]
        for row in facts["saliency_under_noise"]
    }
    worst = sorted(facts["interventions"], key=lambda one: -one["lateral_rmse_m"])[:5]
    missed = {f"without {one['part']} ({one['way']})": _result(one) for one in worst}
    intact = {"intact": _result(facts["intact"])} if facts["intact"] else {}
    kept = ("model", "core", "steps", "departures", "lateral_rmse_m", "pc1_share")
    return {
        **{name: facts[name] for name in kept},
        "largest step": facts["lipschitz"][0],
        **rows,
        **intact,
        **missed,
    }


def _result(one: Mapping) -> str:
    return f"{one['lateral_rmse_m']:.2f} m, {one['departures']} departures"


def _effect(effect: Effect, names: list[str]) -> dict:
    values = {key: value for key, value in dataclasses.asdict(effect).items() if key != "lesion"}
    lesion = effect.lesion
    if lesion is None:
        return values
    part = names[lesion.source] + (
        f" → {names[lesion.target]}" if lesion.target is not None else ""
    )
    return {
        "part": part,
        "source": lesion.source,
        "target": lesion.target,
        "way": lesion.way,
        **values,
    }


def _film(
    settings: ExplainSettings,
    preprocess,
    back_prop: VisualBackProp,
    network,
    trace,
    names: list[str],
) -> Path:
    steps = np.arange(len(trace.pictures))
    corrupted = findings.noisy(trace, steps, findings.VARIANCES[0], settings.seed)
    clean, under_noise = (
        findings.saliency(back_prop, network, trace, steps),
        np.array([back_prop.saliency(picture) for picture in corrupted]),
    )
    maps = {"encoder": clean.encoder, "gradient": clean.gradient, "encoder, noisy": under_noise}
    path = settings.out / "explain.mp4"
    write_film(
        trace, names, maps, preprocess, corrupted, findings.ssim(clean.encoder, under_noise), path
    )
    return path


VERB = Verb(ExplainSettings, explain, lambda facts: as_lines(brief(facts)))
