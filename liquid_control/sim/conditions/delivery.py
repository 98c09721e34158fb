"""Faults of frames between the camera and the policy: silence, late arrival, wrong stamps."""

from __future__ import annotations

from collections import deque

import numpy as np

from liquid_control.signals import Frame
from liquid_control.sim.conditions.condition import Condition

SHORTEST_SILENCE = 0.2
REST = (3.0, 9.0)
"""Seconds between two bursts of silence: shortest, longest."""


class Delivery:
    """Carries the frames of one road. Silences and errors depend on time alone, so that they are
    the same for every policy."""

    def __init__(self, condition: Condition, rng: np.random.Generator) -> None:
        self._condition = condition
        self._silences, self._errors = (
            np.random.default_rng(seed) for seed in rng.integers(2**63, size=2)
        )
        self._silent_from = self._silent_until = 0.0
        self._under_way: deque[tuple[int, Frame]] = deque()

    def is_silent(self, exposed: float) -> bool:
        """Whether a frame exposed then [s] is lost in a burst of silence. Call it in order of
        time."""
        longest = self._condition.silence
        if not longest:
            return False
        while exposed >= self._silent_until:
            self._silent_from = self._silent_until + self._silences.uniform(*REST)
            self._silent_until = self._silent_from + self._silences.uniform(
                min(SHORTEST_SILENCE, longest), longest
            )
        return exposed >= self._silent_from

    def stamp(self, exposed: float) -> int:
        """The stamp [ns] of a frame exposed then [s]. Call it once for each frame."""
        error = (
            self._condition.stamp_error * self._errors.standard_normal()
            if self._condition.stamp_error
            else 0.0
        )
        return max(round((exposed + error) * 1e9), 0)

    def send(self, frame: Frame, exposed: float) -> None:
        self._under_way.append((round((exposed + self._condition.latency) * 1e9), frame))

    def arrived(self, now_ns: int) -> list[Frame]:
        """Frames that have arrived by now, in order."""
        frames = []
        while self._under_way and self._under_way[0][0] <= now_ns:
            frames.append(self._under_way.popleft()[1])
        return frames

    def forget(self) -> None:
        """Drops the frames under way, because the vehicle was put elsewhere."""
        self._under_way.clear()
