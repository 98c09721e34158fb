"""The time between a frame's proposal and the next frame."""

from __future__ import annotations

from collections import deque

import numpy as np


class SpareTime:
    """Whether there is time for more work before the next frame. The next frame is expected one
    short interval of stamps after the latest, and as soon after its stamp as the quickest of the
    last `FRAMES`.

    The work takes as long as the median of its last `COSTS`. Work that never fits is tried again
    after `AGAIN` seconds, and after twice as long each time that it still does not.
    """

    FRAMES, COSTS, AGAIN, LONGEST = 32, 15, 10.0, 600.0

    def __init__(self) -> None:
        self._stamps: deque[int] = deque(maxlen=self.FRAMES)
        self._delays: deque[int] = deque(maxlen=self.FRAMES)
        self._costs: deque[float] = deque(maxlen=self.COSTS)
        self._tried_ns: int | None = None
        self._wait = self.AGAIN

    def frame(self, stamp_ns: int, arrival_ns: int) -> None:
        """A frame that arrived, by one clock with its stamp."""
        if self._stamps and stamp_ns <= self._stamps[-1]:
            self._stamps.clear()
            self._delays.clear()
            self._tried_ns = None
        self._stamps.append(stamp_ns)
        self._delays.append(arrival_ns - stamp_ns)

    def took(self, seconds: float) -> None:
        """What the work has cost."""
        self._costs.append(seconds)

    @property
    def cost(self) -> float:
        """Expected [s]; 0 before the first time."""
        return sorted(self._costs)[len(self._costs) // 2] if self._costs else 0.0

    def room(self, now_ns: int) -> float:
        """Seconds until the next frame is expected, negative when it is late; 0 before the second
        frame."""
        if len(self._stamps) < 2:
            return 0.0
        intervals = sorted(np.diff(self._stamps).tolist())
        next_ns = self._stamps[-1] + intervals[len(intervals) // 10] + min(self._delays)
        return (next_ns - now_ns) / 1e9

    def allows(self, now_ns: int) -> bool:
        """Whether to work now."""
        room, cost = self.room(now_ns), self.cost
        if cost <= room:
            self._tried_ns = now_ns
            self._wait = self.AGAIN
            return True
        if self._tried_ns is None:
            self._tried_ns = now_ns
        if now_ns - self._tried_ns < self._wait * 1e9:
            return False
        self._tried_ns, self._wait = now_ns, min(2.0 * self._wait, self.LONGEST)
        self._costs.clear()
        return True
