"""`liquid-control bench train`: where the time of a training goes, and how close to the machine's
limit that runs.

Everything is measured on one core and in its CPU time, as `bench driving` trains, so that other
load disturbs little; one figure is of all cores by the clock, as `train simulation` trains.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch

from liquid_control.bench.timing import machine
from liquid_control.bench.train_speed.collecting import collecting, rendering_limit
from liquid_control.bench.train_speed.fitting import fitting, machine_limit, step_of_all_cores
from liquid_control.bench.train_speed.report import table, write_report
from liquid_control.config import PreprocessConfig, check, group, number, path
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.sim.scenario import LONG_ROAD, POLICY_ROAD, SHORT_ROAD
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.threads import cores
from liquid_control.system.verb import Verb
from liquid_control.train.simulation_settings import SimulationSettings

PACKAGES = ("torch", "mujoco", "numba", "numpy")


@dataclasses.dataclass(frozen=True)
class TrainBenchSettings:
    """Measures a few roads and steps, and estimates from them the default recipe of `train
    simulation`."""

    out: Path = path(Path("doc/results"), "folder for train.json and train.png", writes="folder")
    policy: PolicyConfig = group(SimulationSettings().policy)
    preprocess: PreprocessConfig = group(SimulationSettings().preprocess)
    roads: int = number(6, 1, 1000, "", "expert roads collected")
    length: float = number(200.0, 50.0, 2000.0, "m", "length of a road")
    steps: int = number(
        20, 2, 10**6, "", "optimiser steps timed, and ten times as many of the core alone"
    )
    rounds: int = number(10, 1, 1000, "", "timings of each limit; the best counts")
    seed: int = number(0, 0, 2**31, "", "seed of roads and weights")

    def __post_init__(self) -> None:
        check(self)


def bench_train(settings: TrainBenchSettings) -> dict:
    """Returns the whole answer, as in train.json."""
    recipe = dataclasses.replace(
        SimulationSettings(),
        policy=settings.policy,
        preprocess=settings.preprocess,
        seed=settings.seed,
    )
    threads = torch.get_num_threads()
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        collected, episodes = collecting(
            Path(folder), settings.roads, settings.length, recipe.preprocess, settings.seed
        )
    rendering = rendering_limit(settings.rounds, settings.seed)
    all_cores = step_of_all_cores(episodes, recipe, settings.steps)
    torch.set_num_threads(1)
    try:
        limit, fitted = machine_limit(settings.rounds), fitting(episodes, recipe, settings.steps)
    finally:
        torch.set_num_threads(threads)
    encoder = fitted["encoder"]
    encoder |= {
        "share_of_arithmetic": encoder["flops_per_second"] / limit["flops_per_second"],
        "share_of_memory": encoder["bytes_per_second"] / limit["bytes_per_second"],
    }
    answer = {
        "machine": machine(PACKAGES) | {"threads": threads, "cpus": cores()},
        "core": settings.policy.core.name,
        "encoder": settings.policy.encoder,
        "picture": [recipe.preprocess.height, recipe.preprocess.width],
        "collecting": collected,
        "rendering": rendering,
        "fitting": fitted,
        "limit": limit,
        "all_cores": {"step_s": all_cores, "frames_per_second": fitted["frames"] / all_cores},
        "training": _training(collected, fitted, recipe),
    }
    write_report(answer, settings.out)
    return answer


def _training(collected: Mapping, fitted: Mapping, recipe: SimulationSettings) -> dict:
    """Core seconds of a whole training by the default recipe, estimated from what was measured, and
    the share of each part.

    In the DAgger rounds the policy drives instead of the expert, for 0.1 ms a frame, which is left
    out.
    """
    rounds, parts, fit_parts = recipe.rounds, collected["parts"], fitted["parts"]
    expert = LONG_ROAD * recipe.long_roads + SHORT_ROAD * recipe.short_roads
    driven = POLICY_ROAD * recipe.round_roads * rounds
    metres = (expert + driven) / collected["metres"]
    steps = recipe.steps + rounds * recipe.round_steps
    pictures = (
        collected["frames"]
        / collected["metres"]
        * ((1 + rounds) * expert + driven * (1 + rounds) / 2)
        * recipe.core_fit.passes
    )
    alone = recipe.core_fit.steps * (1 + rounds)
    encoder = steps * (
        fit_parts["encoder, forward"] + fit_parts["encoder, backward"]
    ) + pictures * fitted.get("encode_s", 0.0) * bool(alone)
    core = steps * fit_parts["core"] + alone * fitted.get("core_step_s", 0.0)
    seconds = {
        "rendering": metres * (parts["rendering"] + parts["renderer set-up"]),
        "physics": metres * parts["physics"],
        "encoder": encoder,
        "core": core,
        "rest": metres * (parts["scene"] + parts["rest"])
        + steps * (fit_parts["batch"] + fit_parts["optimiser"]),
    }
    total = sum(seconds.values())
    return {
        "core_seconds": total,
        "shares": {name: value / total for name, value in seconds.items()},
    }


VERB = Verb(TrainBenchSettings, bench_train, table)
