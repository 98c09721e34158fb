"""What is wrong with inertial measurements, speed and steering by their own numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.inspection.findings import FAULT, WARNING, Finding, fault, warning
from liquid_control.inspection.series import ColumnReport, SeriesTrack
from liquid_control.perception.inertial import doubt_gyro_size

AXES = ("gyro x", "gyro y", "gyro z", "acceleration x", "acceleration y", "acceleration z")
STUCK_MOST = 0.5  # share of the recording
FEW = 10  # samples
FASTEST = 70.0  # m/s
LARGEST_ANGLE = 1.3  # rad


def judge_imu(gyro: SeriesTrack, accelerometer: SeriesTrack, compared: bool) -> Iterator[Finding]:
    """Rails, repetitions, and the gyro's range unless its unit is `compared` with other signals."""
    rates, forces = gyro.report(), accelerometer.report()
    if not_finite := max(gyro.not_finite, accelerometer.not_finite):
        yield warning(
            "not_finite",
            "imu",
            f"{not_finite} samples hold NaN, infinity or absurd numbers",
            "they are left out",
        )
    rails = [
        f"{name} at {c.highest if c.at_highest >= c.at_lowest else c.lowest:.3g}"
        for names, columns, count in (
            (AXES[:3], rates, gyro.count),
            (AXES[3:], forces, accelerometer.count),
        )
        for name, c in zip(names, columns, strict=False)
        if c.clipped(count)
    ]
    if rails:
        yield warning(
            "clipped",
            "imu",
            "stands at a rail: " + ", ".join(rails),
            "choose a larger measuring range",
        )
    yield from _stuck(gyro, rates)
    yield from _stuck(accelerometer, forces)
    if rates:
        turning = rates[2]
        if turning.constant and turning.mean and gyro.count >= FEW:
            yield warning(
                "constant",
                "imu",
                f"gyro z is {turning.mean:.3g} rad/s throughout",
                "the driver does not fill in angular_velocity",
            )
        elif turning.deviation > 1.0 and not compared:
            largest = max(-turning.lowest, turning.highest)
            for doubt in doubt_gyro_size(largest):
                yield fault(doubt.code, "imu", doubt.text, "--imu.gyro-scale 0.017453")


def _stuck(track: SeriesTrack, columns: tuple[ColumnReport, ...]) -> Iterator[Finding]:
    if all(column.constant for column in columns):
        return
    duration = max(float(np.ptp(track.rows[:, 0])), 1e-9)
    for name, stretches in track.stuck.items():
        if stretches:
            start, longest = max(stretches, key=lambda one: one[1])
            total = sum(length for _, length in stretches)
            yield Finding(
                "stuck",
                "imu",
                f"the {name} repeats itself exactly while the vehicle moves: {longest:.1f} s "
                f"from {start:.1f} s, {total:.1f} s in all",
                "its driver loses the sensor",
                WARNING,
                FAULT if total > STUCK_MOST * duration else WARNING,
            )


def judge_driving(
    speed: SeriesTrack,
    steering: SeriesTrack,
    fitted: bool,
    compared: bool,
    scale: DrivingScale,
    moved: bool = False,
    is_curvature: bool = False,
) -> Iterator[Finding]:
    """Ranges of speed and steering; `fitted`: the gyro gives the steering's unit better than its
    range does, `compared`: other signals give the speed's, `moved`: an odometry's positions move;
    `scale`: of the vehicle; `is_curvature`: the steering is read from yaw rates."""
    for role, track in (("speed", speed), ("steering", steering)):
        if track.not_finite:
            yield warning(
                "not_finite",
                role,
                f"{track.not_finite} samples hold NaN, infinity or absurd numbers",
                "they are left out",
            )
    for column in speed.report():
        fastest = max(-column.lowest, column.highest)
        if fastest < scale.idle:
            text = f"the vehicle never moves: at most {fastest:.2f} m/s"
            remedy = "check unit and topic"
            if moved:
                text += ", but the positions of the odometry move"
                remedy = "--speed-source pose"
            yield Finding("never_moves", "speed", text, remedy, WARNING, FAULT)
        elif fastest > FASTEST and not compared:
            yield fault(
                "speed_unit",
                "speed",
                f"up to {fastest:.0f} m/s: looks like km/h",
                "--speed-scale 0.2778 if it is",
            )
        if column.mean < -scale.compared and not compared:
            yield fault(
                "speed_sign",
                "speed",
                f"the mean speed is {column.mean:.1f} m/s: backward",
                "forward must be positive; of a vehicle that drove forward: --speed-scale -1",
            )
    for column in steering.report():
        largest = max(-column.lowest, column.highest)
        if column.constant and steering.count >= FEW:
            text = f"the steering is {column.mean:.3g} rad throughout"
            remedy = "is it the right topic?"
            if is_curvature:
                remedy += " A twist without linear.x may hold an angle: --twist-steering angle"
            yield Finding("constant", "steering", text, remedy, WARNING, FAULT)
        elif largest > LARGEST_ANGLE and not (fitted or is_curvature):
            yield fault(
                "steering_unit",
                "steering",
                f"angles up to {largest:.3g} are not front-wheel radians",
                "bring them there with --steering-scale",
            )
