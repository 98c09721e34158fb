"""The delay between two series: known delays are found, and where nothing can be known it says
so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.errors import ShapeError
from liquid_control.stats.delay import estimate_delay

START_NS = 1_700_000_000_000_000_000


def wander(
    seconds: np.ndarray, seed: int, slowest: float = 0.05, fastest: float = 0.8
) -> np.ndarray:
    """A smooth signal that never repeats within a test: forty sines of random frequency [Hz] and
    phase."""
    rng = np.random.default_rng(seed)
    frequency, phase = rng.uniform(slowest, fastest, 40), rng.uniform(0.0, 2.0 * np.pi, 40)
    return np.sin(2.0 * np.pi * frequency * seconds[:, None] + phase).mean(axis=1)


def stamps(duration: float, rate: float, jitter: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    seconds = np.arange(0.0, duration, 1.0 / rate)
    seconds = seconds + rng.uniform(-jitter, jitter, len(seconds)) / rate
    return START_NS + np.rint(np.sort(seconds) * 1e9).astype(np.int64)


def values(stamps_ns: np.ndarray, delay: float, seed: int) -> np.ndarray:
    return wander((stamps_ns - START_NS) * 1e-9 - delay, seed)


@settings(max_examples=40, deadline=None)
@given(
    delay=st.floats(-1.5, 1.5),
    rates=st.tuples(st.floats(15.0, 60.0), st.floats(20.0, 200.0)),
    jitter=st.floats(0.0, 0.45),
    scale=st.sampled_from([1.0, -1.0, 1e-3, -40.0]),
    seed=st.integers(0, 1000),
)
def test_finds_a_known_delay_to_a_fraction_of_a_sample(delay, rates, jitter, scale, seed):
    a, b = stamps(60.0, rates[0], jitter, seed), stamps(60.0, rates[1], jitter, seed + 1)
    found = estimate_delay(a, values(a, 0.0, seed), b, 3.0 + scale * values(b, delay, seed))
    assert found.sure
    assert abs(found.seconds - delay) < 0.15 / rates[0]
    assert np.sign(found.correlation) == np.sign(scale) and abs(found.correlation) > 0.99


@pytest.mark.parametrize("noise", [0.1, 0.5, 1.0])
def test_noise_widens_the_uncertainty_which_stays_calibrated(noise):
    delay, errors, stated = 0.137, [], []
    for seed in range(12):
        a, b = stamps(120.0, 30.0, 0.3, seed), stamps(120.0, 100.0, 0.3, seed + 50)
        rng, deviation = np.random.default_rng(seed), float(values(a, 0.0, seed).std())
        noisy_a = values(a, 0.0, seed) + rng.normal(0, noise * deviation, len(a))
        noisy_b = values(b, delay, seed) + rng.normal(0, noise * deviation, len(b))
        found = estimate_delay(a, noisy_a, b, noisy_b)
        assert found.sure
        errors.append(found.seconds - delay)
        stated.append(found.uncertainty)
    assert np.sqrt(np.mean(np.square(errors))) < np.mean(stated) + 0.002
    assert np.sqrt(np.mean(np.square(errors))) < 0.04
    assert stated[0] > 0.0


def test_exchanging_the_series_changes_the_sign_of_the_delay():
    a, b = stamps(40.0, 30.0, 0.3, 1), stamps(40.0, 100.0, 0.3, 2)
    there = estimate_delay(a, values(a, 0.0, 5), b, values(b, 0.4, 5))
    back = estimate_delay(b, values(b, 0.4, 5), a, values(a, 0.0, 5))
    assert there.seconds == pytest.approx(-back.seconds, abs=2e-3)


def test_unrelated_series_are_not_sure():
    sure = 0
    for seed in range(30):
        a, b = stamps(60.0, 30.0, 0.2, seed), stamps(60.0, 50.0, 0.2, seed + 100)
        found = estimate_delay(a, values(a, 0.0, seed), b, values(b, 0.0, seed + 500))
        sure += bool(found and found.sure)
    assert sure == 0


def test_a_delay_beyond_the_search_is_not_sure():
    a, b = stamps(60.0, 30.0, 0.2, 1), stamps(60.0, 50.0, 0.2, 2)
    found = estimate_delay(a, values(a, 0.0, 3), b, values(b, 1.0, 3), largest=0.4)
    assert found is None or not found.sure


def test_a_sine_repeats_and_so_is_not_sure():
    a, b = stamps(60.0, 30.0, 0.2, 1), stamps(60.0, 50.0, 0.2, 2)
    found = estimate_delay(
        a, np.sin((a - START_NS) * 1e-9 * 6.0), b, np.sin(((b - START_NS) * 1e-9 - 0.2) * 6.0)
    )
    assert not found.sure


@pytest.mark.parametrize("case", ["constant", "empty", "short", "other clock", "not a number"])
def test_says_nothing_where_nothing_can_be_said(case):
    a, b = stamps(30.0, 30.0, 0.2, 1), stamps(30.0, 50.0, 0.2, 2)
    x, y = values(a, 0.0, 1), values(b, 0.1, 1)
    if case == "constant":
        y = np.full_like(y, 0.3)
    elif case == "empty":
        b, y = b[:0], y[:0]
    elif case == "short":
        b, y = b[:60], y[:60]
    elif case == "other clock":
        b = b - START_NS
    else:
        y = np.full_like(y, np.nan)
    assert estimate_delay(a, x, b, y) is None


def test_pauses_disorder_duplicates_and_nan_do_not_disturb():
    a, b = stamps(90.0, 30.0, 0.3, 1), stamps(90.0, 100.0, 0.3, 2)
    x, y = values(a, 0.0, 8), values(b, 0.25, 8)
    y[::17] = np.nan
    silent = (b > START_NS + 20 * 10**9) & (b < START_NS + 45 * 10**9)
    b, y = b[~silent], y[~silent]
    order = np.random.default_rng(0).permutation(len(b))
    b, y = np.concatenate([b[order], b[:50]]), np.concatenate([y[order], y[:50]])
    found = estimate_delay(a, x, b, y)
    assert found.sure and found.seconds == pytest.approx(0.25, abs=0.005)


def test_stamps_and_values_of_different_length_are_refused():
    with pytest.raises(ShapeError, match="values of b"):
        estimate_delay(np.arange(5), np.arange(5.0), np.arange(5), np.arange(4.0))
