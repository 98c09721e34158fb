"""What the files and settings of a recording do not say of its camera and of how the vehicle
answers its steering, estimated; and its motion by the pictures where no sensor measured it."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.data.estimates.camera_estimate import UNKNOWN, CameraEstimate
from liquid_control.data.estimates.recorded_camera import (
    in_words,
    recorded_camera,
    recorded_motion,
    response_in_words,
)
from liquid_control.data.estimates.response_estimate import estimate_response
from liquid_control.data.from_recording import RecordedDrive
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import EMPTY, Motion, Track
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.vehicle_presets import starting_values

USUAL_DELAY = 0.1
"""From a command until the vehicle turns, where it cannot be estimated [s]."""
SHOWN = {"height": "m", "pitch": "rad", "field_of_view": "rad", "forward": "m"}
"""Values of the camera that a user gives or sees, with their units."""


@dataclasses.dataclass(frozen=True, eq=False)
class Estimates:
    """`camera` of the pictures; `yaw_rate`, None where neither a gyro nor the pictures give one;
    `speed`: of the pictures in place of an assumed one, else None; `response_delay` [s] and `gain`
    as in `response_estimate`; `words`: what was not given, by name."""

    camera: GroundCamera
    yaw_rate: Track | None
    speed: Track | None
    response_delay: float
    gain: float
    words: dict[str, str]


def estimated(
    drive: RecordedDrive,
    motion: Motion,
    yaw_rate: Track | None,
    command: np.ndarray,
    start: GroundCamera,
    given: frozenset[str],
    settings: RecordingSettings,
) -> Estimates:
    """`motion` of the drive, `yaw_rate` of a gyro without bias, `command` (N,) the driver's
    curvature at its frames [1/m], NaN unknown; `start` and `given` of `start_camera`."""
    missing = {name: unit for name, unit in SHOWN.items() if name not in given}
    by_pictures = yaw_rate is None and not settings.response_delay
    words: dict[str, str] = {}
    camera, speed = start, None
    if missing or by_pictures:
        motion = dataclasses.replace(motion, yaw_rate=yaw_rate or EMPTY)
        # A calibrated camera's pictures are taken for rectified ones.
        lens = "field_of_view" not in given
        found = recorded_camera(drive, motion, start, given, lens)
        camera = found.camera
        words |= {f"camera_{name}": in_words(found, name, unit) for name, unit in missing.items()}
        if by_pictures and _told(found):
            yaw_rate, seen_speed = recorded_motion(drive, motion, start, found)
            if found.assumed_speed:
                speed = seen_speed
    delay, gain = settings.response_delay, 1.0
    if not delay:
        usual = starting_values(settings).response_delay or USUAL_DELAY
        known = np.isfinite(command)
        asked = Track(drive.columns["stamp_ns"][known], command[known])
        by = "pictures" if by_pictures else "gyro"
        response = estimate_response(asked, yaw_rate or EMPTY, speed or motion.speed, by, usual)
        delay, gain = response.delay.value, response.gain.value
        words |= response_in_words(response)
    return Estimates(camera, yaw_rate, speed, delay, gain, words)


def _told(found: CameraEstimate) -> bool:
    return all(found.values[name].source != UNKNOWN for name in ("pitch", "height"))
