"""`bench recorded-world`: whether a world made of recordings shows what the real one would, and
whether policies trained in it drive.

Each measurement is one function; each of its steps writes a JSON file below --out and is not
repeated. The figures of a measurement go to one JSON file below --results.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from liquid_control.experiments.recorded_world.pictures import compare_pictures
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.small_examination import examine_small
from liquid_control.experiments.recorded_world.steps import save
from liquid_control.system.verb import Verb
from liquid_control.train.run import commit, described

MEASUREMENTS: Mapping[str, Callable[[RecordedWorldSettings], dict]] = {
    "small": examine_small,
    "pictures": compare_pictures,
}
PLACES = ("out", "results", "workers", "parts")
"""Settings that do not decide the outcome."""


def bench_recorded_world(settings: RecordedWorldSettings) -> dict:
    """Runs the measurements that are named and returns the figures of each."""
    answers = {}
    for part in settings.parts:
        if part not in MEASUREMENTS:
            continue
        found = MEASUREMENTS[part](settings)
        answers[part] = found
        about = {
            "command": " ".join(["liquid-control", *sys.argv[1:]]),
            "commit": commit(),
            "settings": described(settings, PLACES),
        }
        save(settings.results / f"{part}.json", {**about, **found})
    return answers


VERB = Verb(RecordedWorldSettings, bench_recorded_world)
