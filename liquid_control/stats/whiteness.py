"""Is what a model leaves unexplained mere noise? Autocorrelation of the residual, and the test of
Ljung and Box (Biometrika 65, 1978)."""

from __future__ import annotations

import math

import numpy as np

LONGEST_LAG = 3.0  # s
FINEST = 0.02  # s between points of the grid
TESTED = 20  # lags in the test
FEWEST = 50


def autocorrelation(
    seconds: np.ndarray, values: np.ndarray, longest: float = LONGEST_LAG
) -> tuple[np.ndarray, np.ndarray, int] | None:
    """Lags [s] (L,), autocorrelation (L,) from lag 0 on, and the number of samples behind it, of
    values (N,) at seconds (N,).

    Each value goes to the nearest point of a regular grid as wide as the median spacing; points
    without one are left out of every pair, so gaps in the recording count for nothing. None for
    fewer than 50 values, or constant ones.
    """
    if len(values) < FEWEST or np.ptp(values) == 0.0:
        return None
    step = max(float(np.median(np.diff(seconds))), FINEST)
    place = np.round((seconds - seconds[0]) / step).astype(int)
    keep = (place >= 0) & (place < 50 * len(values))
    count = int(place[keep].max()) + 1
    grid, there = np.zeros(count), np.zeros(count)
    grid[place[keep]], there[place[keep]] = values[keep] - values[keep].mean(), 1.0
    size = 1 << (2 * count).bit_length()
    lags = min(round(longest / step), count // 4)
    sums, pairs = (
        np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[: lags + 1] for x in (grid, there)
    )
    mean_product = sums / np.maximum(np.rint(pairs), 1.0)
    return (
        np.arange(lags + 1) * step,
        np.clip(mean_product / mean_product[0], -1.0, 1.0),
        int(there.sum()),
    )


def band(samples: int) -> float:
    """The autocorrelation of white noise stays within ± this at 95 of 100 lags."""
    return 1.96 / math.sqrt(samples)


def whiteness(seconds: np.ndarray, residual: np.ndarray) -> dict | None:
    """Ljung-Box statistic over 20 lags, its probability under white noise, and `correlation_time`
    [s]: when the autocorrelation first falls into the band of white noise (None: not within 3 s).
    None for too few values."""
    found = autocorrelation(seconds, residual)
    if found is None:
        return None
    lags, correlation, samples = found
    tested = min(TESTED, len(lags) - 1) // 2 * 2
    k = np.arange(1, tested + 1)
    statistic = float(
        samples * (samples + 2) * np.sum(correlation[1 : tested + 1] ** 2 / (samples - k))
    )
    inside = np.flatnonzero(np.abs(correlation) < band(samples))
    probability = chi_square_tail(statistic, tested)
    return {
        "ljung_box": statistic,
        "lags": tested,
        "probability": probability,
        "white": probability > 0.05,
        "correlation_time": float(lags[inside[0]]) if len(inside) else None,
    }


def chi_square_tail(statistic: float, freedom: int) -> float:
    """Probability that chi-square of `freedom` degrees, an even number, exceeds `statistic`: a sum
    of Poisson terms."""
    half = statistic / 2
    term, total = math.exp(-half), 0.0
    for k in range(freedom // 2):
        total += term
        term *= half / (k + 1)
    return min(total, 1.0)
