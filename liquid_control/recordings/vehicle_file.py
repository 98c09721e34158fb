"""What a recording does not say of its vehicle, from a small YAML file: `vehicle.yaml` in the
recording's folder or beside it, or the file or preset that --vehicle names.

Flags win over the file. A steering of -1 to 1 is proportional to the path's curvature.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path

from liquid_control.config import VehicleConfig, check, choice, from_mapping, number
from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.model.untrusted_file import read_bounded
from liquid_control.recordings.plain_yaml import NOT_YAML, load_yaml
from liquid_control.recordings.rosbag.readings import TWISTS
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.vehicle_presets import preset_file, preset_names, starting_values

NAME = "vehicle.yaml"
LARGEST = 2**16  # bytes
USUAL_ANGLE = 0.5
"""Front-wheel angle [rad] at the end of a steering whose wheelbase is not known: curvature is what
counts, and any wheelbase gives the same."""
WRITE = (
    f"Write {NAME} next to the recording, for example `largest_curvature: 1.0` (1/m at full "
    "steering) or `wheelbase: 0.17` and `largest_angle: 0.4` (m, rad), or give "
    "--largest-curvature, or --vehicle.wheelbase and --vehicle.max-steering-angle, or name a "
    "vehicle like it: --vehicle donkey"
)


@dataclasses.dataclass(frozen=True)
class DescribedVehicle:
    """The fields of vehicle.yaml; 0 and auto: not said."""

    wheelbase: float = number(0.0, 0.0, 20.0, "m", "distance between front and rear axle")
    largest_angle: float = number(0.0, 0.0, 1.2, "rad", "front-wheel angle at full steering")
    largest_curvature: float = number(0.0, 0.0, 10.0, "1/m", "path curvature at full steering")
    positive_steering: str = choice(
        "auto", ("auto", "left", "right"), "side of positive values of the steering"
    )
    steering_delay: float = number(0.0, -5.0, 5.0, "s", "added to the stamps of the steering")
    speed: float = number(0.0, 0.0, 100.0, "m/s", "constant speed of a vehicle that records none")
    response_delay: float = number(
        0.0, 0.0, 2.0, "s", "time from a steering command until the vehicle turns"
    )
    lane_width: float = number(0.0, 0.0, 30.0, "m", "width of the lane or track")
    camera_height: float = number(0.0, 0.0, 10.0, "m", "of the camera above the ground")
    camera_pitch: float = number(0.0, -0.8, 1.2, "rad", "downward tilt of the camera")
    camera_field_of_view: float = number(0.0, 0.0, 3.0, "rad", "horizontal, of the whole picture")
    camera_forward: float = number(0.0, -10.0, 20.0, "m", "of the camera, ahead of the rear axle")

    def __post_init__(self) -> None:
        check(self)


def with_vehicle_file(path: Path, settings: RecordingSettings) -> RecordingSettings:
    """The settings for the recording at `path`: those given, then those of its vehicle's file; with
    a largest curvature, the vehicle is one that can steer it. Raises ConfigError for a file that
    cannot be used and for a curvature that the wheelbase cannot have."""
    file = named_vehicle(settings.vehicle_file) if settings.vehicle_file else _beside(path)
    if file is not None:
        said, preset = read_vehicle(file), starting_values(settings)
        if preset.lane_width and not said.lane_width:
            said = dataclasses.replace(said, lane_width=preset.lane_width)
        settings = _filled(settings, said)
    return with_capable_vehicle(settings) if settings.largest_curvature else settings


def named_vehicle(name: str) -> Path:
    """The file that --vehicle names: a path, or a preset by its name. Raises ConfigError for
    neither."""
    file = Path(name).expanduser()
    preset = None if file.is_file() else preset_file(name)
    if preset is None and not file.is_file():
        expected = f"one of {', '.join(preset_names())}, or a YAML file (no such file)"
        raise ConfigError("vehicle", name, expected)
    return preset or file


def node_parameters(settings: RecordingSettings) -> Mapping:
    """The parameters for all nodes in the robot's parameter file, or the preset, that --vehicle
    names; empty where it names none. Raises ConfigError for a file that is not there."""
    if not settings.vehicle_file:
        return {}
    try:
        values = load_yaml(read_bounded(named_vehicle(settings.vehicle_file), LARGEST))
    except (OSError, ModelFileError, *NOT_YAML):
        return {}  # what reads the vehicle says so
    return _parameters(values)


def with_parameters(config: object, settings: RecordingSettings, name: str = ""):
    """`config` as the nodes of the robot that --vehicle names would have it: fields that have their
    defaults take the values of its group `name` of parameters. Raises ConfigError."""
    values = node_parameters(settings)
    values = values.get(name, {}) if name else values
    if not isinstance(values, Mapping):
        return config
    default = type(config)()
    kept = {
        field.name: values[field.name]
        for field in dataclasses.fields(config)
        if field.name in values and getattr(config, field.name) == getattr(default, field.name)
    }
    return dataclasses.replace(config, **kept)


def with_assumed_speed(source: Source) -> None:
    """Gives an open recording without any speed that of the preset that --vehicle names, and says
    so in its remarks."""
    settings, speed = source.settings, starting_values(source.settings).speed
    steering = source.roles.get("steering")
    known = "speed" in source.roles or settings.constant_speed
    if not speed or known or steering is None or steering.kind in TWISTS:
        return
    source.settings = dataclasses.replace(settings, constant_speed=speed)
    source.assumed.append(
        f"speed: none is recorded: {speed:g} m/s is assumed, a usual one of a "
        f"{settings.vehicle_file}; --constant-speed says the real one"
    )


def with_capable_vehicle(settings: RecordingSettings) -> RecordingSettings:
    """The settings with a vehicle whose largest angle gives their largest curvature. Raises
    ConfigError where its wheelbase is too long for it."""
    default, vehicle = VehicleConfig(), settings.vehicle
    largest = settings.largest_curvature
    wheelbase = vehicle.wheelbase
    if math.isclose(largest * wheelbase, math.tan(vehicle.max_steering_angle)):
        return settings
    if wheelbase == default.wheelbase and largest * wheelbase > math.tan(USUAL_ANGLE):
        wheelbase = math.tan(USUAL_ANGLE) / largest
    angle = math.atan(wheelbase * largest)
    try:
        changed = VehicleConfig(wheelbase, angle)
    except ConfigError as error:
        raise ConfigError(
            "largest curvature x wheelbase",
            f"{largest:g} x {wheelbase:g}, a front-wheel angle of {angle:.3g} rad",
            "an angle of 0.01 to 1.2 rad",
        ) from error
    return dataclasses.replace(settings, vehicle=changed)


def full_curvature(settings: RecordingSettings) -> float | None:
    """The curvature [1/m] at the end of a steering of -1 to 1; None where it is not said."""
    default, vehicle = VehicleConfig(), settings.vehicle
    if settings.largest_curvature:
        return settings.largest_curvature
    if default.wheelbase == vehicle.wheelbase:
        return None
    if default.max_steering_angle == vehicle.max_steering_angle:
        return None
    return math.tan(vehicle.max_steering_angle) / vehicle.wheelbase


def read_vehicle(file: Path) -> DescribedVehicle:
    """The vehicle that a file describes; of a ROS parameter file, its `vehicle`. Raises ConfigError
    for one that is missing, not YAML or has other fields."""
    try:
        values = load_yaml(read_bounded(file, LARGEST))
    except OSError as error:
        raise ConfigError("vehicle", str(file), f"a readable file ({error.strerror})") from error
    except ModelFileError as error:
        raise ConfigError("vehicle", str(file), f"a small file ({error.problem})") from error
    except NOT_YAML as error:
        raise ConfigError(
            "vehicle", str(file), "plain YAML: lines like `largest_curvature: 1.0`"
        ) from error
    if isinstance(values, Mapping) and "/**" in values:
        values = _of_parameters(values)
    try:
        return from_mapping(DescribedVehicle, {} if values is None else values)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error.name}", error.got, error.expected) from error


def _parameters(values: object) -> Mapping:
    for key in ("/**", "ros__parameters"):
        values = values.get(key) if isinstance(values, Mapping) else None
    return values if isinstance(values, Mapping) else {}


def write_vehicle(file: Path, settings: RecordingSettings) -> None:
    """Describes the vehicle of the settings, for a recording whose steering is an angle of its
    front wheels and is corrected."""
    values = {
        "wheelbase": settings.vehicle.wheelbase,
        "largest_angle": settings.vehicle.max_steering_angle,
        "response_delay": settings.response_delay,
        "lane_width": settings.lane_width,
    }
    for field in dataclasses.fields(CameraMount):
        values[f"camera_{field.name}"] = getattr(settings.mount, field.name)
    lines = [f"{name}: {value!r}\n" for name, value in values.items() if value]
    file.write_text("".join(lines))


def _of_parameters(values: Mapping) -> dict:
    vehicle = _parameters(values).get("vehicle")
    vehicle = vehicle if isinstance(vehicle, Mapping) else {}
    named = {"wheelbase": "wheelbase", "max_steering_angle": "largest_angle"}
    return {named[name]: value for name, value in vehicle.items() if name in named}


def _beside(path: Path) -> Path | None:
    folder = path if path.is_dir() else path.parent
    for place in (folder / NAME, folder.absolute().parent / NAME):
        if place.is_file():
            return place
    return None


def _filled(settings: RecordingSettings, said: DescribedVehicle) -> RecordingSettings:
    """Settings that have their defaults are replaced by what is said."""
    default, given = RecordingSettings(), settings.vehicle
    wheelbase, angle = given.wheelbase, given.max_steering_angle
    if said.wheelbase and wheelbase == default.vehicle.wheelbase:
        wheelbase = said.wheelbase
    by_angle = angle != default.vehicle.max_steering_angle
    if said.largest_angle and not by_angle:
        angle = said.largest_angle
    changes: dict[str, object] = {"vehicle": VehicleConfig(wheelbase, angle)}
    largest = settings.largest_curvature or (0.0 if by_angle else said.largest_curvature)
    if not largest and (by_angle or said.largest_angle):
        if said.wheelbase or given.wheelbase != default.vehicle.wheelbase:
            largest = math.tan(angle) / wheelbase
    for name, value in (
        ("largest_curvature", largest),
        ("positive_steering", said.positive_steering),
        ("steering_delay", said.steering_delay),
        ("constant_speed", said.speed),
        ("response_delay", said.response_delay),
        ("lane_width", said.lane_width),
    ):
        if getattr(settings, name) == getattr(default, name):
            changes[name] = value
    mount = {}
    for field in dataclasses.fields(CameraMount):
        value = getattr(settings.mount, field.name)
        mount[field.name] = value or getattr(said, f"camera_{field.name}")
    return dataclasses.replace(settings, mount=CameraMount(**mount), **changes)
