"""Where a recorder's clock was set back: by the order of the messages in a file, which is that of
their recording.

The receipts of one topic never go back while a clock runs. Where they do and come twice over the
same times, a new stretch begins. Files of another order (topic by topic, blocks or messages
shuffled) hold every time of a topic once, or hop all the time, and are put in order by their times.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np

from liquid_control.recordings.stretches import STEP

FEWEST = 20
"""Messages between two steps, on average, of a topic that is in order; and of a topic that has a
say."""
HOLE_NS = 300_000_000
"""Times of a topic without a message for longer than this are not covered by it."""
MOST_PIECES, MOST_STEPS = 2**16, 256
STEP_NS = round(STEP * 1e9)

Sequence = tuple[int, np.ndarray, np.ndarray]
"""Topic, times (N,) ns and ascending positions (N,) in the file of consecutive messages of it."""


@dataclasses.dataclass
class _Topic:
    """What is known of one topic: its messages so far, the latest time of the present run, its
    last position; pieces (first, last time, run), and where each later run begins: (position of
    the message before, of the first)."""

    count: int = 0
    top_ns: int | None = None
    position: int = -1
    pieces: list[tuple[int, int, int]] = dataclasses.field(default_factory=list)
    begins: list[tuple[int, int]] = dataclasses.field(default_factory=list)

    def see(self, times: np.ndarray, positions: np.ndarray) -> None:
        before = times[:1] if self.top_ns is None else np.array([self.top_ns])
        steps = np.diff(times, prepend=before)
        breaks = np.flatnonzero((steps > HOLE_NS) | (steps < -STEP_NS))
        for begin, end in zip([0, *breaks], [*breaks, len(times)], strict=True):
            if begin == end:
                continue
            part = times[begin:end]
            if self.top_ns is not None and part[0] < self.top_ns - STEP_NS:
                before_at = self.position if begin == 0 else int(positions[begin - 1])
                self.begins.append((before_at, int(positions[begin])))
                self.top_ns = None
            run = len(self.begins)
            first, last = int(part.min()), int(part.max())
            goes_on = self.pieces and self.pieces[-1][2] == run
            if goes_on and first - self.pieces[-1][1] <= HOLE_NS:
                self.pieces[-1] = self.pieces[-1][0], max(last, self.pieces[-1][1]), run
            else:
                self.pieces.append((first, last, run))
            self.top_ns = last if self.top_ns is None else max(self.top_ns, last)
        self.count += len(times)
        self.position = int(positions[-1])

    def twice(self) -> list[tuple[int, int]]:
        """`begins` of the runs that cover times which an earlier run covers, too; none for a topic
        that hops all the time."""
        if FEWEST * len(self.begins) > self.count or len(self.begins) > MOST_STEPS:
            return []
        pieces = np.array(self.pieces, np.int64).reshape(-1, 3)
        pieces = pieces[pieces[:, 1] - pieces[:, 0] > STEP_NS]
        found, since = [], 0
        for run, begin in enumerate(self.begins, start=1):
            earlier = pieces[(pieces[:, 2] >= since) & (pieces[:, 2] < run)]
            if _overlap(pieces[pieces[:, 2] == run], earlier):
                found.append(begin)
                since = run
        return found


def find_steps(sequences: Callable[[], Iterable[Sequence]]) -> list[int]:
    """Positions in the file at which a new stretch begins. `sequences` gives all messages in the
    order of the file; it may be called twice."""
    latest: dict[int, int] = {}
    for topic, times, _ in sequences():
        top_ns = latest.get(topic, int(times[0]))
        tops = np.maximum.accumulate(np.concatenate([[top_ns], times]))
        if np.any(times < tops[:-1] - STEP_NS):
            break
        latest[topic] = int(tops[-1])
    else:
        return []
    topics: dict[int, _Topic] = {}
    for topic, times, positions in sequences():
        topics.setdefault(topic, _Topic()).see(times, positions)
        if sum(len(one.pieces) for one in topics.values()) > MOST_PIECES:
            return []
    with_a_say = sum(one.count >= FEWEST for one in topics.values())
    begins = sorted(
        (at, before, name) for name, one in topics.items() for before, at in one.twice()
    )
    steps: list[int] = []
    while begins:
        step = begins[0][0]
        same = {name for at, before, name in begins if before < step}
        if 2 * len(same) >= with_a_say:
            steps.append(step)
        begins = [begin for begin in begins if begin[1] >= step]
    return steps


def _overlap(pieces: np.ndarray, others: np.ndarray) -> bool:
    """Whether one of the pieces (N, 3) and one of the others (M, 3) share more than a step."""
    others = others[np.argsort(others[:, 0])]
    ends = np.maximum.accumulate(others[:, 1])
    place = np.searchsorted(ends, pieces[:, 0] + STEP_NS, side="right")
    there = place < len(others)
    return bool(np.any(others[place[there], 0] < pieces[there, 1] - STEP_NS))
