"""Which picture of a video belongs to which row."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.recordings.lerobot.pairing import pair

KEYS = np.arange(40) / 20.0
FRAME = np.arange(20.0)
EVEN = FRAME / 20.0
UNEVEN = np.cumsum(np.random.default_rng(0).uniform(0.02, 0.08, 20))


def places(seconds, frame, length, keys, begin=0.0, end=None):
    found, problem = pair(np.asarray(seconds), np.asarray(frame), length, keys, begin, end)
    assert bool(problem) == bool((found < 0).all())
    return found.tolist()


@pytest.mark.parametrize("seconds", [EVEN, UNEVEN])
def test_of_as_many_pictures_as_rows_the_number_decides(seconds):
    assert places(seconds, FRAME, 20, KEYS[:20]) == list(range(20))
    assert places(seconds, FRAME, 20, KEYS, 1.0, 2.0) == list(range(20, 40))
    kept = [0, 1, 5, 19]
    assert places(seconds[kept], FRAME[kept], 20, KEYS, 0.0, 1.0) == kept
    # An edit list that is damaged moves all times of a file.
    assert places(seconds, FRAME, 20, KEYS[:20] - 0.05) == list(range(20))


def test_where_pictures_are_missing_even_times_decide():
    keys = np.delete(KEYS[:20], [4, 5])
    expected = [*range(4), -1, -1, *range(4, 18)]
    assert places(EVEN, FRAME, 20, keys) == expected
    assert places(EVEN + 0.004, FRAME, 20, keys) == expected
    assert places(EVEN, FRAME, 20, KEYS[:10]) == [*range(10), *[-1] * 10]


@pytest.mark.parametrize(
    ("seconds", "frame", "keys", "begin", "end"),
    [
        (UNEVEN, FRAME, KEYS[:19], 0.0, None),  # which one is missing?
        (EVEN, FRAME, KEYS[:19] + 0.05, 0.0, None),  # one is missing, and the others are moved
        (EVEN, FRAME, KEYS - 0.05, 1.0, 2.0),  # a part of a file whose times are moved
        (EVEN, FRAME, KEYS, 5.0, 6.0),  # a part that is not there
        (EVEN, FRAME[::-1], KEYS[:20], 0.0, None),  # numbers that contradict the times
        (EVEN, FRAME, KEYS[:0], 0.0, None),
    ],
)
def test_where_nothing_says_which_picture_is_a_rows_there_is_none(seconds, frame, keys, begin, end):
    assert places(seconds, frame, 20, keys, begin, end) == [-1] * 20
