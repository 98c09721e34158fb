"""Judges whether steering, gyro and accelerometer agree: signs, units, axes and delay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.inspection.agreement import Agreement
from liquid_control.inspection.findings import OK, WARNING, Finding, fault, note, warning
from liquid_control.recordings.rosbag.readings import TWISTS

DEGREES = 180.0 / np.pi
CLOSE, STRONG, WEAK = 0.95, 0.7, 0.4  # correlations
SAME = 0.6, 1.7  # ratios within which the unit is right
FITTING = 0.8, 1.25  # ratios within which the wheelbase is
LOOKS = (
    (6.0, 30.0, "looks like a steering-wheel angle, ratio about {:.0f}"),
    (45.0, 75.0, "looks like degrees"),
    (400.0, 1700.0, "looks like a steering-wheel angle in degrees"),
)
LONG = 0.3  # s
LEAST_TELLING, BENDING = (
    15.0,
    0.03,
)  # s at speed, rad/s of the gyro's deviation: from then on they have to agree


def judge_agreement(
    agreement: Agreement, steering_kind: str, scale: float, vehicle: VehicleConfig
) -> Iterator[Finding]:
    """`steering_kind`: message type of the steering; `scale`: what its angles were multiplied
    by."""
    fit, axes, lateral = agreement.steering, agreement.axes, agreement.lateral
    seen = agreement.camera.delay
    against = [
        name
        for name, turned in (
            ("steering", fit.known and fit.slope < 0),
            ("lateral acceleration", lateral.known and lateral.slope < 0),
            ("pictures", seen is not None and seen.sure and seen.correlation < 0),
        )
        if turned
    ]
    gyro_turned = len(against) > 1
    if gyro_turned:
        yield fault(
            "gyro_sign",
            "imu",
            f"the gyro's z axis turns against {' and '.join(against)}: it points down",
            "turn the IMU into base_link (z up) before recording",
        )
    elif "pictures" in against:
        yield fault(
            "picture_against_gyro",
            "imu",
            f"the pictures turn against the gyro (correlation {seen.correlation:.2f})",
            "the pictures are mirrored, or the gyro's z axis points down: correct it before recording",
        )
    if axes is not None and max(abs(axes[0]), abs(axes[1])) > STRONG and not abs(axes[2]) > WEAK:
        best = "x" if abs(axes[0]) > abs(axes[1]) else "y"
        yield fault(
            "gyro_axis",
            "imu",
            f"the gyro's {best} axis follows the steering, z does not: the IMU is not in body axes",
            "turn it into base_link before recording",
        )
    elif fit.known:
        yield from _unit(
            agreement, steering_kind in TWISTS, scale * (-1.0 if gyro_turned else 1.0), vehicle
        )
        if fit.slope < 0 and not gyro_turned:
            yield _sign(agreement, steering_kind in TWISTS, scale)
        yield from _delay(agreement)
    elif np.isfinite(fit.slope):
        telling = (
            fit.duration > LEAST_TELLING and fit.deviation > BENDING and abs(fit.correlation) < WEAK
        )
        yield (warning if telling else note)(
            "steering_disagrees",
            "steering",
            f"steering and gyro hardly agree (correlation {fit.correlation:.2f} in {fit.duration:.0f} s at speed)",
            "is it the right topic (--topics.steering), the right joint (--topics.joint)?"
            if telling
            else "",
        )
    if lateral.known and 0.5 < abs(lateral.slope) * DEGREES < 2.0:
        yield fault(
            "gyro_unit",
            "imu",
            f"speed x gyro is {1 / abs(lateral.slope):.0f} times the lateral acceleration: degrees per second",
            "the driver must publish rad/s",
        )
    elif lateral.known and lateral.slope < -0.2 and not gyro_turned:
        yield fault(
            "lateral_sign",
            "imu",
            "the lateral acceleration has the opposite sign of speed x yaw rate",
            "y must point left and z up: turn the IMU into base_link before recording",
        )


def _unit(
    agreement: Agreement, twist: bool, scale: float, vehicle: VehicleConfig
) -> Iterator[Finding]:
    """How many times the recorded angle is the one that the gyro's yaw rate needs."""
    size = abs(agreement.steering.ratio)
    if 1.0 / 75.0 < size < 1.0 / 45.0:
        yield fault(
            "gyro_unit",
            "imu",
            f"the gyro turns {1 / size:.0f} times as fast as steering and speed say: degrees per second",
            "the driver must publish rad/s",
        )
    elif not _same(agreement):
        looks = next(
            (words for low, high, words in LOOKS if low < size < high), "of unknown unit"
        ).format(size)
        yield fault(
            "steering_unit",
            "steering",
            f"it is {size:.3g} times what gyro, speed and wheelbase say: {looks}",
            "check speed and gyro"
            if twist
            else f"--steering-scale {scale / agreement.steering.ratio:.3g}",
        )
    elif (
        not twist
        and not FITTING[0] < size < FITTING[1]
        and abs(agreement.steering.correlation) > CLOSE
    ):
        fitted = vehicle.wheelbase * size
        yield Finding(
            "wheelbase",
            "steering",
            f"steering and gyro fit a wheelbase of {fitted:.2f} m, set are {vehicle.wheelbase:g} m",
            f"--vehicle.wheelbase {fitted:.2f}",
            OK,
            WARNING,
        )


def _sign(agreement: Agreement, twist: bool, scale: float) -> Finding:
    needed = (
        f"--steering-scale {-scale if _same(agreement) else scale / agreement.steering.ratio:.3g}"
    )
    return fault(
        "steering_sign",
        "steering",
        f"its sign is flipped against the gyro's (correlation {agreement.steering.correlation:.2f})",
        "record the command with left positive" if twist else needed,
    )


def _same(agreement: Agreement) -> bool:
    """Whether the unit is right, as far as the noise in both signals lets one tell."""
    size, trust = abs(agreement.steering.ratio), abs(agreement.steering.correlation)
    return SAME[0] < size / trust and size * trust < SAME[1]


def _delay(agreement: Agreement) -> Iterator[Finding]:
    delay = agreement.steering.delay
    if delay is not None and delay.sure and abs(delay.seconds) > max(LONG, 3.0 * delay.uncertainty):
        if delay.seconds > 0:
            yield note(
                "steering_delay",
                "steering",
                f"the vehicle turns {delay.seconds:.2f} s after the recorded steering",
            )
        else:
            yield warning(
                "steering_delay",
                "steering",
                f"the vehicle turns {-delay.seconds:.2f} s before the recorded steering",
                "their clocks differ: read it with --stamps receive",
            )
