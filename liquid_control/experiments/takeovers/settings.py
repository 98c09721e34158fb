"""Settings of `bench takeovers`."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

from liquid_control.config import check, number, path, several, switch, text
from liquid_control.sim.conditions.table import find_conditions

ROAD = 550.0
"""Length of the roads that are driven [m]."""
DRIVEN = 535.0
"""Of which so much is driven [m]."""
PLACES = ("out", "results", "workers")
"""Settings that do not decide the outcome."""


@dataclasses.dataclass(frozen=True)
class TakeoverBenchSettings:
    """What is measured, and how much of it."""

    out: Path = path(
        Path("runs/takeovers_bench"),
        "folder for recordings, training runs and the figures of each step; a step that is there "
        "is not repeated",
        writes="folder",
    )
    results: Path = path(
        Path("doc/results"), "folder for takeovers.json and takeovers.png", writes="folder"
    )
    conditions: tuple[str, ...] = several(
        ("night", "camera_tilted", "slippery"), "driving conditions by name (doc/benchmark.md)"
    )
    seeds: int = number(3, 1, 100, "", "start policies, each with drives and trainings of its own")
    seed: int = number(0, 0, 2**31 - 1, "", "seed of the first")
    rounds: int = number(3, 1, 20, "", "rounds of learning")
    km: float = number(10.0, 0.1, 1000.0, "km", "driven in each round")
    start_roads: int = number(
        24, 2, 10000, "", "roads of 400 m of the drives that the start policy is cloned from"
    )
    start_flags: str = text(
        "", 'flags of train recordings for the start policy: --start-flags="--steps 300"'
    )
    flags: str = text("", 'flags of train takeovers: --flags="--steps 300"')
    evaluation_roads: int = number(40, 2, 10000, "", "clean held-out roads, first and last policy")
    nodes: bool = switch(
        False,
        "instead of the rounds: once through real nodes and their recordings, in real time, --km "
        "before and after learning, in the first condition",
    )
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)
        find_conditions(self.conditions)

    @property
    def roads(self) -> int:
        """Roads in a round."""
        return max(1, math.ceil(1000.0 * self.km / DRIVEN))
