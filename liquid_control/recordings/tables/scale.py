"""What a recorded steering is in curvature: a command of -1 to 1 needs a scale, in no file."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.tables.table import ANGLE, NORMALISED
from liquid_control.recordings.vehicle_file import WRITE, full_curvature, with_capable_vehicle

END = 1.05
"""Steering of -1 to 1 beyond this is none: a remote control that is off, another unit."""
LOOKED_AT = 0.5
"""Curvature [1/m] at the end of the steering with which a recording is only looked at, where it is
not known."""
DOUBTED = "steering beyond -1 to 1"


def with_scale(
    path: Path, settings: RecordingSettings, guess: bool, name: str, remarks: list[str]
) -> RecordingSettings:
    """The settings with the curvature at the end of the steering `name` of -1 to 1. Raises
    RecordingError where it is not known, unless `guess`: then one is assumed, and `remarks` say
    so."""
    full = full_curvature(settings)
    if full is None:
        problem = f"{name} is a command of -1 to 1, and no file says what curvature 1 is"
        if not guess:
            raise RecordingError(path, problem, f"{WRITE}.")
        full = LOOKED_AT
        remarks.append(
            f"steering: {problem}: looked at with {full:g} 1/m; training and replay ask for it. "
            f"{WRITE}"
        )
    return with_capable_vehicle(dataclasses.replace(settings, largest_curvature=full))


def curvature_per_unit(settings: RecordingSettings, kind: str, positive: str) -> float:
    """Curvature to the left [1/m] per unit of a steering of `kind`, 1 for an angle. `positive`: the
    side of its positive values, where the settings do not say."""
    if kind == ANGLE:
        return 1.0
    asked = settings.positive_steering
    sign = 1.0 if (positive if asked == "auto" else asked) == "left" else -1.0
    return sign * settings.largest_curvature if kind == NORMALISED else sign
