"""Messages of two moments that alternate: a clock was set back, and the messages were put in order
of their receipt afterwards, so that no order tells the moments apart any more."""

from __future__ import annotations

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


class Interleaving:
    """Takes the samples of all roles in received order; a few numbers a window are kept."""

    def __init__(self) -> None:
        self._windows: dict[str, dict[int, list[float]]] = {}
        self._before: dict[str, tuple[float, float]] = {}

    def push(self, role: str, seconds: float, sample: object) -> None:
        """`seconds`: the stamp, since the recording's start."""
        value = _signal(sample)
        windows = self._windows.setdefault(role, {})
        window = windows.setdefault(int(seconds // WINDOW), [0, 0.0, 0.0])
        last, second = self._before.get(role, (value, value))
        window[0] += 1
        if value == value:
            window[1] += abs(value - last)
            window[2] += abs(value - second)
            self._before[role] = value, last

    def found(self) -> list[tuple[float, float]]:
        """(first, last) second of each place with messages of two moments, at most `EXAMPLES`."""
        dense: list[set[int]] = []
        for windows in self._windows.values():
            usual = float(np.quantile([count for count, _, _ in windows.values()], USUAL_SHARE))
            if usual >= FEWEST:
                dense.append({place for place, one in windows.items() if one[0] >= DENSE * usual})
        if len(dense) < ROLES:
            return []
        alternating = {
            place
            for windows in self._windows.values()
            for place, (_, one, two) in windows.items()
            if one > ALTERNATES * two
        }
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
