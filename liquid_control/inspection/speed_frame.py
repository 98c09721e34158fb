"""Errors of the speed that are no scale: a twist in the frame of the pose, a constant offset, or a
speed that the positions contradict while other signals side with them."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.inspection.fit import Fit, fit_line
from liquid_control.inspection.motion_signals import (
    MAX_GAP,
    Signals,
    expected_yaw_rate,
    while_moving,
)
from liquid_control.inspection.relations import (
    LARGEST_DELAY,
    LATERAL_SMOOTHING,
    LEAST_FORCE,
    LEAST_YAW_RATE,
    PROPORTIONAL,
    YAW_SMOOTHING,
    proportion,
)
from liquid_control.recordings.motion import Track, at
from liquid_control.stats.block_bootstrap import fit_in_blocks

BETTER = 0.5
"""Share of another's residual from which on an explanation is the better one."""
LEAST_MISFIT = 0.04  # of the speed's size
SAME = 0.02  # of the speed's size: positions that agree so well with the speed blame nothing
CLOSE = 0.1  # of the speed's size
LEAST_OFFSET = 0.1  # of the speed's size
NOISY = 2.0  # standard deviations of the positions' own noise
SIGNIFICANT = 4.0  # standard errors


@dataclasses.dataclass(frozen=True, eq=False)
class SpeedFault:
    """`kind`: "world" (the twist is in the frame of the pose), "offset", "odd" (the others side
    with the positions), "unclear" (nothing decides between speed and positions). `source`: the
    --speed-source that mends it; `offset` [m/s] with its standard `error`: what mends it by
    --speed-offset."""

    kind: str
    source: str = ""
    offset: float = 0.0
    error: float = 0.0

    def corrected(self, signals: Signals) -> Signals:
        if self.kind == "offset":
            speed = Track(signals.speed.stamp_ns, signals.speed.value + self.offset)
        elif self.kind == "unclear":
            return signals
        else:
            speed = signals.poses.speed
        return dataclasses.replace(signals, speed=speed)


def speed_fault(signals: Signals, wheelbase: float) -> SpeedFault | None:
    """What is wrong with the speed beyond its scale; None where nothing is, or without
    positions."""
    found = proportion(signals)
    if found is None:
        return None
    poses = signals.poses
    stamps, moved = poses.speed.stamp_ns, poses.speed.value
    said = at(stamps, signals.speed, MAX_GAP)
    there = np.isfinite(said)
    stamps, moved, said, course = (
        values[there] for values in (stamps, moved, said, poses.course.value)
    )
    size = float(np.sqrt(np.mean(said**2)))
    if not size > 0.0:
        return None
    plain = _misfit(said, np.sign(said) * moved)
    if (shifted := _offset(stamps, said, moved, found[0])) is not None:
        return shifted
    heading = at(stamps, poses.heading, MAX_GAP)
    headed = np.where(np.isfinite(heading), heading, course)
    world = min(_misfit(said, moved * np.cos(angle)) for angle in (course, headed))
    if plain > LEAST_MISFIT * size and world < BETTER * plain:
        lateral = at(stamps, poses.lateral, MAX_GAP)
        turned = said * np.cos(heading) + lateral * np.sin(heading)
        good = np.isfinite(turned)
        exact = good.sum() > len(said) / 2 and (
            float(np.sqrt(np.mean((turned - moved)[good] ** 2))) < CLOSE * size
        )
        return SpeedFault("world", "world_twist" if exact else "pose")
    ours, theirs = (_misfits(signals, speed, wheelbase) for speed in (signals.speed, poses.speed))
    votes = [(a, b) for a, b in zip(ours, theirs, strict=True) if np.isfinite(a) and np.isfinite(b)]
    if plain > SAME * size and votes and all(b < BETTER * a for a, b in votes):
        return SpeedFault("odd", "pose")
    if votes and all(a <= b for a, b in votes):
        return None  # the positions are the noisy ones, and are not used
    beyond = plain > max(2.0 * PROPORTIONAL * size, NOISY * poses.noise)
    return SpeedFault("unclear") if beyond else None


def _offset(
    stamps: np.ndarray, said: np.ndarray, moved: np.ndarray, log: float
) -> SpeedFault | None:
    """A constant that explains the positions better than a scale does."""
    forward = said.mean() >= 0
    design = np.stack([np.abs(said), np.ones_like(said)], 1)
    line = fit_in_blocks(stamps * 1e-9, design, moved)
    (slope, offset), (slope_error, offset_error) = line.coefficients, line.errors
    shift = float(np.median(moved - np.abs(said)))
    by_shift = float(np.sqrt(np.mean((moved - np.abs(said) - shift) ** 2)))
    by_scale = float(np.sqrt(np.mean((moved - np.exp(log) * np.abs(said)) ** 2)))
    if (
        abs(offset) > SIGNIFICANT * offset_error
        and abs(slope - 1.0) < 3.0 * slope_error + LEAST_MISFIT
        and abs(shift) > LEAST_OFFSET * float(np.median(np.abs(said)))
        and by_shift < BETTER * by_scale
    ):
        return SpeedFault("offset", "", shift if forward else -shift, float(offset_error))
    return None


def _misfit(values: np.ndarray, model: np.ndarray) -> float:
    """Root mean square of what a model, times a factor, leaves."""
    power = float(np.dot(model, model))
    factor = float(np.dot(model, values)) / power if power > 0.0 else 0.0
    return float(np.sqrt(np.mean((values - factor * model) ** 2)))


def _misfits(signals: Signals, speed: Track, wheelbase: float) -> tuple[float, float]:
    """Unexplained shares of the yaw rate by the steering, and of acceleration y, with this speed;
    NaN where they do not tell."""
    expected = expected_yaw_rate(signals.angle, speed, wheelbase, signals.steepest)
    rate, force = signals.gyro[2], signals.force[1]
    steering = lateral = Fit()
    if len(expected) > 1 and len(rate) > 1:
        steering = fit_line(expected, rate, LEAST_YAW_RATE, YAW_SMOOTHING, LARGEST_DELAY)
    if len(rate) > 1 and len(force) > 1:
        moving = while_moving(rate, speed)
        turning = Track(moving.stamp_ns, moving.value * at(moving.stamp_ns, speed, MAX_GAP))
        lateral = fit_line(turning, force, LEAST_FORCE, LATERAL_SMOOTHING, 0.0)
    return tuple(1.0 - fit.correlation**2 for fit in (steering, lateral))
