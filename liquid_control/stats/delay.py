"""Delay between two signals: cross-correlation of two irregularly sampled series.

Both are resampled on one regular grid with a mask for gaps; the correlation at every lag uses
only times at which both have values (D. Padfield, Masked Object Registration in the Fourier
Domain, IEEE TIP 2012, in one dimension). The maximum is that of a curve fitted to the whole top
of the peak, which is less sensitive to white noise than the largest sample.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.errors import ShapeError

FINEST, COARSEST = 0.002, 0.1  # grid step [s]
LONGEST_GRID = 2**21
SILENCE = 0.5  # no interpolation across a longer pause [s]
LEAST_TOGETHER = 3.0  # seconds in which both signals are there
SURE_CORRELATION = 0.3
SURE_DEVIATIONS = 3.5  # of Fisher's z of the correlation
SECOND_PEAK = 0.93  # another peak this close to the highest makes the answer ambiguous


@dataclasses.dataclass(frozen=True)
class Delay:
    """`b` says `seconds` later what `a` said, or the opposite of it where `correlation` is
    negative.

    `uncertainty`: one standard deviation of `seconds`, were the misfit as slow as the signals
    themselves. `sure`: the peak stands clear of chance, of every other peak and of the ends of the
    search.
    """

    seconds: float
    correlation: float
    uncertainty: float
    sure: bool


def estimate_delay(
    stamps_a_ns: np.ndarray,
    a: np.ndarray,
    stamps_b_ns: np.ndarray,
    b: np.ndarray,
    largest: float = 2.0,
) -> Delay | None:
    """The lag within ± `largest` [s] at which two series agree best, found to a fraction of a
    sample.

    Stamps (T,) int64 nanoseconds of one clock, in any order; values (T,); what is not finite is
    left out. None where nothing can be said: a constant signal, or too little time in which both
    are there. Raises ShapeError when stamps and values differ.
    """
    first, second = _series("a", stamps_a_ns, a), _series("b", stamps_b_ns, b)
    if first is None or second is None:
        return None
    origin = max(first[0][0], second[0][0]) - int(largest * 1e9)
    end = min(first[0][-1], second[0][-1]) + int(largest * 1e9)
    span = (end - origin) * 1e-9
    if span - 2.0 * largest < LEAST_TOGETHER:
        return None
    pace = max(float(np.median(np.diff(stamps))) * 1e-9 for stamps, _ in (first, second))
    step = max(min(max(pace / 2.0, FINEST), COARSEST), span / LONGEST_GRID)
    count, reach = int(span / step) + 1, int(math.ceil(largest / step))
    (x, x_there), (y, y_there) = (
        _on_grid(stamps, values, origin, step, count) for stamps, values in (first, second)
    )
    if (
        x_there.sum() * step < LEAST_TOGETHER
        or y_there.sum() * step < LEAST_TOGETHER
        or not (x.any() and y.any())
    ):
        return None
    correlation, together = _masked_correlation(x, x_there, y, y_there, reach)
    correlation[together < max(LEAST_TOGETHER / step, 0.5 * together.max())] = 0.0
    if not np.any(correlation):
        return None
    best = int(np.argmax(np.abs(correlation)))
    height = float(correlation[best])
    position, bend = _top(correlation * np.sign(height), best)
    lag, frequency = (position - reach) * step, math.sqrt(bend) / step
    independent = together[best] / _correlated_samples(x, y)
    misfit = math.sqrt(max(1.0 - height**2, 1e-6)) / max(abs(height), 1e-3)
    uncertainty = (
        misfit / (math.sqrt(max(independent, 1.0)) * frequency) if frequency > 0.0 else largest
    )
    clear = (
        math.atanh(min(abs(height), 0.999999)) * math.sqrt(max(independent - 3.0, 0.0))
        > SURE_DEVIATIONS
    )
    sure = (
        clear
        and abs(height) >= SURE_CORRELATION
        and 1 < best < 2 * reach - 1
        and _second_peak(np.abs(correlation), best) < SECOND_PEAK
    )
    return Delay(
        float(np.clip(lag, -largest, largest)), height, float(min(uncertainty, largest)), bool(sure)
    )


def _series(
    name: str, stamps_ns: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray] | None:
    stamps, values = np.asarray(stamps_ns, np.int64), np.asarray(values, np.float64)
    if stamps.ndim != 1 or stamps.shape != values.shape:
        raise ShapeError(
            f"stamps and values of {name}",
            (stamps.shape, values.shape),
            "two arrays of one length (T,)",
        )
    finite = np.isfinite(values)
    stamps, kept = np.unique(stamps[finite], return_index=True)
    values = values[finite][kept]
    return (
        (stamps, values)
        if len(stamps) > 3 and np.ptp(values) > 1e-12 * max(1.0, np.abs(values).max())
        else None
    )


def _on_grid(
    stamps: np.ndarray, values: np.ndarray, origin: int, step: float, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Values without their mean and a mask, both (count,); zero and masked where the series is
    silent."""
    seconds, grid = (stamps - origin) * 1e-9, np.arange(count) * step
    after = np.searchsorted(seconds, grid)
    inside = (after > 0) & (after < len(seconds))
    after = np.clip(after, 1, len(seconds) - 1)
    spacing = seconds[after] - seconds[after - 1]
    there = inside & (spacing <= max(SILENCE, 5.0 * float(np.median(np.diff(seconds)))))
    resampled = np.interp(grid, seconds, values)
    mean = resampled[there].mean() if there.any() else 0.0
    return np.where(there, resampled - mean, 0.0), there.astype(np.float64)


