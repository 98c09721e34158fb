"""`bench recorded-world`: whether a world made of recordings shows what the real one would, and
whether policies trained in it drive.

Each measurement is one function; each of its steps writes a JSON file below --out and is not
repeated. The figures of a measurement go to one JSON file below --results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from liquid_control.experiments.recorded_world.cores import compare_cores
from liquid_control.experiments.recorded_world.judge import judge_worlds
from liquid_control.experiments.recorded_world.pictures import compare_pictures
from liquid_control.experiments.recorded_world.report import write_summary
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.small_examination import examine_small
from liquid_control.experiments.recorded_world.steps import save
from liquid_control.experiments.recorded_world.truth_check import check_truth
from liquid_control.experiments.recorded_world.tubs import examine_tub, examine_walls
from liquid_control.system.verb import Verb
from liquid_control.train.run import commit, described

MEASUREMENTS: Mapping[str, Callable[[RecordedWorldSettings], dict]] = {
    "small": examine_small,
    "pictures": compare_pictures,
    "truth": check_truth,
    "judge": judge_worlds,
    "tub": examine_tub,
    "walls": examine_walls,
    "cores": compare_cores,
}
PLACES = ("out", "results", "workers", "parts", "tub", "walls", "tub_vehicle")
"""Settings that do not decide the outcome, or are a place of this machine."""


def bench_recorded_world(settings: RecordedWorldSettings) -> dict:
    """Runs the measurements that are named and returns the figures of each."""
    answers = {}
    for part in settings.parts:
        found = MEASUREMENTS[part](settings)
        answers[part] = found
        about = {
            "command": " ".join(["liquid-control", *map(named, sys.argv[1:])]),
            "commit": commit(),
            "settings": described(settings, PLACES),
        }
        save(settings.results / f"{part}.json", {**about, **found})
        write_summary(settings.results)
    return answers


def named(word: str) -> str:
    """A word of a command line; of a path that only this machine has, its last part."""
    return Path(word).name if Path(word).is_absolute() else word


VERB = Verb(RecordedWorldSettings, bench_recorded_world)
