"""Scale and zero of the recorded steering, and whether a twist holds an angle: from gyro, speed and
wheelbase.

With the gyro's bias b the yaw rate is speed x tan(S x recorded + O) / wheelbase + b. At one speed O
and b look the same, so that b comes from standstill and from the headings of an odometry, and its
doubt becomes doubt of O.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.inspection.fit import LEAST_SAMPLES, Fit, fit_line
from liquid_control.inspection.motion_signals import (
    CREEP,
    MAX_GAP,
    Signals,
    expected_yaw_rate,
    while_moving,
)
from liquid_control.inspection.relations import (
    LARGEST_DELAY,
    LEAST_YAW_RATE,
    POSE_WINDOW,
    YAW_SMOOTHING,
)
from liquid_control.recordings.motion import Track, at, smooth
from liquid_control.stats.block_bootstrap import block_error, fit_in_blocks

GYRO_BIAS = 0.01
"""Standard deviation [rad/s] of the bias of a gyro of which nothing else is known."""
LEAST_DOUBT = 0.002  # rad/s
LEAST_STANDING = 50  # samples
ROUNDS = 4
STEEPEST = 1.3  # rad
BETTER = 0.5  # share of the unexplained part


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Front-wheel angle = `scale` x recorded + `offset` [rad], with standard errors; `scaled`:
    whether the drive bends enough to tell the scale, which is 1 otherwise. `turning`: the bias of
    the gyro [rad/s] that would look like the offset; `bias_known`: whether something tells it."""

    scale: float
    scale_error: float
    offset: float
    offset_error: float
    scaled: bool
    turning: float
    bias_known: bool


def calibrate(signals: Signals, fit: Fit, wheelbase: float) -> Calibration | None:
    """Of the steering, against the gyro; `fit`: of the gyro by the steering, for its delay and for
    whether they agree. None where there is too little of the signals."""
    angle, speed, rate = signals.angle, signals.speed, signals.gyro[2]
    if min(len(angle), len(speed), len(rate)) < LEAST_SAMPLES:
        return None
    moving = while_moving(smooth(angle, YAW_SMOOTHING), speed)
    lag_ns = round(fit.delay.seconds * 1e9) if fit.known and fit.delay else 0
    bias, doubt = gyro_bias(signals)
    usual = float(np.sqrt(np.mean(np.square(speed.value)))) / wheelbase
    yaw = at(moving.stamp_ns + lag_ns, smooth(rate, YAW_SMOOTHING), MAX_GAP) - bias
    per_bend = at(moving.stamp_ns, speed, MAX_GAP) / wheelbase
    both = np.isfinite(yaw) & np.isfinite(per_bend) & (np.abs(per_bend) > CREEP)
    if np.count_nonzero(both) < LEAST_SAMPLES:
        return None
    seconds, said = moving.stamp_ns[both] * 1e-9, moving.value[both]
    yaw, per_bend = yaw[both], per_bend[both]
    scale = 1.0 / fit.ratio if fit.known else 1.0
    offset = -scale * float(np.median(said)) if fit.known else 0.0
    for _ in range(ROUNDS):
        middle = np.clip(scale * said + offset, -STEEPEST, STEEPEST)
        bend = np.tan(middle)
        steep = per_bend * (1.0 + bend**2)
        left = yaw - per_bend * bend + steep * middle
        if fit.known:
            # In radians, so that the pulses of a servo or degrees condition the fit like angles.
            line = fit_in_blocks(seconds, np.stack([steep * scale * said, steep], 1), left)
            (change, offset), (scale_error, offset_error) = line.coefficients, line.errors
            scale, scale_error = scale * change, abs(scale) * scale_error
        else:
            line = fit_in_blocks(seconds, steep[:, None], left - steep * said)
            (offset,), (offset_error,), scale_error = line.coefficients, line.errors, math.inf
    by_bias = doubt / float(np.sqrt(np.mean(per_bend**2)))
    return Calibration(
        float(scale),
        float(scale_error),
        float(offset),
        math.hypot(offset_error, by_bias),
        fit.known,
        float(offset) * usual,
        doubt < 0.9 * GYRO_BIAS,
    )


def gyro_bias(signals: Signals) -> tuple[float, float]:
    """Yaw rate [rad/s] that the gyro reads when the vehicle does not turn, and its standard
    deviation: at standstill, and against the headings."""
    rate = signals.gyro[2]
    known = [(0.0, GYRO_BIAS)]
    if len(signals.speed) > 1:
        standing = np.abs(at(rate.stamp_ns, signals.speed, MAX_GAP)) < CREEP
        if np.count_nonzero(standing) >= LEAST_STANDING:
            values = rate.value[standing]
            spread = float(values.std()) / math.sqrt(len(values))
            known.append((float(np.median(values)), math.hypot(spread, LEAST_DOUBT)))
    turning = signals.poses.rate if signals.poses else None
    if turning is not None and len(turning) > LEAST_SAMPLES:
        more = at(turning.stamp_ns, smooth(rate, POSE_WINDOW), MAX_GAP) - turning.value
        there = np.isfinite(more)
        if np.count_nonzero(there) > LEAST_SAMPLES:
            error = block_error(turning.stamp_ns[there] * 1e-9, more[there])
            known.append((float(more[there].mean()), math.hypot(error, LEAST_DOUBT)))
    weights = np.array([1.0 / doubt**2 for _, doubt in known])
    bias = float(np.dot(weights, [value for value, _ in known]) / weights.sum())
    return bias, float(weights.sum() ** -0.5)


@dataclasses.dataclass(frozen=True)
class TwistAngle:
    """A twist whose angular.z is the front wheels' angle: `scale` x the recorded one, with the
    wheelbase that is set; `largest`: recorded one. `fits`: whether that scale is 1 within what
    vehicles in order have."""

    scale: float
    largest: float
    fits: bool


def twist_as_angle(signals: Signals, fit: Fit, wheelbase: float) -> TwistAngle | None:
    """Whether the steering, read as a yaw rate, explains the gyro as an angle instead; `fit`: of
    the gyro by the yaw rate. None where it does not."""
    speed = at(signals.angle.stamp_ns, signals.speed, MAX_GAP)
    turn = np.tan(signals.angle.value) / wheelbase * speed
    kept = np.isfinite(turn)
    recorded = Track(signals.angle.stamp_ns[kept], turn[kept])
    if fit.reason or not len(recorded):
        return None
    expected = expected_yaw_rate(recorded, signals.speed, wheelbase)
    other = fit_line(expected, signals.gyro[2], LEAST_YAW_RATE, YAW_SMOOTHING, LARGEST_DELAY)
    if not other.known:
        return None
    wrong, fitting = not fit.known or _apart(fit), not _apart(other)
    better = 1.0 - other.correlation**2 < BETTER * (1.0 - fit.correlation**2)
    worse = 1.0 - fit.correlation**2 < BETTER * (1.0 - other.correlation**2)
    if worse or not (wrong and (fitting or better)):
        return None
    return TwistAngle(1.0 / other.ratio, float(np.abs(recorded.value).max()), fitting)


def _apart(fit: Fit) -> bool:
    """Whether the scale is another one; the sign alone does not tell a rate from an angle."""
    return abs(math.log(abs(fit.ratio))) > 0.5
