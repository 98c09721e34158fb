"""Agreement of a recording's signals: what is fitted, and what is wrong with them jointly.

On a kinematic bicycle the yaw rate is speed x tan(steering angle) / wheelbase; a fit of one to the
other gives sign, unit, zero and delay. `relations` has the other pairs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.inspection.diagnosis import Diagnosis, diagnose
from liquid_control.inspection.fit import Fit, fit_line
from liquid_control.inspection.motion_signals import LINEAR_BELOW, Signals, motion_signals
from liquid_control.inspection.relations import LARGEST_DELAY, YAW_SMOOTHING, steering_fit
from liquid_control.inspection.steering_calibration import (
    Calibration,
    TwistAngle,
    calibrate,
    twist_as_angle,
)
from liquid_control.inspection.tracks import Tracks
from liquid_control.inspection.vehicle_size import WITHIN
from liquid_control.recordings.motion import Track, smooth


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """`steering`: gyro's yaw rate by the steering's, as recorded; `axes`: correlation of that with
    gyro x, y, z where z does not follow it; `lateral`: acceleration y by speed x yaw rate;
    `camera`: gyro's yaw rate by the picture's shift [widths/s], its delay is the gyro's stamps
    after the camera's.

    `mended`: as `steering`, with what the diagnosis blames in gyro and speed taken out, from which
    `calibration` of the steering comes; `twist`: a twist that holds an angle; `steered`: whether
    any steering was recorded.
    """

    steering: Fit
    axes: tuple[float, float, float] | None
    lateral: Fit
    camera: Fit
    expected: Track
    yaw_rate: Track
    diagnosis: Diagnosis
    mended: Fit
    calibration: Calibration | None
    twist: TwistAngle | None
    steered: bool


def compare_signals(
    tracks: Tracks,
    vehicle: VehicleConfig,
    is_curvature: bool,
    behind: Mapping[str, float] | None = None,
    without: Collection[str] = (),
) -> Agreement:
    """Compares the signals of one pass over a recording; a fit that is not possible says why.
    `is_curvature`: the steering was recorded as a yaw rate; `behind`, `without`: as of
    `motion_signals`."""
    # An angle made of a yaw rate is one, however large.
    largest = math.pi / 2 if is_curvature else WITHIN * vehicle.max_steering_angle
    signals = motion_signals(tracks, behind, without, max(LINEAR_BELOW, largest))
    return compare(signals, vehicle, is_curvature)


def compare(signals: Signals, vehicle: VehicleConfig, is_curvature: bool = False) -> Agreement:
    """As `compare_signals`, of tidy tracks."""
    diagnosis = diagnose(signals, vehicle.wheelbase)
    relations, corrected = diagnosis.relations, diagnosis.corrected
    fits = relations.fits
    steering, mended = fits["steering_gyro"], fits["steering_gyro"]
    if corrected is not signals:
        mended = steering_fit(corrected, vehicle.wheelbase)
    axes = None
    if not steering.reason and not steering.known:
        axes = tuple(
            fit_line(relations.expected, axis, 0.0, YAW_SMOOTHING, LARGEST_DELAY).correlation
            for axis in signals.gyro
        )
    twist = twist_as_angle(corrected, mended, vehicle.wheelbase) if is_curvature else None
    return Agreement(
        steering,
        axes,
        fits["lateral_gyro"],
        fits["camera_gyro"],
        relations.expected,
        smooth(signals.gyro[2], YAW_SMOOTHING),
        diagnosis,
        mended,
        calibrate(corrected, mended, vehicle.wheelbase),
        twist,
        len(signals.angle) > 1,
    )


def follows_other_axis(axes: tuple[float, float, float] | None) -> str:
    """The gyro's axis that follows the steering while z does not; empty where none does."""
    if axes is None:
        return ""
    strengths = np.nan_to_num(np.abs(axes))
    if max(strengths[:2]) > 0.7 and not strengths[2] > 0.4:
        return "xy"[int(np.argmax(strengths[:2]))]
    return ""
