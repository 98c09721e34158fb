"""Least squares of a series with errors that respect its autocorrelation: blocks of it are drawn
with replacement.

H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
Statistics 17, 1989. A block is longer than the errors remember, so that blocks are independent.
"""

from __future__ import annotations

import dataclasses

import numpy as np

RESAMPLES = 200
SHORTEST = 1.0  # s
LEAST_BLOCKS = 8
MEMORIES = 3.0  # length of a block in times after which the errors are forgotten
FORGOTTEN = 0.2  # autocorrelation


@dataclasses.dataclass(frozen=True, eq=False)
class BlockFit:
    """`coefficients` (K,) and their standard errors (K,), which are infinite where there are too
    few blocks; standard deviation of the residual."""

    coefficients: np.ndarray
    errors: np.ndarray
    residual: float


def fit_in_blocks(
    seconds: np.ndarray, regressors: np.ndarray, values: np.ndarray, seed: int = 0
) -> BlockFit:
    """`values` (N,) ≈ `regressors` (N, K) times coefficients, at `seconds` (N,) in order.

    A direction of the coefficients that the regressors do not determine gets the value 0.
    """
    gram = regressors.T @ regressors
    coefficients = np.linalg.pinv(gram, rcond=1e-9, hermitian=True) @ (regressors.T @ values)
    residual = values - regressors @ coefficients
    block = _blocks(seconds, residual)
    count = int(block[-1]) + 1
    if count < LEAST_BLOCKS:
        return BlockFit(coefficients, np.full(len(coefficients), np.inf), float(residual.std()))
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    grams = np.add.reduceat(regressors[:, :, None] * regressors[:, None, :], starts)
    products = np.add.reduceat(regressors * values[:, None], starts)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(count, np.full(count, 1.0 / count), RESAMPLES).astype(float)
    inverse = np.linalg.pinv(np.tensordot(drawn, grams, 1), rcond=1e-9, hermitian=True)
    found = np.einsum("rij,rj->ri", inverse, drawn @ products)
    # The middle two thirds: a resample without excitation may be anywhere.
    low, high = np.quantile(found, [0.1587, 0.8413], axis=0)
    errors = (high - low) / 2.0 * np.sqrt(count / (count - 1.0))
    return BlockFit(coefficients, errors, float(residual.std()))


def block_error(seconds: np.ndarray, values: np.ndarray) -> float:
    """Standard error of the mean of `values` (N,) at `seconds` (N,) in order."""
    fit = fit_in_blocks(seconds, np.ones((len(values), 1)), values)
    return float(fit.errors[0])


def _blocks(seconds: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """(N,) numbers 0, 1, ... without holes of the blocks."""
    step = max(float(np.median(np.diff(seconds))), 1e-6) if len(seconds) > 1 else 1.0
    length = max(SHORTEST, MEMORIES * step * _memory(residual))
    length = max(min(length, len(seconds) * step / (2.0 * LEAST_BLOCKS)), step)
    return np.unique((seconds - seconds[0]) // length, return_inverse=True)[1]


def _memory(residual: np.ndarray) -> int:
    """Samples after which the autocorrelation first falls below `FORGOTTEN`."""
    centred = residual - residual.mean()
    size = 1 << (2 * len(centred)).bit_length()
    sums = np.fft.irfft(np.abs(np.fft.rfft(centred, size)) ** 2, size)[: len(centred)]
    below = np.flatnonzero(sums < FORGOTTEN * sums[0])
    return int(below[0]) if len(below) else len(residual)
