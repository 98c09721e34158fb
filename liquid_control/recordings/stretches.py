"""Stretches of a recording: what was recorded without interruption by one setting of the recorder's
clock. A pause and a clock that was set end a stretch, and so does what a format marks."""

from __future__ import annotations

from collections.abc import Iterable

from liquid_control.control.loop import LONGEST_SILENCE

PAUSE = LONGEST_SILENCE
"""A longer time without any message is a pause of the recorder, or a clock set forward [s]."""
STEP = 0.2
"""A receipt earlier than the one before by more than this is a clock that was set back; less is
disorder of messages that arrive together [s]."""
MOST_BREAKS = 64


class Stretches:
    """Follows the receipts of all roles in the order in which they are read, in constant memory.

    `count` of stretches; `seconds`: their lengths together, without what lies between them;
    `breaks`: the first `MOST_BREAKS` of (last receipt before, first receipt after) in ns.
    """

    def __init__(self) -> None:
        self.count, self.breaks = 0, []
        self._latest_ns: int | None = None
        self._length_ns = 0

    def begins(self, received_ns: int, first: bool = False) -> bool:
        """Takes a receipt; whether a stretch begins with it. The first one of all begins one, and
        one that is `first` by itself."""
        latest_ns = self._latest_ns
        passed_ns = 0 if latest_ns is None else received_ns - latest_ns
        begins = latest_ns is None or first or not -STEP * 1e9 <= passed_ns <= PAUSE * 1e9
        if begins:
            self.count += 1
            if latest_ns is not None and len(self.breaks) < MOST_BREAKS:
                self.breaks.append((latest_ns, received_ns))
            self._latest_ns = received_ns
        elif passed_ns > 0:
            self._length_ns += passed_ns
            self._latest_ns = received_ns
        return begins

    @property
    def seconds(self) -> float:
        return self._length_ns / 1e9


def covered(spans: Iterable[tuple[int, int]]) -> float:
    """Seconds that spans of receipts (first, last) [ns] cover together, with the silence between
    them where it is no pause."""
    total_ns = 0
    begin_ns = end_ns = None
    for first_ns, last_ns in sorted(spans):
        if end_ns is None or first_ns - end_ns > PAUSE * 1e9:
            total_ns += 0 if end_ns is None else end_ns - begin_ns
            begin_ns, end_ns = first_ns, last_ns
        else:
            end_ns = max(end_ns, last_ns)
    return (total_ns + (0 if end_ns is None else end_ns - begin_ns)) / 1e9
