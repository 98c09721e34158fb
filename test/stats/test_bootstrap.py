"""Bootstrap intervals: exact cases, properties over many data sets, and the coverage that they
promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.errors import ConfigError, ShapeError
from liquid_control.stats.bootstrap import (
    Interval,
    difference_interval,
    rate_interval,
    ratio_interval,
    reciprocal,
)

roads = st.lists(st.tuples(st.floats(0, 100), st.floats(0.5, 100)), min_size=1, max_size=30).map(
    lambda rows: np.array(rows).T
)


@settings(max_examples=60, deadline=None)
@given(roads, st.floats(0.01, 1000))
def test_an_interval_lies_within_the_roads_own_ratios_and_scales_with_them(data, factor):
    numerator, denominator = data
    found, scaled = (
        ratio_interval(numerator, denominator),
        ratio_interval(factor * numerator, denominator),
    )
    ratios = numerator / denominator
    assert ratios.min() - 1e-9 <= found.low <= found.high <= ratios.max() + 1e-9
    assert (scaled.low, scaled.high) == pytest.approx(
        (factor * found.low, factor * found.high), rel=1e-9, abs=1e-12
    )
    assert found == ratio_interval(numerator, denominator)  # deterministic


@settings(max_examples=30, deadline=None)
@given(roads)
def test_more_confidence_is_wider_and_a_policy_does_not_differ_from_itself(data):
    numerator, denominator = data
    narrow, wide = (ratio_interval(numerator, denominator, level) for level in (0.5, 0.95))
    assert wide.low <= narrow.low <= narrow.high <= wide.high
    assert difference_interval((numerator, numerator), (denominator, denominator)) == Interval(
        0.0, 0.0
    )
    shifted = difference_interval((numerator + denominator, numerator), (denominator, denominator))
    assert (shifted.low, shifted.high) == pytest.approx(
        (1.0, 1.0)
    )  # paired: what the roads share falls out


def test_coverage_is_what_is_promised():
    rng, held = np.random.default_rng(0), 0
    for trial in range(300):
        exposure = rng.uniform(0.4, 0.7, 40)
        counts = rng.poisson(exposure * rng.gamma(2.0, 1.5, 40))  # roads differ: mean rate 3
        found = rate_interval(counts, exposure, seed=trial)
        held += found.low <= 3.0 <= found.high
    assert 0.88 <= held / 300 <= 0.99


def test_intervals_narrow_with_the_root_of_the_number_of_roads():
    rng = np.random.default_rng(1)

    def width(count):
        found = ratio_interval(rng.normal(5, 1, count), np.ones(count))
        return found.high - found.low

    assert width(1600) / width(100) == pytest.approx(0.25, rel=0.25)


def test_training_seeds_that_disagree_widen_it():
    rng = np.random.default_rng(2)
    drive = rng.normal(5, 0.1, (3, 50))
    agreeing, apart = drive, drive + np.array([[-2.0], [0.0], [2.0]])
    narrow, wide = (ratio_interval(values, np.ones((3, 50))) for values in (agreeing, apart))
    assert wide.high - wide.low > 20 * (narrow.high - narrow.low)


def test_no_departure_is_no_proof_of_none():
    found = rate_interval(np.zeros(20), np.full(20, 0.54))
    assert found.low == 0 and found.high == pytest.approx(3.0 / (20 * 0.54), rel=0.01)
    assert reciprocal(found).high == math.inf and reciprocal(Interval(2.0, 4.0)) == Interval(
        0.25, 0.5
    )


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ShapeError):
        ratio_interval(np.ones(3), np.ones(4))
    with pytest.raises(ShapeError):
        ratio_interval(np.ones(0), np.ones(0))
    with pytest.raises(ShapeError, match="same roads"):
        difference_interval((np.ones(3), np.ones(4)), (np.ones(3), np.ones(4)))
    for denominator, level in ((np.zeros(3), 0.95), (np.ones(3), 1.0)):
        with pytest.raises(ConfigError):
            ratio_interval(np.ones(3), denominator, level)
