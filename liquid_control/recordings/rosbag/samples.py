"""Decoded messages to samples, by the settings and the chosen topics. Readers are kept by message
type: the type of a topic may change between the files of one recording."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

from liquid_control.recordings.rosbag.fields import vector_reader
from liquid_control.recordings.rosbag.readings import (
    no_joint,
    planar,
    speed_reader,
    steering_reader,
)
from liquid_control.recordings.rosbag.topics import Roles
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.values import ACCELEROMETER
from liquid_control.signals import NOT_MEASURED, ImuSample, SpeedSample, SteeringSample

MOST_JOINTS = 64  # that are named

Read = Callable[[object, int, str], tuple[ImuSample | SpeedSample | SteeringSample | None, str]]
"""Decoded message, stamp in use and message type to (sample, what is wrong with it). It may raise
AttributeError, TypeError or ValueError."""


def readers(settings: RecordingSettings, topics: Roles, absent: dict[str, str]) -> dict[str, Read]:
    """The reader of each role but the camera. They note in `absent`, by role, why a message holds
    no value."""
    return {
        "imu": _imu_reader(settings, _gyro_of(topics)),
        ACCELEROMETER: _imu_reader(settings, _accelerometer_of(topics)),
        "speed": _speed_reader(topics),
        "steering": _steering_reader(settings, topics, absent),
    }


def _imu_reader(settings: RecordingSettings, sample_of: Callable[[object, int], ImuSample]) -> Read:
    turn = settings.imu.turn()
    return lambda decoded, stamp_ns, kind: (turn(sample_of(decoded, stamp_ns)), "")


def _gyro_of(topics: Roles) -> Callable[[object, int], ImuSample]:
    """Sample of a message and its stamp: its gyro alone, where there is a field or an accelerometer
    of its own."""
    if topics.imu and topics.imu.field:
        vector = vector_reader(topics.imu.field)
        return lambda decoded, stamp_ns: ImuSample(stamp_ns, vector(decoded), NOT_MEASURED)
    if topics.accelerometer:
        return lambda decoded, stamp_ns: _stamped(decoded, stamp_ns).gyro_alone()
    return _stamped


def _accelerometer_of(topics: Roles) -> Callable[[object, int], ImuSample]:
    if topics.accelerometer and topics.accelerometer.field:
        vector = vector_reader(topics.accelerometer.field)
        return lambda decoded, stamp_ns: ImuSample(stamp_ns, NOT_MEASURED, vector(decoded))
    return lambda decoded, stamp_ns: _stamped(decoded, stamp_ns).accelerometer_alone()


def _stamped(decoded: object, stamp_ns: int) -> ImuSample:
    sample = ImuSample.from_message(decoded)
    return sample if sample.stamp_ns == stamp_ns else dataclasses.replace(sample, stamp_ns=stamp_ns)


def _speed_reader(topics: Roles) -> Read:
    field = topics.speed.field if topics.speed else ""
    reader_of = functools.cache(lambda kind: speed_reader(kind, field))

    def read(decoded, stamp_ns: int, kind: str) -> tuple[SpeedSample, str]:
        return SpeedSample(stamp_ns, reader_of(kind)(decoded), planar(kind, decoded)), ""

    return read


def _steering_reader(settings: RecordingSettings, topics: Roles, absent: dict[str, str]) -> Read:
    field = topics.steering.field if topics.steering else ""
    reader_of = functools.cache(lambda kind: steering_reader(kind, settings, field))
    joints: dict[str, None] = {}

    def read(decoded, stamp_ns: int, kind: str) -> tuple[SteeringSample | None, str]:
        steering = reader_of(kind)(decoded)
        if steering is None:
            joints.update(dict.fromkeys(decoded.name[: MOST_JOINTS - len(joints)]))
            absent["steering"] = no_joint(settings.topics.joint, joints)
            return None, ""
        finite = math.isfinite(steering[0])
        problem = "" if finite else f"{kind}: its steering angle is not a number"
        return SteeringSample(stamp_ns, *steering), problem

    return read
