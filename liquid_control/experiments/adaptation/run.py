"""`bench adaptation`: the same roads with and without adaptation, under each fault, and a long
stream of hostile labels. A run that was stopped goes on where it was."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.evaluate import paired
from liquid_control.experiments.adaptation.hostile import hostile_stream
from liquid_control.experiments.adaptation.settings import (
    FAULTS,
    GAINED,
    PLACES,
    AdaptationBenchSettings,
)
from liquid_control.experiments.recorded_world.charts import save_figure
from liquid_control.experiments.recorded_world.steps import once, run_command, save
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.packed import pack_model
from liquid_control.system.verb import Verb
from liquid_control.train.run import commit, described

MUST = {"departures_per_km_upper": 0.0, "gained": GAINED, "broken": 0}
"""Largest upper 95 % bound of departures with minus without adaptation in each fault; the fault in
which the lateral error must be lower, with its whole interval; broken bounds in the stream."""
VARYING = ("wall_s", "cpu_s")
MORE = ("takeovers", "adapted_share", "gain", "gain_used", "output_used", "adaptation_failures")


def bench_adaptation(settings: AdaptationBenchSettings) -> dict:
    """Drives all roads, writes adaptation.json and adaptation.png and returns the figures."""
    model = find_model(settings.model)
    roads = {
        name: {arm: _drive(settings, model, name, arm) for arm in ("off", "on")}
        for name in settings.faults
    }
    found = {name: compared(of["on"], of["off"]) for name, of in roads.items()}
    made = once(
        settings.out / "hostile.json",
        {"steps": settings.hostile_steps, "model": dict(read_model(model).files)},
        lambda: hostile_stream(load_packed(pack_model(model)), settings.hostile_steps),
    )
    result = {
        "command": " ".join(["liquid-control", *map(_named, sys.argv[1:])]),
        "commit": commit(),
        "settings": described(settings, PLACES),
        "faults": {name: {**FAULTS[name]._asdict(), **one} for name, one in found.items()},
        "hostile": made["found"],
        "must": MUST,
        "roads": roads,
    }
    save(settings.results / "adaptation.json", result)
    draw(result, settings.results / "adaptation.png")
    return result


def compared(on: Sequence[Mapping], off: Sequence[Mapping]) -> dict:
    """Rows of the same roads with and without adaptation, `candidate` and `driving` of
    `evaluate.paired`; counts of both; how many roads are driven the same to the bit."""
    same = [
        {n: v for n, v in one.items() if n not in (*VARYING, *MORE)}
        == {n: v for n, v in other.items() if n not in (*VARYING, *MORE)}
        for one, other in zip(on, off, strict=True)
    ]
    return {
        **paired.on_roads(on, off),
        "departures": [sum(row["departures"] for row in rows) for rows in (on, off)],
        "takeovers": [sum(row.get("takeovers", 0) for row in rows) for rows in (on, off)],
        "adapted_share": float(np.mean([row["adapted_share"] for row in on])),
        "gain": on[-1].get("gain"),
        "failures": sum(row["adaptation_failures"] for row in on),
        "roads": len(on),
        "same_to_the_bit": sum(same),
    }


def _drive(settings: AdaptationBenchSettings, model: Path, name: str, arm: str) -> list[dict]:
    """Rows of all roads under a fault, with (`on`) or without (`off`) adaptation."""
    fault = FAULTS[name]
    words = ["--conditions", fault.condition, "--roads", settings.roads, "--seed", settings.seed]
    words += ["--world.length", settings.length, "--person", fault.person, "--workers", 1]
    words += ["--adaptation", fault.adaptation if arm == "on" else "off"]
    described_by = {"words": list(map(str, words)), "model": dict(read_model(model).files)}
    made = once(
        settings.out / f"{name}_{arm}.json",
        described_by,
        lambda: run_command("evaluate", model, *words).facts["per_road"],
    )
    return made["found"]


def draw(result: Mapping, file: Path) -> None:
    """Departures with minus without adaptation by fault, and the lateral error from road to road
    where there is something to gain."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11.0, 4.2))
    for place, found in enumerate(result["faults"].values()):
        row = found["departures_per_km"]
        low, high = row["ci"]
        left.plot([low, high], [place, place], color="tab:blue")
        left.plot(row["difference"], place, "o", color="tab:blue")
    left.set_yticks(range(len(result["faults"])), [_words(name) for name in result["faults"]])
    left.axvline(0.0, color="black", linewidth=0.8)
    left.invert_yaxis()
    left.set_xlabel("departures per km, with minus without adaptation, 95 %")
    driven = result["roads"].get(GAINED) or next(iter(result["roads"].values()))
    for arm, title in (("off", "without"), ("on", "with adaptation")):
        right.plot([row["lateral_rmse_m"] for row in driven[arm]], ".-", label=title)
    right.set_ylim(bottom=0.0)
    right.set_xlabel("road, one after another")
    right.set_ylabel("lateral RMSE [m]")
    right.set_title(_words(GAINED if GAINED in result["roads"] else next(iter(result["roads"]))))
    right.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    save_figure(figure, file)
    pyplot.close(figure)


def show(result: Mapping) -> str:
    """A line for each fault, and one for the hostile stream."""
    lines = []
    for name, found in result["faults"].items():
        departures, error = found["departures_per_km"], found["lateral_rmse_m"]
        low, high = departures["ci"]
        lines.append(
            f"{_words(name)}: departures {found['departures'][1]} without, "
            f"{found['departures'][0]} with: {departures['difference']:+.2f} [{low:+.2f}, "
            f"{high:+.2f}] a km (<= 0); rmse {error['driving']:.3f} m without, "
            f"{error['candidate']:.3f} m with; in use {found['adapted_share']:.0%}, "
            f"{found['same_to_the_bit']} of {found['roads']} roads the same to the bit"
        )
    stream = result["hostile"]
    lines.append(
        f"{stream['steps']} hostile frames: correction at most {stream['largest_share']:.3f} of "
        f"its bound, gain {stream['lowest_gain']:.2f} to {stream['highest_gain']:.2f}, "
        f"{stream['broken']} bounds broken; {stream['step_us'][0]:.0f} us a frame (median)"
    )
    return "\n".join(lines)


def succeeded(result: Mapping) -> bool:
    """Whether adaptation is never worse, is better where it must be, and breaks no bound."""
    faults = result["faults"]
    never = all(
        one["departures_per_km"]["ci"][1] <= MUST["departures_per_km_upper"] and not one["failures"]
        for one in faults.values()
    )
    gained = GAINED not in faults or faults[GAINED]["lateral_rmse_m"]["better"]
    return never and gained and result["hostile"]["broken"] <= MUST["broken"]


def _words(name: str) -> str:
    return name.replace("_", " ")


def _named(word: str) -> str:
    return Path(word).name if Path(word).is_absolute() else word


VERB = Verb(AdaptationBenchSettings, bench_adaptation, show, succeeded)
