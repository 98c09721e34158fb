"""Findings about how an IMU is mounted, by gravity and by what its signals should follow."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from liquid_control.inspection.agreement import Agreement, follows_other_axis
from liquid_control.inspection.diagnosis import Diagnosis
from liquid_control.inspection.findings import Finding, fault, note, warning
from liquid_control.inspection.imu_axes import mounting_flags, tilt
from liquid_control.inspection.relations import mean_force
from liquid_control.recordings.settings import RecordingSettings

STEEP = math.radians(15.0)


def judge_mounting(agreement: Agreement, settings: RecordingSettings) -> Iterator[Finding]:
    """The IMU's axes, by gravity and by what its signals should follow."""
    diagnosis = agreement.diagnosis
    yield from _gravity(diagnosis)
    rotation, up = diagnosis.rotation, diagnosis.up
    flags = "" if rotation is None else mounting_flags(rotation, settings.imu)
    if diagnosis.others:
        options = ", ".join(mounting_flags(one, settings.imu) for one in diagnosis.others)
        flags += f" or one of {options}: the drive does not tell where x and y point"
    other = follows_other_axis(agreement.axes)
    if other:
        yield fault(
            "gyro_axis",
            "imu",
            f"the gyro's {other} axis follows the steering, z does not: the IMU is not in body "
            "axes",
            flags or "name where its axes point with --imu.axes",
        )
    if diagnosis.upside:
        yield _off_axis(diagnosis, flags, tilt(up))
    elif rotation is not None and not other:
        turned_back = rotation[1, 1] < -0.5
        words = (
            "has the opposite sign of speed x yaw rate: the IMU is turned by half a turn, or its y "
            "axis points to the right"
            if turned_back
            else "lies on another axis: the IMU is turned, or its axes are swapped"
        )
        yield fault(
            "lateral_sign" if turned_back else "imu_axes",
            "imu",
            f"the lateral acceleration {words}",
            flags,
        )


def _off_axis(diagnosis: Diagnosis, flags: str, angle: float) -> Finding:
    up = diagnosis.up
    axis = int(np.argmax(np.abs(up)))
    place = f"{'-' * bool(up[axis] < 0)}{'xyz'[axis]}"
    lies = f"gravity lies on {place}, expected z"
    if axis == 2 and up[2] > 0:
        lies = f"gravity is {math.degrees(angle):.0f} degrees off z"
    if diagnosis.upside == "accelerometer":
        return fault(
            "imu_axes",
            "imu",
            f"{lies}, while the gyro is in body axes: the accelerometer's axes are other ones",
            "its driver must publish both in the same axes",
        )
    text = f"{lies}: it is not in body axes (x forward, y left, z up)"
    if diagnosis.upside == "either":
        text += ", or its accelerometer alone has a wrong sign: nothing recorded decides"
    weigh = warning if angle < STEEP else fault
    return weigh("imu_axes", "imu", text, flags or "name where its axes point with --imu.axes")


def _gravity(diagnosis: Diagnosis) -> Iterator[Finding]:
    mean = mean_force(diagnosis.corrected)
    size = float(np.linalg.norm(mean))
    known = {one.name for one in diagnosis.relations.measured}
    if size > 0.0 and "gravity" not in known:  # all zeros are no measurement: see inputs
        yield note(
            "no_gravity",
            "imu",
            f"the accelerometer's mean is {size:.2f} m/s²: without gravity",
            "the policy does not use it",
        )
