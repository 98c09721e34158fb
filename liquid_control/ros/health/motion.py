"""What the values of an IMU say of its axes and units, standing and driving. Pure."""

from __future__ import annotations

import collections
import dataclasses
import math
from collections.abc import Iterator

from liquid_control.perception.inertial import (
    NOTE,
    Doubt,
    doubt_gravity,
    doubt_gyro_by_acceleration,
    doubt_gyro_size,
    gravity_axis,
    mounting_remedy,
)
from liquid_control.perception.timeline import MOVING_SPEED
from liquid_control.ros.health.part import Level, Problem
from liquid_control.ros.health.sensor import WINDOWS
from liquid_control.signals import ImuSample

FEW = 10
"""Fewer samples are not judged."""
FEW_MOVING = 20
REMEDIES = {
    "acceleration_unit": "policy_node's imu.acceleration_scale: 9.81",
    "gravity": "check the accelerometer's scale and unit",
    "gyro_unit": "policy_node's imu.gyro_scale: 0.017453",
}


@dataclasses.dataclass(slots=True)
class _Sums:
    samples: int = 0
    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    largest: float = 0.0
    moving: int = 0
    turning: float = 0.0
    lateral: float = 0.0
    both: float = 0.0
    turning_2: float = 0.0
    lateral_2: float = 0.0

    def add(self, other: _Sums) -> None:
        for field in dataclasses.fields(self):
            value = getattr(other, field.name)
            kept = getattr(self, field.name)
            joined = max(kept, value) if field.name == "largest" else kept + value
            setattr(self, field.name, joined)


class Motion:
    """Sums over the samples of the last turns; `turn` is called once a second."""

    def __init__(self) -> None:
        self.reset()

    def reset(self, moving: float = MOVING_SPEED) -> None:
        """`moving`: slower the vehicle says nothing [m/s]."""
        self._moving = moving
        self._turns: collections.deque[_Sums] = collections.deque(maxlen=WINDOWS)
        self._open = _Sums()

    def hear(self, sample: ImuSample) -> None:
        """Takes a sample that the policy uses; a part of it may be NaN, which is not measured."""
        sums, (x, y, z) = self._open, sample.linear_acceleration
        if x + y + z == x + y + z:
            sums.samples += 1
            sums.x += x
            sums.y += y
            sums.z += z
        rate = abs(sample.angular_velocity[2])
        if rate > sums.largest:
            sums.largest = rate

    def drive(self, yaw_rate: float, lateral: float, speed: float) -> None:
        """What the policy is given with a frame: [rad/s], [m/s²], [m/s]."""
        if abs(speed) < self._moving:
            return
        sums, turning = self._open, speed * yaw_rate
        sums.moving += 1
        sums.turning += turning
        sums.lateral += lateral
        sums.both += turning * lateral
        sums.turning_2 += turning * turning
        sums.lateral_2 += lateral * lateral

    def turn(self) -> None:
        self._turns.append(self._open)
        self._open = _Sums()

    def judge(self) -> tuple[str, tuple[Problem, ...]]:
        """(axis of gravity, empty where that is not known; what is wrong)."""
        sums = _Sums()
        for turn in self._turns:
            sums.add(turn)
        doubts, axis = list(doubt_gyro_size(sums.largest)), ""
        if sums.samples >= FEW:
            mean = sums.x / sums.samples, sums.y / sums.samples, sums.z / sums.samples
            doubts += doubt_gravity(mean)
            axis = gravity_axis(mean) or "none"
        return axis, tuple(_problems(doubts, sums))


def _problems(doubts: list[Doubt], sums: _Sums) -> Iterator[Problem]:
    if sums.moving >= FEW_MOVING and not any(one.code == "gyro_unit" for one in doubts):
        doubts += doubt_gyro_by_acceleration(*_turning(sums))
    for doubt in doubts:
        if doubt.weight != NOTE:
            remedy = REMEDIES.get(doubt.code) or mounting_remedy(doubt, "policy_node's imu.axes:")
            yield Problem(doubt.code, Level.WARN, doubt.text, remedy)


def _turning(sums: _Sums) -> tuple[float, float, float]:
    """(root mean square of speed x yaw rate, of the lateral acceleration about its mean, slope of
    the second on the first)."""
    count = sums.moving
    mean_turning, mean_lateral = sums.turning / count, sums.lateral / count
    straight = sums.turning_2 / count
    covariance = sums.both / count - mean_turning * mean_lateral
    variance = straight - mean_turning**2
    if variance > 0.1 * straight:
        slope = covariance / variance
    else:  # a steady bend: through the origin
        slope = sums.both / sums.turning_2 if sums.turning_2 else 0.0
    return math.sqrt(straight), math.sqrt(sums.lateral_2 / count), slope
