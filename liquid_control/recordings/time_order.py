"""The order of recorded times: which of them go forward, and which are out of place."""

from __future__ import annotations

import bisect

import numpy as np

SHUFFLED = 0.1
"""Share of times that are earlier than the one before, from which on the order says nothing."""


def is_shuffled(times: np.ndarray) -> bool:
    """Whether (N,) times are in no order, so that sorting them is right. A few that are out of
    place are wrong themselves."""
    return bool(np.count_nonzero(np.diff(times) < 0) > SHUFFLED * len(times))


def in_order(times: np.ndarray) -> np.ndarray:
    """Indices of the largest part of (N,) times in which none is earlier than the one before."""
    if not np.any(np.diff(times) < 0):
        return np.arange(len(times))
    ends: list[float] = []  # by length of a part that is in order: its least last time
    last: list[int] = []  # and the index of that time
    before = np.full(len(times), -1)
    for index, time in enumerate(times.tolist()):
        length = bisect.bisect_right(ends, time)
        if length:
            before[index] = last[length - 1]
        ends[length : length + 1] = [time]
        last[length : length + 1] = [index]
    kept = []
    index = last[-1] if last else -1
    while index >= 0:
        kept.append(index)
        index = int(before[index])
    return np.array(kept[::-1])
