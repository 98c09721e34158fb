"""Straight line between two recorded signals, with their delay and the error of its slope."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.inspection.motion_signals import MAX_GAP
from liquid_control.recordings.motion import Track, at, smooth
from liquid_control.stats.block_bootstrap import fit_in_blocks
from liquid_control.stats.delay import Delay, estimate_delay

LEAST_SAMPLES = 100
AGREES = 0.6  # correlation
STEADY = 0.3  # share of the second signal that a quotient may leave
SIGNIFICANT = 4.0  # standard errors of a slope


@dataclasses.dataclass(frozen=True)
class Fit:
    """`second` ≈ `slope` x `first` + `offset`, with their correlation; `reason` says why there is
    none (slope NaN).

    `deviation`, `excitation`: standard deviations of `second` and of `first`; `samples`: of
    `first`, over `duration` [s]; `error`: standard error of the slope, by blocks of the series.
    """

    slope: float = float("nan")
    offset: float = float("nan")
    correlation: float = float("nan")
    samples: int = 0
    duration: float = 0.0
    delay: Delay | None = None
    reason: str = ""

    deviation: float = float("nan")
    error: float = float("inf")
    excitation: float = 0.0

    @property
    def known(self) -> bool:
        return (
            np.isfinite(self.slope)
            and abs(self.correlation) >= AGREES
            and abs(self.slope) > SIGNIFICANT * self.error
        )

    @property
    def ratio(self) -> float:
        """`first` over `second`: the reduced major axis, as noise may be in both. The true one is
        within |correlation| and its inverse of it."""
        return abs(self.correlation) / self.slope


STRAIGHT = Fit(reason="the drive is too straight to tell")


def fit_line(
    first: Track,
    second: Track,
    least: float,
    smoothing: float,
    largest: float,
    level: float = float("inf"),
) -> Fit:
    """Least squares of `second` on `first`, both as means over `smoothing` [s], shifted by the
    delay between them, at most `largest` [s], if one is found. Where they do not agree and neither
    varies by `least`, there is nothing to compare, unless `second` is steadily beyond `level`,
    which no bias explains: then their quotient tells."""
    if len(first) < LEAST_SAMPLES:
        reason = "too few samples while it moves" if len(first) else "the vehicle never moves"
        return Fit(samples=len(first), reason=reason)
    first, second = smooth(first, smoothing), smooth(second, smoothing)
    delay = (
        estimate_delay(first.stamp_ns, first.value, second.stamp_ns, second.value, largest)
        if largest
        else None
    )
    lag_ns = round(delay.seconds * 1e9) if delay and abs(delay.correlation) >= AGREES else 0
    partner = at(first.stamp_ns + lag_ns, second, MAX_GAP)
    both = np.isfinite(first.value) & np.isfinite(partner)
    x, y = first.value[both], partner[both]
    lasts = float(np.median(np.diff(first.stamp_ns))) * 1e-9 * len(x)
    if len(x) < LEAST_SAMPLES:
        return Fit(samples=len(x), delay=delay, reason="too little time in which both are there")
    steady = _quotient(x, y, level, lasts)
    straight = steady or dataclasses.replace(STRAIGHT, samples=len(x), delay=delay)
    if x.std() < 1e-12:
        return straight
    if y.std() < 1e-12:
        return Fit(0.0, float(y.mean()), 0.0, len(x), lasts, delay, deviation=0.0)
    correlation = float(np.corrcoef(x, y)[0, 1])
    if max(x.std(), y.std()) < least and not abs(correlation) >= AGREES:
        return straight
    design = np.stack([x, np.ones_like(x)], 1)
    line = fit_in_blocks(first.stamp_ns[both] * 1e-9, design, y)
    slope, offset = line.coefficients
    fit = Fit(
        float(slope),
        float(offset),
        correlation,
        len(x),
        lasts,
        delay,
        deviation=float(y.std()),
        error=float(line.errors[0]),
        excitation=float(x.std()),
    )
    return fit if fit.known else steady or fit


def _quotient(x: np.ndarray, y: np.ndarray, level: float, lasts: float) -> Fit | None:
    """The fit through zero of signals that hardly vary, as on a circle; None where it leaves too
    much or a bias, a fifth of `level`, could be all of it."""
    size, power = float(np.sqrt(np.mean(y**2))), float(np.dot(x, x))
    if size < level or power == 0.0:
        return None
    slope = float(np.dot(x, y)) / power
    left = float(np.sqrt(np.mean((y - slope * x) ** 2))) / size
    if left > STEADY:
        return None
    correlation = float(np.sign(slope) * np.sqrt(1.0 - left**2))
    error = abs(slope) * level / (5.0 * size)
    deviation, excitation = float(y.std()), float(x.std())
    return Fit(slope, 0.0, correlation, len(x), lasts, None, "", deviation, error, excitation)
