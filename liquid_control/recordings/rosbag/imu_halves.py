"""Gyro and accelerometer on two topics of type Imu, as RealSense publishes them: found by what
their first messages hold."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

from liquid_control.errors import AmbiguousTopicError, MessageError
from liquid_control.recordings.rosbag.reader import BagReader, BagTopic
from liquid_control.recordings.values import ACCELEROMETER
from liquid_control.signals import ImuSample

LOOKED_AT = 8  # messages
GYRO, WHOLE = "gyro", "whole"


def half_of(reader: BagReader, name: str) -> str:
    """Which part of its Imu messages a topic fills: GYRO, ACCELEROMETER or WHOLE, which stands for
    neither, too. A part that is not measured, by covariance or NaN, or zero throughout, is not
    filled."""
    gyro = accelerometer = False
    for message in reader.first(name, LOOKED_AT):
        try:
            sample = ImuSample.from_message(reader.decode(message))
        except (MessageError, AttributeError, TypeError, ValueError):
            continue
        gyro |= _filled(sample.angular_velocity)
        accelerometer |= _filled(sample.linear_acceleration)
    if gyro == accelerometer:
        return WHOLE
    return GYRO if gyro else ACCELEROMETER


def split_imu(
    reader: BagReader, topics: Sequence[BagTopic], imu: str, accelerometer: str
) -> tuple[str, str]:
    """Names of the topics of the IMU and of its accelerometer, '' for what is not found; the second
    is '' where the first holds both. `topics`: those of type Imu; `imu` and `accelerometer`: those
    that the settings name, or ''.

    Raises AmbiguousTopicError where several are left.
    """
    names = list(dict.fromkeys(topic.name for topic in topics if topic.count != 0))
    imu, accelerometer = (f"/{one}" if f"/{one}" in names else one for one in (imu, accelerometer))
    names = [name for name in names if name != accelerometer]
    if accelerometer and imu or len(names) < 2:
        return imu or "".join(names), accelerometer
    halves = {name: half_of(reader, name) for name in names}
    gyros = [name for name in names if halves[name] == GYRO]
    if imu:
        if halves.get(imu) == ACCELEROMETER and (partner := _nearest(imu, gyros)):
            return partner, imu
        chosen = imu
    else:
        paired = {_nearest(name, gyros) for name in names if halves[name] == ACCELEROMETER}
        left = [name for name in names if halves[name] != ACCELEROMETER or not paired - {""}]
        if len(left) > 1:
            raise AmbiguousTopicError("imu", tuple(left))
        chosen = left[0]
    if halves.get(chosen) != GYRO:
        return chosen, accelerometer
    others = [name for name in names if halves[name] == ACCELEROMETER]
    return chosen, accelerometer or _nearest(chosen, others)


def _nearest(name: str, others: Sequence[str]) -> str:
    """The one that shares most of its namespaces with `name`; '' where none or several do."""
    shared = {
        other: len(os.path.commonprefix([name.split("/"), other.split("/")])) for other in others
    }
    best = [other for other in others if shared[other] == max(shared.values())]
    return best[0] if len(best) == 1 else ""


def _filled(vector: Sequence[float]) -> bool:
    return any(value != 0.0 and not math.isnan(value) for value in vector)
