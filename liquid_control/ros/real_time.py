"""Ties simulated time to the wall's. Knows no ROS."""

from __future__ import annotations

import time
from collections.abc import Callable

LATEST_NS = 50_000_000
"""Simulated time further behind than this does not catch up; it slips, and what slipped is
counted."""

SET_BACK_NS = 1_000_000_000
"""When an instant lies further ahead than this, the wall's clock was set back."""


class Pace:
    """When an instant of simulated time is due, and its stamp.

    `steady_stamps`: stamps count simulated time alone (for /clock); otherwise they are the wall's
    time at the instant.
    """

    def __init__(
        self, steady_stamps: bool = False, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._now_ns, self._steady_stamps = now_ns, steady_stamps
        self._anchor = self._first = now_ns()
        self._sim_ns = self._lost_ns = 0

    def seconds_until(self, sim_ns: int) -> float:
        """How long until the instant; zero or less when it is due."""
        self._sim_ns = max(self._sim_ns, sim_ns)
        ahead = self._anchor + sim_ns - self._now_ns()
        if ahead < -LATEST_NS:
            self._lost_ns -= ahead
            self._anchor -= ahead
        elif ahead > SET_BACK_NS:
            self._anchor -= ahead
        else:
            return ahead / 1e9
        return 0.0

    def resume(self, sim_ns: int) -> None:
        """Simulated time goes on from here after a pause, which is not counted as lost."""
        self._anchor = self._now_ns() - sim_ns

    def stamp_ns(self, sim_ns: int) -> int:
        """The stamp of an instant of simulated time."""
        return (self._first if self._steady_stamps else self._anchor) + sim_ns

    def stamp_of_wall(self, wall_ns: int) -> int:
        """What the stamps' clock shows at an instant of the wall's clock."""
        return wall_ns - self._anchor + (self._first if self._steady_stamps else self._anchor)

    @property
    def real_time_factor(self) -> float:
        """Simulated time over the wall's time that it took, pauses left out."""
        taken = self._sim_ns + self._lost_ns
        return self._sim_ns / taken if taken else 1.0
