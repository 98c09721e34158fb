"""Errors of a fit in blocks: as large as the fit's own scatter, whatever the noise remembers."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.stats.block_bootstrap import block_error, fit_in_blocks


def noise(rng: np.random.Generator, count: int, memory: float) -> np.ndarray:
    """First-order autoregressive noise of standard deviation 1 that remembers `memory` samples."""
    keeps = np.exp(-1.0 / memory) if memory else 0.0
    values, fresh = np.zeros(count), rng.normal(size=count) * np.sqrt(1.0 - keeps**2)
    for i in range(1, count):
        values[i] = keeps * values[i - 1] + fresh[i]
    return values


@pytest.mark.parametrize("memory", [0.0, 5.0, 30.0])
def test_errors_are_those_of_the_scatter_of_many_series(memory):
    rng = np.random.default_rng(0)
    seconds = np.arange(1500) * 0.04
    found, errors = [], []
    for _ in range(60):
        x = noise(rng, len(seconds), 20.0)
        y = 2.0 * x - 1.0 + 0.5 * noise(rng, len(seconds), memory)
        fit = fit_in_blocks(seconds, np.stack([x, np.ones_like(x)], 1), y)
        found.append(fit.coefficients)
        errors.append(fit.errors)
    scatter, mean = np.std(found, 0), np.mean(found, 0)
    assert mean == pytest.approx([2.0, -1.0], abs=0.05)
    assert np.all(np.mean(errors, 0) > 0.6 * scatter) and np.all(np.mean(errors, 0) < 1.6 * scatter)


def test_a_pause_separates_blocks_and_few_samples_have_no_error():
    rng = np.random.default_rng(1)
    seconds = np.concatenate([np.arange(500) * 0.02, 1e6 + np.arange(500) * 0.02])
    assert block_error(seconds, rng.normal(size=1000)) == pytest.approx(0.032, rel=0.4)
    assert block_error(np.arange(5.0), np.ones(5)) == np.inf


def test_a_direction_that_nothing_determines_gets_no_coefficient():
    x = np.random.default_rng(2).normal(size=500)
    fit = fit_in_blocks(np.arange(500) * 0.1, np.stack([x, np.zeros(500)], 1), 3.0 * x)
    assert fit.coefficients == pytest.approx([3.0, 0.0]) and fit.residual < 1e-9