def _masked_correlation(
    x: np.ndarray, x_there: np.ndarray, y: np.ndarray, y_there: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray]:
    """Pearson's r and the number of common samples at lags -reach .. reach, both (2 reach + 1,);
    lag k pairs x[i] with y[i + k]."""
    size = 1 << (len(x) + reach).bit_length()

    def spectrum(values: np.ndarray) -> np.ndarray:
        return np.fft.rfft(values, size)

    def lags(product: np.ndarray) -> np.ndarray:
        sums = np.fft.irfft(product, size)
        return np.concatenate([sums[size - reach :], sums[: reach + 1]])

    fx, fxx, fm = (np.conj(spectrum(values)) for values in (x, x * x, x_there))
    gy, gyy, gm = (spectrum(values) for values in (y, y * y, y_there))
    together = np.maximum(np.rint(lags(fm * gm)), 1.0)
    sum_x, sum_y = lags(fx * gm), lags(fm * gy)
    covariance = lags(fx * gy) - sum_x * sum_y / together
    x_power = lags(fxx * gm) - sum_x**2 / together
    y_power = lags(fm * gyy) - sum_y**2 / together
    least = 1e-9 * (np.dot(x, x) + 1e-300) * (np.dot(y, y) + 1e-300)
    power = x_power * y_power
    r = np.where(power > least, covariance / np.sqrt(np.maximum(power, least)), 0.0)
    return np.clip(r, -1.0, 1.0), together


def _top(r: np.ndarray, best: int) -> tuple[float, float]:
    """Where a peak is highest [samples], and how sharp it is there: -r''/r [1/samples²]."""
    position = float(best)
    for _ in range(3):
        middle = int(np.clip(round(position), 0, len(r) - 1))
        below = np.flatnonzero(r < 0.85 * r[best])
        left, right = below[below < middle], below[below > middle]
        width = min(
            middle - left[-1] if len(left) else middle,
            right[0] - middle if len(right) else len(r) - 1 - middle,
        )
        width = int(min(max(width, 2), middle, len(r) - 1 - middle))
        if width < 2:
            return float(best), 0.0
        offsets = np.arange(-width, width + 1) / width
        fit = np.polynomial.Polynomial.fit(
            offsets, r[middle - width : middle + width + 1], 4 if width >= 4 else 2, domain=[-1, 1]
        )
        fine = np.linspace(-1.0, 1.0, 2001)
        top = float(fine[np.argmax(fit(fine))])
        position = middle + top * width
        bend = float(-fit.deriv(2)(top)) / width**2 / max(float(fit(top)), 1e-9)
    return position, max(bend, 0.0)


def _correlated_samples(x: np.ndarray, y: np.ndarray) -> float:
    """How many neighbouring samples count as one when independence is judged (Bartlett's
    formula)."""
    size, furthest = 1 << (2 * len(x)).bit_length(), max(len(x) // 5, 1)

    def autocorrelation(values: np.ndarray) -> np.ndarray:
        sums = np.fft.irfft(np.abs(np.fft.rfft(values, size)) ** 2, size)[:furthest]
        return sums / sums[0]

    return max(1.0, 2.0 * float(np.sum(autocorrelation(x) * autocorrelation(y))) - 1.0)


def _second_peak(size: np.ndarray, best: int) -> float:
    """The highest other peak of |r| as a share of the highest; the flanks of the highest do not
    count."""
    low = np.flatnonzero(size < 0.7 * size[best])
    left, right = low[low < best], low[low > best]
    others = np.concatenate(
        [
            size[: left[-1] + 1] if len(left) else size[:0],
            size[right[0] :] if len(right) else size[:0],
        ]
    )
    return float(others.max() / size[best]) if len(others) else 0.0
