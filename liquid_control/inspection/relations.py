"""Relations that the signals of one vehicle keep: what each pair says of scale and sign.

Every relation is a quotient that is 1 where all signals are right:

    steering_gyro      yaw rate of the gyro / (speed x bend of the steering)
    lateral_gyro       acceleration y / (speed x yaw rate)
    lateral_steering   acceleration y / (speed² x bend of the steering)
    longitudinal       acceleration x / change of the speed
    pose_speed         movement of the positions / speed
    heading_gyro       change of the heading / yaw rate
    heading_steering   change of the heading / (speed x bend of the steering)
    gravity            mean acceleration / 9.81 m/s²
    camera_gyro, camera_steering   sign of the pictures' rotation alone: its scale is the lens's

so that its logarithm is a sum over the signals' own errors of scale, and its sign a product.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np

from liquid_control.inspection.fit import STRAIGHT, Fit, fit_line
from liquid_control.inspection.motion_signals import (
    MAX_GAP,
    POSE_WINDOW,
    Signals,
    bend_of,
    expected_yaw_rate,
    while_moving,
)
from liquid_control.perception.inertial import GRAVITY
from liquid_control.recordings.motion import EMPTY, Track, at, smooth
from liquid_control.stats.block_bootstrap import block_error

LEAST_GRAVITY, ONE_G = 5.0, (0.8, 1.25)
"""Mean acceleration from which on it holds gravity, and in units of g."""
LARGEST_DELAY = 1.5  # s
YAW_SMOOTHING, LATERAL_SMOOTHING, SPEED_SMOOTHING = 0.1, 0.5, 1.0  # s
LEAST_YAW_RATE, LEAST_FORCE = 0.01, 0.2
"""Standard deviation [rad/s], [m/s²] below which there is nothing to compare."""
LEVEL_YAW_RATE, LEVEL_FORCE = 0.1, 1.5
"""Size [rad/s], [m/s²] beyond any bias and any bank of the road."""
LEAST_RATIOS = 100
MOSTLY = 0.8  # share of gravity on z with which it has a sign
AGREES_WELL = 0.95  # correlation
BETTER = 0.5  # share of what is left unexplained
CALM = 0.5  # m/s² of lateral acceleration
NOISY, LARGEST_SPREAD = 2.0, 0.4
PROPORTIONAL = 0.12
"""Spread of the logarithm of a quotient up to which the two are proportional: as it is, or so many
times the noise of the positions."""

TOLERANCE = {
    "steering_gyro": 0.17,
    "lateral_gyro": 0.14,
    "lateral_steering": 0.2,
    "longitudinal": 0.2,
    "pose_speed": 0.03,
    "heading_gyro": 0.03,
    "heading_steering": 0.17,
    "gravity": 0.035,
}
"""One standard deviation of the logarithm that vehicles and sensors in order have: tyres,
wheelbase, roll of the body, tread of the wheels."""

EXPONENTS: Mapping[str, Mapping[str, int]] = {
    "steering_gyro": {"gyro": 1, "steering": -1, "speed": -1},
    "lateral_gyro": {"lateral": 1, "gyro": -1, "speed": -1},
    "lateral_steering": {"lateral": 1, "steering": -1, "speed": -2},
    "longitudinal": {"longitudinal": 1, "speed": -1},
    "pose_speed": {"position": 1, "speed": -1},
    "heading_gyro": {"heading": 1, "gyro": -1},
    "heading_steering": {"heading": 1, "steering": -1, "speed": -1},
    "gravity": {"vertical": 1},
    "camera_gyro": {"camera": 1, "gyro": -1},
    "camera_steering": {"camera": 1, "steering": -1, "speed": -1},
}
"""Power of each signal's own error in a relation."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One relation: logarithm of the quotient and its standard deviation, vehicles' own included
    (infinite where the scale is unknown); sign +1 or -1, 0 where it is unknown."""

    name: str
    log: float
    sigma: float
    sign: int

    @property
    def exponents(self) -> Mapping[str, int]:
        return EXPONENTS[self.name]


@dataclasses.dataclass(frozen=True, eq=False)
class Relations:
    """Fits of the pairs, each second / first, and what is `measured` by them. `expected`: yaw rate
    by the steering."""

    fits: Mapping[str, Fit]
    measured: tuple[Measured, ...]
    expected: Track

    def known(self, name: str) -> bool:
        return any(one.name == name for one in self.measured)


def relations_of(
    signals: Signals, wheelbase: float, shared: Mapping[str, Fit] | None = None
) -> Relations:
    """All relations that the recorded signals allow. `shared`: fits that are known already."""
    shared = shared or {}
    expected, follows = _steering(signals, wheelbase)
    rate, speed = signals.gyro[2], signals.speed
    force = signals.force
    poses = signals.poses
    heading = poses.rate if poses else EMPTY
    pairs: dict[str, Callable[[], Fit]] = {
        "steering_gyro": lambda: follows,
        "heading_gyro": lambda: _yaw(
            smooth(rate, POSE_WINDOW), heading, gyro=rate, heading=heading
        ),
        "heading_steering": lambda: _yaw(
            smooth(expected, POSE_WINDOW),
            heading,
            steering=signals.angle,
            heading=heading,
            speed=speed,
        ),
        "lateral_gyro": lambda: _lateral(rate, speed, force[1], gyro=rate),
        "lateral_steering": lambda: _lateral(expected, speed, force[1], steering=signals.angle),
        "longitudinal": lambda: _longitudinal(speed, force[0]),
        "camera_gyro": lambda: _camera(rate, signals.rotation, gyro=rate),
        "camera_steering": lambda: _camera(expected, signals.rotation, steering=signals.angle),
    }
    fits = {name: shared.get(name) or fit() for name, fit in pairs.items()}
    measured = [_measured(name, fit) for name, fit in fits.items() if fit.known]
    measured += _pose_speed(signals) + _gravity(signals)
    return Relations(fits, tuple(measured), expected)


def _measured(name: str, fit: Fit) -> Measured:
    sign = 1 if fit.slope > 0 else -1
    if name not in TOLERANCE:
        return Measured(name, 0.0, math.inf, sign)
    # The major axis has the middle of what noise in either signal makes of the slope.
    doubt = fit.error / abs(fit.slope), math.log(abs(fit.correlation)), TOLERANCE[name]
    return Measured(name, -math.log(abs(fit.ratio)), math.hypot(*doubt), sign)


def _yaw(first: Track, second: Track, **needed: Track) -> Fit:
    if reason := missing(**needed):
        return Fit(reason=reason)
    return fit_line(first, second, LEAST_YAW_RATE, YAW_SMOOTHING, LARGEST_DELAY, LEVEL_YAW_RATE)


def _lateral(rate: Track, speed: Track, force: Track, **needed: Track) -> Fit:
    if reason := missing(**needed, accelerometer=force, speed=speed):
        return Fit(reason=reason)
    moving = while_moving(rate, speed)
    turning = Track(moving.stamp_ns, moving.value * at(moving.stamp_ns, speed, MAX_GAP))
    return fit_line(turning, force, LEAST_FORCE, LATERAL_SMOOTHING, 0.0, LEVEL_FORCE)


def _longitudinal(speed: Track, force: Track) -> Fit:
    if reason := missing(accelerometer=force, speed=speed):
        return Fit(reason=reason)
    return fit_line(
        _change(speed), smooth(force, SPEED_SMOOTHING), LEAST_FORCE, LATERAL_SMOOTHING, 0.0
    )


def _camera(rate: Track, rotation: Track, **needed: Track) -> Fit:
    """The delay's sureness decides, as the pictures' scale is unknown and their noise is large."""
    if reason := missing(**needed, picture=rotation):
        return Fit(reason=reason)
    fit = fit_line(rotation, rate, 0.0, YAW_SMOOTHING, LARGEST_DELAY)
    if fit.delay is None or not fit.delay.sure:
        return dataclasses.replace(fit, error=math.inf)
    return fit


def _pose_speed(signals: Signals) -> list[Measured]:
    """By the median quotient, which jumps of a position do not move."""
    found = proportion(signals)
    if found is None:
        return []
    log, spread, error = found
    if spread > proportional(signals):
        return []
    return [Measured("pose_speed", log, math.hypot(error, TOLERANCE["pose_speed"]), 0)]


def proportional(signals: Signals) -> float:
    """Spread of the logarithm of movement over speed up to which the two are proportional."""
    size = float(np.median(signals.poses.speed.value))
    noise = signals.poses.noise / size if size > 0.0 else 0.0
    return max(PROPORTIONAL, min(NOISY * noise, LARGEST_SPREAD))


def proportion(signals: Signals) -> tuple[float, float, float] | None:
    """Movement of the positions over speed: median logarithm, spread of it, and its standard
    error; None where there is too little of both."""
    poses, speed = signals.poses, signals.speed
    if poses is None or len(speed) < 2:
        return None
    size = np.abs(at(poses.speed.stamp_ns, speed, MAX_GAP))
    there = np.isfinite(size)
    if not there.any():
        return None
    moving = there & (size > max(0.3 * float(np.quantile(size[there], 0.9)), 0.02))
    moving &= poses.speed.value > 0.0
    if np.count_nonzero(moving) < LEAST_RATIOS:
        return None
    logs = np.log(poses.speed.value[moving] / size[moving])
    middle = float(np.median(logs))
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    kept = np.clip(logs, middle - 3.0 * spread - 1e-9, middle + 3.0 * spread + 1e-9)
    return middle, spread, block_error(poses.speed.stamp_ns[moving] * 1e-9, kept)


def _gravity(signals: Signals) -> list[Measured]:
    mean = mean_force(signals)
    size = float(np.linalg.norm(mean))
    if not (size > LEAST_GRAVITY or ONE_G[0] < size < ONE_G[1]):
        return []
    sign = int(np.sign(mean[2])) if abs(mean[2]) > MOSTLY * size else 0
    return [Measured("gravity", math.log(size / GRAVITY), TOLERANCE["gravity"], sign)]


def mean_force(signals: Signals) -> np.ndarray:
    """(3,) mean acceleration [m/s²], of straight driving where the bends do not cancel; NaN without
    an accelerometer."""
    force = np.stack([axis.value for axis in signals.force])
    if not force.size:
        return np.full(3, np.nan)
    calm = is_calm(signals)
    return force[:, calm].mean(1) if np.count_nonzero(calm) >= LEAST_RATIOS else force.mean(1)


def is_calm(signals: Signals) -> np.ndarray:
    """(N,) bool: samples of the accelerometer whose mean is gravity: all where bends to both sides,
    and gaining and losing speed, cancel, else those of straight driving at one speed."""
    stamps = signals.force[0].stamp_ns
    if len(signals.speed) < 2 or len(signals.gyro[0]) < 2:
        return np.zeros(len(stamps), bool)
    speed = np.abs(at(stamps, signals.speed, MAX_GAP))
    bending = speed * np.stack([at(stamps, axis, MAX_GAP) for axis in signals.gyro])
    motion = np.concatenate([bending, at(stamps, _change(signals.speed), MAX_GAP)[None]])
    known = np.isfinite(motion).all(0)
    if known.any() and np.linalg.norm(motion[:, known].mean(1)) < CALM / 2.0:
        return known
    return np.linalg.norm(motion, axis=0) < CALM


def _change(speed: Track) -> Track:
    """Acceleration [m/s²] along the way, over `SPEED_SMOOTHING`."""
    steady = smooth(speed, SPEED_SMOOTHING)
    seconds = (steady.stamp_ns - steady.stamp_ns[0]) * 1e-9
    return Track(steady.stamp_ns, np.gradient(steady.value, seconds))


def steering_fit(signals: Signals, wheelbase: float) -> Fit:
    """Of the gyro's yaw rate by the steering's. On a straight road a steering whose zero is off
    follows the speed, which says nothing."""
    return _steering(signals, wheelbase)[1]


def _steering(signals: Signals, wheelbase: float) -> tuple[Track, Fit]:
    """The yaw rate expected of the steering and the gyro's fit to it. A zero that is far off hides
    their agreement as the speed varies: then without it."""
    expected = expected_yaw_rate(signals.angle, signals.speed, wheelbase, signals.steepest)
    rate, speed = signals.gyro[2], signals.speed
    fit = _yaw(expected, rate, steering=signals.angle, gyro=rate, speed=speed)
    if fit.reason or abs(fit.correlation) > AGREES_WELL:
        return expected, fit
    bend = smooth(signals.angle, YAW_SMOOTHING).value
    varies = float(np.std(bend_of(bend, signals.steepest)) * np.abs(speed.value).mean() / wheelbase)
    if not fit.known and varies < LEAST_YAW_RATE:
        return expected, dataclasses.replace(STRAIGHT, delay=fit.delay)
    zero = _zero(signals)
    centred = Track(signals.angle.stamp_ns, signals.angle.value - zero)
    better = expected_yaw_rate(centred, speed, wheelbase, signals.steepest)
    other = _yaw(better, rate, steering=centred, gyro=rate, speed=speed)
    gained = 1.0 - other.correlation**2 < BETTER * (1.0 - fit.correlation**2)
    return (better, other) if other.known and gained else (expected, fit)


def _zero(signals: Signals) -> float:
    """What the recorded steering reads when the gyro reads nothing, by least squares."""
    moving = while_moving(signals.angle, signals.speed)
    speed = at(moving.stamp_ns, signals.speed, MAX_GAP)
    rate = at(moving.stamp_ns, smooth(signals.gyro[2], YAW_SMOOTHING), MAX_GAP)
    known = np.isfinite(speed) & np.isfinite(rate)
    design = np.stack([speed * moving.value, speed], 1)[known]
    (slope, offset), *_ = np.linalg.lstsq(design, rate[known], rcond=None)
    return float(-offset / slope) if slope else 0.0


def missing(**tracks: Track) -> str:
    absent = [name for name, track in tracks.items() if len(track) < 2]
    return f"there is no {' and no '.join(absent)} to compare with" if absent else ""
