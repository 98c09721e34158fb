"""Vehicles by name: the parameter files of `config/vehicles/`, and what these cannot say of a
recording."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.system.installed_data import named_files

FOLDER = "config/vehicles"


@dataclasses.dataclass(frozen=True)
class Preset:
    """Of a usual vehicle of its kind; what is not known is 0.

    `lane_width` [m] of the roads it drives on. `speed` [m/s]: assumed where neither the recording
    nor its format has one. `response_delay` [s] and `camera`: where an estimate starts; they are
    never taken for measured.
    """

    lane_width: float = 0.0
    speed: float = 0.0
    response_delay: float = 0.0
    camera: CameraMount = CameraMount()


PRESETS = {
    # Wide lenses of 160 degrees across the diagonal, on the cars' roll bar; latency of a hobby
    # servo, and of a camera of 20 Hz.
    "donkey": Preset(0.5, 1.0, 0.15, CameraMount(0.15, 0.3, 2.1, 0.15)),
    "jetracer": Preset(0.5, 1.2, 0.15, CameraMount(0.16, 0.3, 2.1, 0.2)),
    # A RealSense D435: 69 degrees.
    "f1tenth": Preset(1.0, 2.0, 0.1, CameraMount(0.15, 0.0, 1.204, 0.3)),
    # Camera of gym-duckietown: 10.8 cm, 19.15 degrees, 75 degrees high at 4:3. Lane of dt-core's
    # lane_filter.
    "duckiebot": Preset(0.23, 0.2, 0.15, CameraMount(0.108, 0.334, 1.594, 0.066)),
    # A Raspberry Pi camera v2: 62.2 degrees.
    "turtlebot": Preset(0.23, 0.2, 0.15, CameraMount(0.1, 0.3, 1.0856, 0.07)),
    # As the simulated car.
    "full_size": Preset(3.5, 0.0, 0.2, CameraMount(1.35, 0.14, 1.31, 3.0)),
}


def preset_names() -> list[str]:
    """The names that --vehicle takes in place of a file."""
    return sorted(named_files(FOLDER))


def preset_file(name: str) -> Path | None:
    """The parameter file of a preset; None where there is none of this name."""
    return named_files(FOLDER).get(name.removesuffix(".yaml"))


def starting_values(settings: RecordingSettings) -> Preset:
    """What is assumed of the vehicle that --vehicle names; nothing of one that a file describes."""
    name = settings.vehicle_file
    by_name = name in PRESETS and not Path(name).is_file()
    return PRESETS[name] if by_name else Preset()
