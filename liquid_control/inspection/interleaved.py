"""Messages of two moments that alternate: a clock was set back, and the messages were put in order
of their receipt afterwards, so that no order tells the moments apart any more."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from liquid_control.signals import ImuSample, SpeedSample, SteeringSample

WINDOW = 0.25  # s
USUAL_SHARE = 0.2
"""Quantile of the counts of a role's windows that stands for its usual rate: windows of two moments
have more."""
DENSE = 1.5
"""Times the usual count: two moments give twice as many messages."""
FEWEST = 3  # messages of a role in a window, usually
ROLES = 2  # that must be dense together: one may change its rate by itself
WINDOWS = 2  # in a row
ALTERNATES = 1.3
"""A value differs from the one before by this many times what it differs from the one before that:
a smooth signal gives 0.5, mere noise 1, two signals in turn more."""
EXAMPLES = 4


class _Windows:
    """Of one role: place, count of messages, and whether the signal alternates, 13 bytes each. A
    place may come twice, when messages are late."""

    def __init__(self) -> None:
        self.places, self.counts, self.alternates = array("q"), array("I"), array("b")
        self._place, self._count = 0, 0
        self._one = self._two = 0.0
        self._last = self._second = float("nan")

    def push(self, place: int, value: float) -> None:
        if place != self._place:
            self.close()
            self._place = place
        self._count += 1
        if value == value:
            if self._second == self._second:
                self._one += abs(value - self._last)
                self._two += abs(value - self._second)
            self._last, self._second = value, self._last

    def close(self) -> None:
        if self._count:
            self.places.append(self._place)
            self.counts.append(self._count)
            self.alternates.append(bool(self._one > ALTERNATES * self._two))
        self._count, self._one, self._two = 0, 0.0, 0.0


class Interleaving:
    """Takes the samples of all roles in received order; some bytes a window are kept."""

    def __init__(self) -> None:
        self._windows: dict[str, _Windows] = {}

    def push(self, role: str, seconds: float, sample: object) -> None:
        """`seconds`: the stamp, since the recording's start."""
        windows = self._windows.get(role)
        if windows is None:
            windows = self._windows[role] = _Windows()
        windows.push(int(seconds // WINDOW), _signal(sample))

    def found(self) -> list[tuple[float, float]]:
        """(first, last) second of each place with messages of two moments, at most `EXAMPLES`."""
        dense: list[set[int]] = []
        alternating: set[int] = set()
        for windows in self._windows.values():
            windows.close()
            every = np.array(windows.places, np.int64)
            places, number = np.unique(every, return_inverse=True)
            counts = np.bincount(number, np.array(windows.counts))
            alternating |= set(every[np.array(windows.alternates, bool)].tolist())
            usual = float(np.quantile(counts, USUAL_SHARE)) if len(counts) else 0.0
            if usual >= FEWEST:
                dense.append(set(places[counts >= DENSE * usual].tolist()))
        if len(dense) < ROLES:
            return []
        places = [run for run in _runs(set.intersection(*dense)) if len(run) >= WINDOWS]
        found = [run for run in places if 2 * len(alternating.intersection(run)) > len(run)]
        return [(run[0] * WINDOW, (run[-1] + 1) * WINDOW) for run in found[:EXAMPLES]]


def _signal(sample: object) -> float:
    """A value that is continuous in time; NaN where the sample has none."""
    if isinstance(sample, ImuSample):
        return sample.angular_velocity[2]
    if isinstance(sample, SpeedSample):
        return sample.speed
    return sample.steering_angle if isinstance(sample, SteeringSample) else float("nan")


def _runs(places: set[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for place in sorted(places):
        if run and place != run[-1] + 1:
            yield run
            run = []
        run.append(place)
    if run:
        yield run
