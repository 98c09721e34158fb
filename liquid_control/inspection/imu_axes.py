"""How an IMU may be mounted, by the direction of gravity and by the relations of its signals to the
others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.inspection.motion_signals import Signals
from liquid_control.inspection.relations import (
    LEAST_GRAVITY,
    LEAST_RATIOS,
    ONE_G,
    is_calm,
    mean_force,
)
from liquid_control.perception.mounting import AXES, BODY, ImuMounting
from liquid_control.recordings.motion import Track

UPRIGHT = math.radians(8.0)
"""Angle between gravity and an axis up to which they are the same: road, load and bias."""
UPRIGHT_IN_BENDS = math.radians(35.0)
UP = np.array([0.0, 0.0, 1.0])


def gravity_direction(signals: Signals) -> np.ndarray | None:
    """(3,) unit vector of the mean acceleration, which points up; None without gravity."""
    mean = mean_force(signals)
    size = float(np.linalg.norm(mean))
    if not (size > LEAST_GRAVITY or ONE_G[0] < size < ONE_G[1]):
        return None
    return mean / size


def is_upright(signals: Signals, direction: np.ndarray) -> bool:
    """Whether gravity lies on z, as far as a drive that may bend throughout tells."""
    return tilt(direction) <= tolerance(signals)


def tolerance(signals: Signals) -> float:
    """Angle [rad] between gravity and an axis up to which they are the same."""
    steady = np.count_nonzero(is_calm(signals)) >= LEAST_RATIOS
    return UPRIGHT if steady else UPRIGHT_IN_BENDS


def is_down(signals: Signals, direction: np.ndarray) -> bool:
    """Whether gravity lies on -z."""
    return is_upright(signals, -direction)


def tilt(direction: np.ndarray) -> float:
    """Angle [rad] of a unit vector to the z axis."""
    return math.acos(float(np.clip(direction[2], -1.0, 1.0)))


def rotations(direction: np.ndarray | None, near: float) -> list[np.ndarray]:
    """(3, 3) rotations from the sensor's axes to the vehicle's that fit gravity, the identity
    first; without gravity those that bring another axis up. `near`: angle [rad] to an axis up to
    which gravity lies on it."""
    identity = np.eye(3)
    if direction is None:
        return [identity] + [
            _least_turn(sign * axis) for axis in identity for sign in (1, -1) if sign * axis[2] < 1
        ]
    bases = [identity] if tilt(direction) <= near else [_upright(direction, near)]
    found = [_about_z(quarter) @ base for base in bases for quarter in range(4)]
    others = [one for one in found if not np.allclose(one, identity)]
    return [identity, *others]


def turned(signals: Signals, rotation: np.ndarray) -> Signals:
    """The signals of an IMU whose axes are brought to the vehicle's."""
    return dataclasses.replace(
        signals, gyro=_turned(signals.gyro, rotation), force=_turned(signals.force, rotation)
    )


def mounting_flags(rotation: np.ndarray, mounting: ImuMounting) -> str:
    """The flags that add `rotation` to the mounting with which the recording was read."""
    whole = rotation @ mounting.rotation
    axes = max(AXES, key=lambda letters: float(np.sum(whole * ImuMounting(letters).rotation)))
    rest = whole @ ImuMounting(axes).rotation.T
    flags = [f"--imu.axes {axes}"] if axes != BODY else []
    pitch = math.asin(float(np.clip(-rest[2, 0], -1.0, 1.0)))
    angles = {
        "roll": math.atan2(rest[2, 1], rest[2, 2]),
        "pitch": pitch,
        "yaw": math.atan2(rest[1, 0], rest[0, 0]),
    }
    flags += [f"--imu.{name} {angle:.3f}" for name, angle in angles.items() if abs(angle) > 5e-4]
    return " ".join(flags) or f"--imu.axes {BODY}"


def _turned(axes: tuple[Track, Track, Track], rotation: np.ndarray) -> tuple[Track, Track, Track]:
    if not len(axes[0]):
        return axes
    values = rotation @ np.stack([axis.value for axis in axes])
    return tuple(Track(axes[0].stamp_ns, row) for row in values)


def _upright(direction: np.ndarray, near: float) -> np.ndarray:
    """The rotation that brings a direction up; of a sensor along the axes without what is less than
    `near`."""
    axis = int(np.argmax(np.abs(direction)))
    along = np.sign(direction[axis]) * np.eye(3)[axis]
    if math.acos(float(np.clip(along @ direction, -1.0, 1.0))) <= near:
        direction = along
    return _least_turn(direction)


def _least_turn(direction: np.ndarray) -> np.ndarray:
    """The smallest rotation that brings a unit vector to +z; half a turn about x from -z."""
    if direction[2] < -0.9999:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(direction, UP)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1.0 + direction[2])


def _about_z(quarters: int) -> np.ndarray:
    sine, cosine = ((0, 1), (1, 0), (0, -1), (-1, 0))[quarters]
    return np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1.0]])
