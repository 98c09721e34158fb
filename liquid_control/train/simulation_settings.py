"""Settings of training in simulation, and the drives for it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import PreprocessConfig, check, choice, group, number, path, text
from liquid_control.data.sequences import Augmentation
from liquid_control.model.car import CarConfig
from liquid_control.model.packed import pack_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.sim import scenario
from liquid_control.sim.collect import DriveJob
from liquid_control.sim.tasks.table import LANE_AND_SPEED, LANE_KEEPING
from liquid_control.train.device import DEVICES
from liquid_control.train.fit import FitSettings
from liquid_control.train.fit_core import CoreFitSettings

SET, LEARNED = "set", "learned"
PLACES = ("out", "workers", "device")
"""Settings that say where a run is done and do not decide its outcome."""


@dataclasses.dataclass(frozen=True)
class SimulationSettings:
    """All that decides the outcome. An interrupted run with the same settings is resumed."""

    out: Path = path(
        Path("runs/lane_keeper"),
        "folder of the run: episodes, checkpoint, TensorBoard, and the model in model/",
        writes="folder",
    )
    seed: int = number(0, 0, 2**63 - 1, "", "seed of roads, noise, weights and batches")
    long_roads: int = number(40, 0, 10000, "", "expert roads of 400 m")
    short_roads: int = number(
        60, 0, 10000, "", "expert roads of 120 m, for more variety of appearance"
    )
    encoder: str = text(
        "",
        "model, by path or by the name of an installed one, whose encoder the network starts "
        "with; empty: random weights",
    )
    speed: str = choice(
        SET,
        (SET, LEARNED),
        "who chooses the speed: set, the road's plan and the set speed; learned, the policy, which "
        "gives it as a second output",
    )
    steps: int = number(
        900, 0, 10**7, "", "optimiser steps of the whole network on the expert's drives"
    )
    rounds: int = number(1, 0, 100, "", "DAgger rounds")
    round_roads: int = number(
        24, 1, 10000, "", "roads of 200 m that the policy drives in each round"
    )
    round_steps: int = number(500, 1, 10**7, "", "optimiser steps in each round")
    round_noise: float = number(
        0.3,
        0.0,
        1.0,
        "",
        "largest variance of the image noise under which the policy drives in a round",
    )
    frames: int = number(16, 2, 1024, "", "frames in a training sequence")
    evaluation_roads: int = number(
        20, 0, 1000, "", "held-out roads of the final evaluation; 0: no evaluation"
    )
    workers: int = number(0, 0, 256, "", "processes that collect and evaluate; 0: one per core")
    device: str = choice(
        "auto", DEVICES, "device of the training; auto: a GPU if PyTorch finds one, else the CPU"
    )
    policy: PolicyConfig = group(PolicyConfig())
    car: CarConfig = group(CarConfig())
    preprocess: PreprocessConfig = group(PreprocessConfig())
    augmentation: Augmentation = group(Augmentation())
    fit: FitSettings = group(FitSettings())
    core_fit: CoreFitSettings = group(CoreFitSettings())

    def __post_init__(self) -> None:
        check(self)

    @property
    def task(self) -> str:
        """Name of the task in `sim.tasks.table`."""
        return LANE_AND_SPEED if self.speed == LEARNED else LANE_KEEPING


def expert_drives(settings: SimulationSettings) -> dict[Path, DriveJob]:
    """Drives of the expert by the path of their episode; the same for every policy that is trained
    with these settings."""
    jobs = scenario.expert_drives(
        settings.seed, settings.long_roads, settings.short_roads, settings.preprocess, settings.task
    )
    return _by_path(settings, jobs)


def policy_drives(
    settings: SimulationSettings, dagger_round: int, model: Path
) -> dict[Path, DriveJob]:
    """Drives of the policy `model` in a DAgger round (1, 2, ...) by the path of their episode; the
    expert labels them."""
    jobs = scenario.policy_drives(
        pack_model(model),
        dagger_round,
        settings.seed,
        settings.round_roads,
        settings.round_noise,
        settings.preprocess,
        settings.task,
    )
    return _by_path(settings, jobs)


def _by_path(settings: SimulationSettings, jobs: dict[str, DriveJob]) -> dict[Path, DriveJob]:
    return {settings.out / "episodes" / f"{name}.npz": job for name, job in jobs.items()}
