"""The steering that was in effect, by time."""

from __future__ import annotations

import math
from bisect import bisect_right

LONGEST = 0.5
"""A value stays in effect for so long without another [s]."""
KEPT = 1024
"""Values kept at most; half as many at least."""


class SteeringLog:
    """Path curvature [1/m] in effect, of the commands of the gate or of a person, each until the
    next. A stamp that is not later than the last begins anew where the clock has gone back by more
    than `LONGEST`, and is ignored else."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets all."""
        self._began_ns = 0
        self._seconds: list[float] = []
        self._values: list[float] = []
        self._areas: list[float] = []

    def push(self, stamp_ns: int, curvature: float) -> None:
        """A curvature in effect from `stamp_ns` on; one that is not finite ends what is known."""
        if not math.isfinite(curvature):
            self.reset()
            return
        if not self._seconds:
            self._began_ns = stamp_ns
        at = (stamp_ns - self._began_ns) / 1e9
        area = 0.0
        if self._seconds:
            passed = at - self._seconds[-1]
            if -LONGEST <= passed <= 0.0:
                return
            if not 0.0 < passed <= LONGEST:
                self.reset()
                self._began_ns, at = stamp_ns, 0.0
            else:
                area = self._areas[-1] + self._values[-1] * passed
        self._seconds.append(at)
        self._values.append(curvature)
        self._areas.append(area)
        if len(self._seconds) >= KEPT:
            for column in (self._seconds, self._values, self._areas):
                del column[: KEPT // 2]

    def mean(self, from_ns: int, to_ns: int) -> float | None:
        """Mean [1/m] over a time; None where the steering is not known all the while."""
        begin, end = (from_ns - self._began_ns) / 1e9, (to_ns - self._began_ns) / 1e9
        if not self._seconds or begin < self._seconds[0] or end - self._seconds[-1] > LONGEST:
            return None
        if not end > begin:
            return None
        return (self._area(end) - self._area(begin)) / (end - begin)

    def _area(self, at: float) -> float:
        place = bisect_right(self._seconds, at) - 1
        return self._areas[place] + self._values[place] * (at - self._seconds[place])
