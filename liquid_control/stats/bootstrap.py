"""Confidence intervals: percentile bootstrap over roads, and over training seeds where there are
several.

A figure is a ratio of sums over roads (departures per metre, squared offset per metre), so that
long roads weigh more. Roads are drawn with replacement; with seeds, seeds are drawn too, and the
same roads serve every seed, as they did in the drive. B. Efron, R. J. Tibshirani, "An Introduction
to the Bootstrap", 1993, chapter 13; for counts of zero the exact Poisson bound.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.errors import ConfigError, ShapeError

LEVEL = 0.95
RESAMPLES = 2000


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; `high` may be infinite."""

    low: float
    high: float


def ratio_interval(
    numerator: np.ndarray, denominator: np.ndarray, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Of sum(numerator) / sum(denominator); arrays (N,) over roads or (S, N) over seeds and roads.

    Raises ShapeError, and ConfigError for a denominator that is not positive or a level outside
    0..1.
    """
    return _between(_resampled(numerator, denominator, seed), level)


def rate_interval(
    counts: np.ndarray, exposure: np.ndarray, level: float = LEVEL, seed: int = 0
) -> Interval:
    """Of events per unit of exposure. With no event, `high` is the
    Poisson bound, 3.0 / exposure at 95 %."""
    found = ratio_interval(counts, exposure, level, seed)
    if np.sum(counts) > 0:
        return found
    return Interval(0.0, -math.log(1.0 - level) / float(np.sum(exposure)))


def difference_interval(
    numerators: tuple[np.ndarray, np.ndarray],
    denominators: tuple[np.ndarray, np.ndarray],
    level: float = LEVEL,
    seed: int = 0,
    root: bool = False,
    same_seeds: bool = False,
) -> Interval:
    """Of the first policy's ratio minus the second's, paired: both drove the same roads, so both
    are resampled together.

    Each is (N,) or (S, N), with the same N. Seeds of the two are drawn independently, or together
    with `same_seeds`, where both are the same models in two conditions. `root`: of the ratios'
    square roots. An interval that leaves out 0 decides between them.
    """
    if np.shape(numerators[0])[-1:] != np.shape(numerators[1])[-1:]:
        raise ShapeError(
            "numerators[1]",
            np.shape(numerators[1]),
            f"(..., {np.shape(numerators[0])[-1]}), the same roads",
        )
    first = _resampled(numerators[0], denominators[0], seed, "first")
    second = _resampled(numerators[1], denominators[1], seed, "first" if same_seeds else "second")
    return _between(np.sqrt(first) - np.sqrt(second) if root else first - second, level)


def reciprocal(interval: Interval) -> Interval:
    """Of one over a positive figure: events per metre to metres per event."""
    return Interval(
        *(1.0 / bound if bound > 0 else math.inf for bound in (interval.high, interval.low))
    )


def _between(values: np.ndarray, level: float) -> Interval:
    if not 0.0 < level < 1.0:
        raise ConfigError("level", level, "a number between 0 and 1")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _resampled(
    numerator: np.ndarray, denominator: np.ndarray, seed: int, policy: str = "first"
) -> np.ndarray:
    """(RESAMPLES,) ratios. The roads drawn depend on `seed` and their number alone, so that
    policies can be paired."""
    numerator, denominator = (
        np.atleast_2d(np.asarray(numerator, float)),
        np.atleast_2d(np.asarray(denominator, float)),
    )
    if numerator.shape != denominator.shape or numerator.ndim != 2 or not numerator.size:
        raise ShapeError(
            "denominator",
            denominator.shape,
            f"{numerator.shape}, as the numerator, (roads,) or (seeds, roads)",
        )
    if not (denominator > 0).all():
        raise ConfigError(
            "denominator",
            float(denominator.min()),
            "positive numbers; leave out roads without any distance",
        )
    seeds, roads = numerator.shape
    road_counts = _draw(np.random.default_rng([seed, 0]), roads)
    seed_counts = _draw(np.random.default_rng([seed, 1 if policy == "first" else 2]), seeds)
    above, below = (
        np.einsum("rs,sn,rn->r", seed_counts, values, road_counts, optimize=True)
        for values in (numerator, denominator)
    )
    return above / below


def _draw(rng: np.random.Generator, count: int) -> np.ndarray:
    """How often each of `count` things is drawn in each resample, (RESAMPLES, count)."""
    return rng.multinomial(count, np.full(count, 1.0 / count), RESAMPLES).astype(float)
