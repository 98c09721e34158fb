"""Samples that come in batches of one stamp are measurements of different times."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.recordings.driven_curvature import CurvatureSettings, driven_curvature
from liquid_control.recordings.motion import Motion, Track, spread

MS = 10**6


def test_stamps_of_batches_are_spread_over_the_time_since_the_stamp_before():
    stamps = np.repeat(np.arange(1, 4) * 50 * MS, 5)
    assert spread(stamps).tolist() == [10 * MS * i for i in range(1, 16)]
    doubled = np.array([0, 10, 10, 20, 30, 30]) * MS
    assert spread(doubled).tolist() == [0, 5 * MS, 10 * MS, 20 * MS, 25 * MS, 30 * MS]
    after_a_gap = np.array([0, 10_000, 10_000]) * MS
    assert spread(after_a_gap).tolist() == [0, 9_900 * MS, 10_000 * MS]
    for ordinary in ([], [5], [5, 5, 5], [1, 2, 4, 8]):
        assert spread(np.array(ordinary, np.int64)).tolist() == ordinary


@pytest.mark.parametrize("size", [1, 2, 10])
def test_the_driven_curvature_of_a_gyro_in_batches_is_right(size):
    """200 Hz, `size` samples to a stamp, which is that of the last of them."""
    at = np.arange(0, 20_000, 5)
    rate = 0.2 * np.sin(at * 1.3e-3)
    stamps = (at // (5 * size) * 5 * size + 5 * (size - 1)) * MS
    motion = Motion(Track(stamps, rate), Track(at * MS, np.full(len(at), 8.0)))
    frames = np.arange(100, 19_900, 33)
    driven = driven_curvature(frames * MS, motion, CurvatureSettings(source="gyro"))
    assert driven.curvature == pytest.approx(0.2 / 8.0 * np.sin(frames * 1.3e-3), abs=1e-6)
