"""What size and direction of inertial measurements say about their unit and axes: one rule for the
robot's start-up check and for the inspection of recordings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

GRAVITY = 9.81  # m/s²
SUSPICIOUS_GYRO = 12.0  # rad/s; no road vehicle turns so fast
TELLING, IMPOSSIBLE = 3.0, 20.0
"""Speed x yaw rate [m/s²] from which on the lateral acceleration must follow it, and which no tyre
allows without that."""
DEGREES = math.degrees(1.0)

MOUNTINGS = {"-z": "ned", "-y": "optical"}
"""`axes` of `perception.mounting` that bring gravity back to z, where that is sure enough."""

NOTE, WARNING, FAULT = "note", "warning", "fault"


@dataclasses.dataclass(frozen=True)
class Doubt:
    """One reason to doubt an IMU. `code` is for programs; `weight`: note, warning or fault; `axis`:
    the one with gravity, where that is the reason."""

    code: str
    weight: str
    text: str
    axis: str = ""


def gravity_axis(mean: Sequence[float]) -> str:
    """The axis on which the accelerometer reads gravity, "z" in body axes, "-z" in NED; empty
    without gravity. `mean`: x, y, z [m/s² or g] over seconds."""
    size = math.hypot(*mean)
    axis = max(range(3), key=lambda index: abs(mean[index]))
    return f"{'-' * (mean[axis] < 0)}{'xyz'[axis]}" if 0.8 < size < 1.25 or size >= 3.0 else ""


def doubt_gravity(mean: Sequence[float]) -> Iterator[Doubt]:
    """Unit and axes of an accelerometer by its mean x, y, z [m/s²] over seconds."""
    size, axis = math.hypot(*mean), gravity_axis(mean)
    says = f"the accelerometer's mean is {size:.2f}"
    if 0.8 < size < 1.25:
        yield Doubt("acceleration_unit", WARNING, f"{says}: looks like g")
    elif size < 3.0:
        yield Doubt("no_gravity", NOTE, f"{says} m/s²: without gravity")
    elif not 0.9 * GRAVITY < size < 1.1 * GRAVITY:
        yield Doubt("gravity", WARNING, f"{says} m/s², expected {GRAVITY}")
    if axis not in ("", "z"):
        says = f"gravity lies on {axis}, expected z"
        text = f"{says}: it is not in body axes (x forward, y left, z up)"
        yield Doubt("imu_axes", FAULT, text, axis)


def mounting_remedy(doubt: Doubt, setting: str) -> str:
    """How to turn an IMU with gravity on a wrong axis. `setting`: the name of `ImuMounting.axes`
    for the user."""
    if doubt.axis in MOUNTINGS:
        return f"{setting} {MOUNTINGS[doubt.axis]} (flu if that is set already)"
    return f"say how it is mounted: {setting}"


def doubt_gyro_size(largest: float) -> Iterator[Doubt]:
    """Unit of a gyro by its largest rate [rad/s]."""
    if largest > SUSPICIOUS_GYRO:
        yield Doubt(
            "gyro_unit", FAULT, f"gyro z reaches {largest:.0f} rad/s: looks like degrees per second"
        )


def doubt_gyro_by_acceleration(turning: float, lateral: float, slope: float) -> Iterator[Doubt]:
    """Unit of a gyro by the accelerometer of a driving vehicle. `turning`: root mean square of
    speed x yaw rate; `lateral`: that of the lateral acceleration [m/s²]; `slope`: least squares of
    the second on the first, 1 in SI units and 1/57 for degrees."""
    in_degrees = turning > TELLING and 0.5 < abs(slope) * DEGREES < 2.0
    if in_degrees or (turning > IMPOSSIBLE and lateral < turning / 5.0):
        yield Doubt(
            "gyro_unit",
            FAULT,
            f"speed x gyro is {turning:.0f} m/s², the lateral acceleration {lateral:.1f}: "
            "looks like degrees per second",
        )
