"""Settings of `bench driving`: which policies drive, under which conditions, on how many roads, and
how they are trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import (
    PreprocessConfig,
    check,
    choice,
    group,
    number,
    path,
    several,
    switch,
)
from liquid_control.data.sequences import Augmentation
from liquid_control.errors import ConfigError
from liquid_control.model.cores import PRESETS
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.sim.conditions.table import find_conditions
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.simulation_settings import SimulationSettings

CHOSEN = tuple(PRESETS)
"""Driven by default: every core, and both sizes of those that have two."""

QUICK_PRESETS, QUICK_CONDITIONS = (
    ("ltc", "gru"),
    ("clean", "noise_0.3", "dropped_50", "dropped_50_stripped"),
)
ENCODERS = next(
    field.metadata["options"]
    for field in dataclasses.fields(PolicyConfig)
    if field.name == "encoder"
)
USUAL = SimulationSettings()
"""`train simulation` without a flag, which decides all of the recipe that the shared encoder leaves
open."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How each preset is trained: as by `train simulation`, the same for all but core and seed."""

    long_roads: int = number(USUAL.long_roads, 0, 10000, "", "expert roads of 400 m")
    short_roads: int = number(USUAL.short_roads, 0, 10000, "", "expert roads of 120 m")
    encoder_steps: int = number(
        USUAL.steps,
        0,
        10**7,
        "",
        "optimiser steps of the encoder that the presets of a seed share, trained with the "
        "feed-forward head; 0: each trains another, from random weights",
    )
    steps: int = number(
        0, 0, 10**7, "", "optimiser steps of the whole network on the expert's drives"
    )
    rounds: int = number(USUAL.rounds, 0, 100, "", "DAgger rounds, in which each preset drives")
    round_roads: int = number(USUAL.round_roads, 1, 10000, "", "roads of 200 m in each round")
    round_steps: int = number(
        300, 1, 10**7, "", "optimiser steps of the whole network in each round"
    )
    image_encoder: str = choice(USUAL.policy.encoder, ENCODERS, "image encoder of all presets")
    preprocess: PreprocessConfig = group(USUAL.preprocess)
    augmentation: Augmentation = group(USUAL.augmentation)
    core_fit: CoreFitSettings = group(USUAL.core_fit)

    def __post_init__(self) -> None:
        check(self)
        if not self.long_roads + self.short_roads:
            raise ConfigError(
                "recipe", "no expert road", "at least one, by long_roads or short_roads"
            )
        if not self.encoder_steps + self.steps:
            raise ConfigError(
                "recipe",
                "no step that trains an encoder",
                "at least one, by encoder_steps or steps",
            )


QUICK_RECIPE = Recipe(
    long_roads=0, short_roads=8, encoder_steps=40, rounds=0, core_fit=CoreFitSettings(200, passes=1)
)


@dataclasses.dataclass(frozen=True)
class DrivingSettings:
    """Trains what is not trained yet, drives what is not driven yet, and reports."""

    out: Path = path(
        Path("runs/bench_driving"),
        "folder of results and report, small files; an interrupted benchmark resumes",
        writes="folder",
    )
    presets: tuple[str, ...] = several(
        CHOSEN, "presets by name (doc/cores.md), trained with the recipe"
    )
    models: tuple[Path, ...] = several(
        (), "trained models that drive too, by path or by the name of an installed one"
    )
    conditions: tuple[str, ...] = several(
        ("all",), "driving conditions by name (doc/benchmark.md), or all"
    )
    roads: int = number(
        8, 2, 1000, "", "held-out roads for each model and condition, appearances spread evenly"
    )
    length: float = number(
        160.0, 50.0, 20000.0, "m", "length of a road, of which 12 m lie behind the start"
    )
    seeds: int = number(3, 1, 100, "", "training seeds of each preset: 0, 1, ...")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of held-out roads")
    quick: bool = switch(False, "smoke test of two minutes: two presets, four conditions")
    videos: bool = switch(False, "add a video of the worst drive of each preset to the page")
    recipe: Recipe = group(Recipe())
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")
    work: Path | None = path(
        None, "folder of expert drives and trainings, large files; default: --out", writes="folder"
    )

    def __post_init__(self) -> None:
        check(self)
        find_conditions(self.conditions)
        unknown = [name for name in self.presets if name not in PRESETS]
        if unknown:
            raise ConfigError("presets", ", ".join(unknown), "any of " + ", ".join(PRESETS))
        if len(set(self.presets)) < len(self.presets):
            raise ConfigError("presets", " ".join(self.presets), "each one once")
        if not self.presets and not self.models:
            raise ConfigError("presets", (), "at least one, or a model")

    @property
    def work_folder(self) -> Path:
        """Folder of expert drives and trainings."""
        return self.work or self.out


def shortened(settings: DrivingSettings) -> DrivingSettings:
    """The settings that `--quick` stands for; other flags that differ from their defaults stay."""
    if not settings.quick:
        return settings
    plain, quick = (
        DrivingSettings(),
        {
            "presets": QUICK_PRESETS,
            "conditions": QUICK_CONDITIONS,
            "roads": 3,
            "length": 150.0,
            "seeds": 2,
            "recipe": QUICK_RECIPE,
        },
    )
    changed = {
        name: value
        for name, value in quick.items()
        if getattr(settings, name) == getattr(plain, name)
    }
    return dataclasses.replace(settings, **changed)
