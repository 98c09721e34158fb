"""The camera of a recording as its files and settings have it, and what is usual for the rest: of
the vehicle that --vehicle names, else of any."""

from __future__ import annotations

import math

from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.vehicle_presets import starting_values

USUAL_VIEW = 1.2
"""Horizontal field of view where nothing says it [rad]."""
HEIGHT_PER_WHEELBASE, FORWARD_PER_WHEELBASE = 0.52, 0.6
"""Of a camera whose place nothing says."""
HORIZON = 1 / 3
"""Its row where nothing says it, as a share of the picture's height."""


def start_camera(
    calibration: Intrinsics | None, settings: RecordingSettings, rows: int, columns: int
) -> tuple[GroundCamera, frozenset[str]]:
    """Of pictures (rows, columns), and what of it is given: some of "field_of_view", "height",
    "pitch", "forward"."""
    mount, usual = settings.mount, starting_values(settings).camera
    wheelbase = settings.vehicle.wheelbase
    given = {name for name in ("height", "pitch", "forward") if getattr(mount, name)}
    view = mount.field_of_view or usual.field_of_view or USUAL_VIEW
    focal = (columns / 2 / math.tan(view / 2),) * 2
    centre = ((columns - 1) / 2, (rows - 1) / 2)
    if mount.field_of_view:
        given.add("field_of_view")
    elif calibration is not None and calibration.calibrated and calibration.fits(rows, columns):
        k, shrunk = calibration.matrix, (columns / calibration.width, rows / calibration.height)
        focal, centre = (k[0] * shrunk[0], k[4] * shrunk[1]), (k[2] * shrunk[0], k[5] * shrunk[1])
        given.add("field_of_view")
    pitch = mount.pitch or usual.pitch or math.atan((centre[1] - HORIZON * rows) / focal[1])
    above = mount.height or usual.height or HEIGHT_PER_WHEELBASE * wheelbase
    forward = mount.forward or usual.forward or FORWARD_PER_WHEELBASE * wheelbase
    return GroundCamera(columns, rows, focal, centre, above, pitch, forward), frozenset(given)
