"""Settings of `bench adaptation`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

from liquid_control.config import check, number, path, several, text
from liquid_control.errors import ConfigError
from liquid_control.sim.seeds import LARGEST_SEED

PLACES = ("out", "results")
"""Settings that do not decide the outcome."""


class Fault(NamedTuple):
    """A condition of `evaluate`, who takes over, and what adapts."""

    condition: str
    person: str
    adaptation: str


FAULTS = {
    "wheelbase_alone": Fault("wheelbase_wrong", "none", "gain"),
    "none": Fault("clean", "expert", "both"),
    "wheelbase": Fault("wheelbase_wrong", "expert", "both"),
    "steering_offset": Fault("steering_offset", "expert", "both"),
    "gyro_bias": Fault("imu_biased", "expert", "both"),
    "bank": Fault("banked", "expert", "both"),
    "tilted_camera": Fault("camera_tilted", "expert", "both"),
    "latency": Fault("latency_200", "expert", "both"),
    "adversarial_driver": Fault("clean", "adversary", "both"),
}
"""By name; in the first no person takes over, as in the benchmark of driving."""
GAINED = "wheelbase_alone"
"""The fault in which adaptation must be better."""


@dataclasses.dataclass(frozen=True)
class AdaptationBenchSettings:
    """What is measured, and how much of it."""

    out: Path = path(
        Path("runs/adaptation_bench"),
        "folder for the figures of each step; a step that is there is not repeated",
        writes="folder",
    )
    results: Path = path(
        Path("doc/results"), "folder for adaptation.json and adaptation.png", writes="folder"
    )
    model: str = text("lane_keeper", "path of a model directory, or the name of an installed model")
    faults: tuple[str, ...] = several(tuple(FAULTS), "faults by name")
    roads: int = number(40, 2, 10000, "", "held-out roads, the same with and without adaptation")
    length: float = number(550.0, 50.0, 10000.0, "m", "of each")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    hostile_steps: int = number(
        1_000_000, 1000, 10**9, "", "frames with hostile labels and measurements"
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.faults or not set(self.faults) <= set(FAULTS):
            raise ConfigError("faults", self.faults, "any of " + ", ".join(FAULTS))
