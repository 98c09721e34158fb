"""Settings of `bench recorded-world`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import check, number, path, several, text
from liquid_control.errors import ConfigError
from liquid_control.sim.seeds import LARGEST_SEED

PARTS = ("small", "pictures", "truth", "judge", "tub", "walls", "cores")
NOISES = ("clean", "noisy")
BAG_MINUTES = ("10", "37")
KNOWLEDGE = ("measured", "sparse")
WAYS = {name: ("--closed-loop", name) for name in ("auto", "off")}
"""Flags of `train recordings` by the name of the way."""


@dataclasses.dataclass(frozen=True)
class RecordedWorldSettings:
    """What is measured, and how much of it."""

    parts: tuple[str, ...] = several(
        PARTS, "measurements: small, pictures, truth, judge, tub, walls, cores", positional=True
    )
    out: Path = path(
        Path("runs/recorded_world"),
        "folder for recordings, training runs and the figures of each step; a step that is there "
        "is not repeated",
        writes="folder",
    )
    results: Path = path(
        Path("doc/results/recorded_world"),
        "folder for one JSON file per measurement",
        writes="folder",
    )
    closed_loop: tuple[str, ...] = several(
        ("auto", "off"), "ways of training to compare: auto, off (cloning alone)"
    )
    minutes: float = number(10.0, 0.5, 1000.0, "min", "recordings of the small robot")
    knowledge: tuple[str, ...] = several(
        KNOWLEDGE,
        "vehicle.yaml of the small robot: measured (what a tape measure gives), sparse (what "
        "steering needs)",
    )
    bag_minutes: tuple[str, ...] = several(
        BAG_MINUTES, "minutes of bags of the truth check: 10, 37"
    )
    noises: tuple[str, ...] = several(
        NOISES, "steering of the truth check's driver: clean, noisy (he corrects himself)"
    )
    seeds: int = number(3, 1, 100, "", "training runs of each kind, each with another seed")
    share: float = number(
        1.0, 0.01, 1.0, "", "share of the roads, courses and pictures, for a first look"
    )
    tub: Path | None = path(None, "recording of the track, for `tub` and `cores`")
    walls: Path | None = path(None, "recording between walls, for `walls`")
    tub_vehicle: Path | None = path(None, "vehicle.yaml for both")
    flags: str = text("", 'further flags of train recordings, in one word: "--steps 300"')
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of courses, roads and the first training")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)
        known_words = (
            ("parts", PARTS),
            ("noises", NOISES),
            ("closed_loop", tuple(WAYS)),
            ("bag_minutes", BAG_MINUTES),
            ("knowledge", KNOWLEDGE),
        )
        for name, known in known_words:
            for word in getattr(self, name):
                if word not in known:
                    raise ConfigError(name, word, "one of " + ", ".join(known))

    @property
    def ways(self) -> list[tuple[str, tuple[str, ...]]]:
        """Name and flags of each way of training."""
        return [(name, WAYS[name] + tuple(self.flags.split())) for name in self.closed_loop]
