"""The vocabulary: every value that crosses a module boundary online.

Axes are REP-103 body axes: x forward, y left, z up. SI units throughout. Signs, stated once:
curvature, steering angle, yaw rate and lateral acceleration are positive to the left; a lane offset
is positive when the vehicle is left of its lane's centre. Stamps are integer nanoseconds of one
clock.
"""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

NOT_MEASURED = (math.nan, math.nan, math.nan)
"""Stands for a vector that the sensor does not measure."""


def stamp_ns(stamp) -> int:
    """Nanoseconds of any object with the attributes of builtin_interfaces Time."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def is_measured(covariance: Sequence[float]) -> bool:
    """Whether the value with this covariance is measured: sensor_msgs says with -1 in its first
    element that it is not."""
    return not (len(covariance) and covariance[0] == -1.0)


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One camera picture: `image` is (H, W, 3) uint8 RGB, stamped at exposure."""

    stamp_ns: int
    image: np.ndarray


@dataclasses.dataclass(frozen=True, slots=True)
class ImuSample:
    """One inertial measurement in body axes; the accelerometer reads specific force (+9.81 on z at
    rest). A part that the sensor does not measure is `NOT_MEASURED`."""

    stamp_ns: int
    angular_velocity: tuple[float, float, float]
    linear_acceleration: tuple[float, float, float]

    @classmethod
    def from_message(cls, message) -> ImuSample:
        """Of any object with the attributes of sensor_msgs Imu; its orientation is not used. By
        the definition of that message a part is not measured where element 0 of its covariance is
        -1."""
        rate, acceleration = message.angular_velocity, message.linear_acceleration
        return cls(
            stamp_ns(message.header.stamp),
            (rate.x, rate.y, rate.z)
            if is_measured(message.angular_velocity_covariance)
            else NOT_MEASURED,
            (acceleration.x, acceleration.y, acceleration.z)
            if is_measured(message.linear_acceleration_covariance)
            else NOT_MEASURED,
        )

    def gyro_alone(self) -> ImuSample:
        """Without the acceleration."""
        return dataclasses.replace(self, linear_acceleration=NOT_MEASURED)

    def accelerometer_alone(self) -> ImuSample:
        """Without the angular velocity."""
        return dataclasses.replace(self, angular_velocity=NOT_MEASURED)


class PlanarOdometry(NamedTuple):
    """What else an odometry says: position x, y [m] and heading [rad] in its frame, speed to the
    left [m/s] and yaw rate [rad/s] of its twist."""

    x: float
    y: float
    yaw: float
    lateral: float
    yaw_rate: float


@dataclasses.dataclass(frozen=True, slots=True)
class SpeedSample:
    """Measured forward speed of the vehicle [m/s], NaN where the message says that it is not
    measured. `odometry`: the rest of its message, of recordings only."""

    stamp_ns: int
    speed: float
    odometry: PlanarOdometry | None = dataclasses.field(default=None, compare=False)

    @classmethod
    def from_message(cls, message) -> SpeedSample:
        """Forward speed of any object with the attributes of nav_msgs Odometry; it is not measured
        where element 0 of the twist's covariance is -1."""
        twist = message.twist
        speed = twist.twist.linear.x if is_measured(twist.covariance) else math.nan
        return cls(stamp_ns(message.header.stamp), speed)


@dataclasses.dataclass(frozen=True, slots=True)
class SteeringSample:
    """Front-wheel angle [rad] that was measured, or that a recorded driver commanded; and speed
    [m/s] where the message has one."""

    stamp_ns: int
    steering_angle: float
    speed: float | None


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Observation:
    """What the policy is given at one step.

    `image`: (h, w, 3) uint8 RGB, preprocessed; None for a policy without an image.
    `measurements`: (M,) float32 in SI units, in the order of the policy's spec (`model.spec`).
    `dt`: seconds since the observation before, always finite and positive.
    `is_first`: the sequence starts here (first frame, gap or clock jump); the state must be reset.
    """

    stamp_ns: int
    image: np.ndarray | None
    measurements: np.ndarray
    dt: float
    is_first: bool


class Reason(enum.Enum):
    """Why a sample was not used. The time line gives the first five; `repeated`: the camera of a
    moving vehicle shows the same picture again and again; `runtime`: the policy raised or answered
    NaN."""

    DUPLICATE = "duplicate"
    OLDER = "older"
    FUTURE = "future"
    MALFORMED = "malformed"
    NOT_MEASURED = "not measured"
    REPEATED = "repeated"
    RUNTIME = "runtime"


@dataclasses.dataclass(frozen=True, slots=True)
class Rejected:
    """A sample that was not used."""

    stamp_ns: int
    reason: Reason


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """What the policy proposes: path curvature [1/m] and speed [m/s], with the stamp of the frame
    behind it."""

    stamp_ns: int
    curvature: float
    speed: float


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """Command to the vehicle: front-wheel steering angle [rad] and speed [m/s].

    `stamp_ns` is the stamp of the frame that caused it, 0 where that is not known; `issued_ns` is
    when the gate issued it, and the stamp of its message.
    """

    stamp_ns: int
    issued_ns: int
    steering_angle: float
    speed: float


class Limit(enum.Flag):
    """What the safety gate did to an action."""

    NONE = 0
    NOT_FINITE = enum.auto()
    STALE = enum.auto()
    FUTURE = enum.auto()
    ANGLE = enum.auto()
    ANGLE_RATE = enum.auto()
    LATERAL_ACCELERATION = enum.auto()
    SPEED = enum.auto()
    SPEED_UNKNOWN = enum.auto()
    LATERAL_JERK = enum.auto()
    ACCELERATION = enum.auto()
    DECELERATION = enum.auto()

    def names(self) -> tuple[str, ...]:
        return tuple(member.name.lower() for member in Limit if member and member in self)


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """The gate's judgement: which limits acted. `safe_stop`: no usable action, the speed is taken
    away.

    `released`: the command's angle is only the last one; the wheels are the driver's.
    """

    limits: Limit
    safe_stop: bool
    released: bool = False
