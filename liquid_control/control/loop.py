"""When the safety gate acts: one class for simulation, replay, the fault course and the safety
node.

The gate acts at once on a proposal, on a timer while none comes, and at the instant at which the
last proposal becomes stale.
"""

from __future__ import annotations

from collections.abc import Iterator

PERIOD = 0.05
"""The gate acts at least this often, with or without proposals [s]."""

LONGEST_SILENCE = 10.0
"""Of a longer recorded silence only this much is walked through [s]: a vehicle at the default top
speed stands by then, and every command repeats the one before."""


class Loop:
    """The instants at which the gate acts, in ns of one clock that goes forward. It has no clock
    and no thread: the caller calls `wake` at each proposal and at `next_ns`.

    A proposal sets the timer back: a command just before a proposal would leave the wheels no time
    to follow it within their rate limit. `period` [s] between two instants of the timer. `silence`
    [s]: a proposal that arrived longer ago is stale, and the gate acts at the first such
    nanosecond, once, without waiting for the timer; None: the arrival of proposals is not judged.
    """

    def __init__(self, period: float = PERIOD, silence: float | None = None) -> None:
        self._period_ns = round(period * 1e9)
        self._silence_ns = None if silence is None else round(silence * 1e9)
        self.reset()

    def reset(self) -> None:
        """Forgets proposals and timer, for a new drive or a clock that went back."""
        self._timer_ns: int | None = None
        self._silent_ns: int | None = None

    @property
    def next_ns(self) -> int | None:
        """When the gate acts next if no proposal comes; None before the first `wake`."""
        if self._timer_ns is None or self._silent_ns is None:
            return self._timer_ns
        return min(self._timer_ns, self._silent_ns)

    def wake(self, now_ns: int, proposed: bool = False) -> bool:
        """Whether the gate acts now; True at a proposal and at the first call. Several instants
        that have passed since the last call are one."""
        if proposed or self._timer_ns is None:
            self._timer_ns = now_ns + self._period_ns
            if proposed and self._silence_ns is not None:
                self._silent_ns = now_ns + self._silence_ns + 1
            return True
        if now_ns < self.next_ns:
            return False
        if self._timer_ns <= now_ns:
            passed = (now_ns - self._timer_ns) // self._period_ns
            self._timer_ns += (passed + 1) * self._period_ns
        if self._silent_ns is not None and self._silent_ns <= now_ns:
            self._silent_ns = None
        return True

    def due_before(self, now_ns: int) -> Iterator[int]:
        """Every instant before `now_ns` at which the gate acts, in order and without omission: for
        a clock that jumps from one recorded sample to the next. None before the first `wake`.

        After `LONGEST_SILENCE` the others are passed over at once, so that a silence of years, or
        a clock that was set, costs no more than one of seconds."""
        first_ns = self.next_ns
        if first_ns is None or first_ns >= now_ns:
            return
        end_ns = min(now_ns, first_ns + round(LONGEST_SILENCE * 1e9))
        while (at_ns := self.next_ns) < end_ns:
            self.wake(at_ns)
            yield at_ns
        if end_ns < now_ns:
            self.wake(now_ns - 1)
