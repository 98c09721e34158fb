"""The measured speed and steering angle from messages of any type: the same table as recordings
(`recordings.rosbag.readings`), and any number of other types by the name of its field.

A message that does not hold the number gives NaN, which policy and gate refuse and count.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Callable

from rclpy.node import Node

from liquid_control.config import check, number, text
from liquid_control.errors import ConfigError, FieldError, MessageError, MissingDependencyError
from liquid_control.recordings.rosbag.fields import check_default, number_reader
from liquid_control.recordings.rosbag.readings import (
    ANGLE_TYPES,
    JOINTS,
    SPEEDS,
    own_stamp_ns,
    speed_reader,
    steering_reader,
)
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import SpeedSample, SteeringSample

_UNREADABLE = (MessageError, AttributeError, TypeError, ValueError)


@dataclasses.dataclass(frozen=True)
class SpeedInput:
    """The message on `odom` that the measured speed is read from."""

    type: str = text(
        "nav_msgs/msg/Odometry", "message type of the measured speed, see below; any with `field`"
    )
    field: str = text(
        "", "the number that is the speed, as in twist.linear.x or data[0]; empty: as the type says"
    )
    scale: float = number(1.0, -1e4, 1e4, "", "m/s per unit of it (km/h: 0.2778), or its sign")
    offset: float = number(0.0, -50.0, 50.0, "m/s", "added to it, after the scale")

    def __post_init__(self) -> None:
        check(self)
        _check_type(self, tuple(SPEEDS))


@dataclasses.dataclass(frozen=True)
class AngleInput:
    """The message on `steering_angle` that the measured angle of the front wheels is read from."""

    type: str = text(
        "std_msgs/msg/Float64", "message type of the measured angle, see below; any with `field`"
    )
    field: str = text(
        "", "the number that is the angle, as in angle or data[0]; empty: as the type says"
    )
    joint: str = text("", "name of the steering joint in a sensor_msgs/msg/JointState")
    scale: float = number(
        1.0, -1e4, 1e4, "", "front-wheel radians per unit of it (degrees: 0.017453), or its sign"
    )
    offset: float = number(0.0, -1e4, 1e4, "rad", "added to it, after the scale")

    def __post_init__(self) -> None:
        check(self)
        _check_type(self, ANGLE_TYPES)
        if self.type == JOINTS and not (self.joint or self.field):
            raise ConfigError("AngleInput.joint", self.joint, f"a name of a joint in {JOINTS}")


def message_class(kind: str) -> type:
    """The class of a message type, 'nav_msgs/msg/Odometry'. Raises MissingDependencyError where its
    package is not installed, ConfigError where it has no such message."""
    package, _, name = kind.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except ImportError as error:
        apt = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        remedy = f"Install {apt} with apt, or build it in the workspace that is sourced."
        raise MissingDependencyError(package, remedy) from error
    except AttributeError as error:
        raise ConfigError("type", kind, f"a message of {package}") from error


def speed_input(
    node: Node, config: SpeedInput
) -> tuple[type, Callable[[object, int], SpeedSample]]:
    """(class of the messages on `odom`, function from a message and its arrival [ns] to a sample).
    The arrival stands in for the stamp that a type lacks.

    Raises ConfigError for a field that the type does not have, MissingDependencyError.
    """
    kind = _class_with(config)
    read = _reporting(node, "odom", speed_reader(config.type, config.field))

    def sample(message: object, arrival_ns: int) -> SpeedSample:
        speed = read(message)
        stamp_ns = own_stamp_ns(message)
        stamp_ns = arrival_ns if stamp_ns is None else stamp_ns
        return SpeedSample(stamp_ns, speed * config.scale + config.offset)

    return kind, sample


def angle_input(
    node: Node, config: AngleInput
) -> tuple[type, Callable[[object, int], SteeringSample]]:
    """As `speed_input`, of messages on `steering_angle`."""
    kind = _class_with(config)
    settings = RecordingSettings(topics=TopicMap(joint=config.joint), steering_scale=config.scale)
    steering = steering_reader(config.type, settings, config.field)

    def angle(message: object) -> float:
        found = steering(message)
        if found is None:
            raise ValueError(f"no joint {config.joint} with a position; there are: {message.name}")
        return found[0]

    read = _reporting(node, "steering_angle", angle)

    def sample(message: object, arrival_ns: int) -> SteeringSample:
        stamp_ns = own_stamp_ns(message)
        stamp_ns = arrival_ns if stamp_ns is None else stamp_ns
        return SteeringSample(stamp_ns, read(message) + config.offset, None)

    return kind, sample


def _check_type(config: SpeedInput | AngleInput, known: tuple[str, ...]) -> None:
    name = type(config).__name__
    if config.field:
        try:
            number_reader(config.field)
        except FieldError as error:
            raise ConfigError(f"{name}.field", config.field, error.expected) from error
        parts = config.type.split("/") if isinstance(config.type, str) else []
        if len(parts) != 3 or parts[1] != "msg" or not all(part.isidentifier() for part in parts):
            raise ConfigError(f"{name}.type", config.type, "a type as in nav_msgs/msg/Odometry")
    elif config.type not in known:
        expected = f"one of {', '.join(known)}, or any other with the name of its {name}.field"
        raise ConfigError(f"{name}.type", config.type, expected)


def _class_with(config: SpeedInput | AngleInput) -> type:
    kind = message_class(config.type)
    if config.field:
        try:
            check_default(config.field, kind())
        except FieldError as error:
            name = f"{type(config).__name__}.field"
            raise ConfigError(name, config.field, f"{error.expected} ({config.type})") from error
    return kind


def _reporting(
    node: Node, topic: str, read: Callable[[object], float]
) -> Callable[[object], float]:
    def reported(message: object) -> float:
        try:
            return read(message)
        except _UNREADABLE as error:
            node.get_logger().warning(f"{topic}: {error}", throttle_duration_sec=1.0)
            return math.nan

    return reported
