"""One time line for a recording: every stretch behind the one before, and the stamps on the
recorder's clock.

A recorder's clock may be set while it records, a recording may be paused or joined from several,
and all sensors may share a clock that is not the recorder's (TAI, time since boot). A reader of
the recording gets receipts that go forward and stamps that fit them; the report names the changes.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from liquid_control.recordings.stretches import PAUSE, STEP, Stretches
from liquid_control.recordings.values import Entry

APART = 1.0
"""Stamps further from their receipt than this [s] are of another clock."""
OBSERVED = 3
"""Stamps of a role that decide about its clock: one may be wrong."""
MOST_WAITING, MOST_PICTURES = 512, 12
"""Records that wait at the beginning of a stretch until the clocks are known."""
GAP_NS = round((PAUSE + 1.0) * 1e9)
"""Between two stretches, on the time line."""
MOST_SEGMENTS = 2**16
LATEST_NS = 2**62 - 1
"""The year 2116: a receipt behind it is none, and sums of such times fit into 64 bits."""


class Deferred(NamedTuple):
    """The work that makes a picture's entry: run in a decoding thread."""

    received_ns: int
    make: Callable[[], Entry]
    first: bool = False

    def __call__(self) -> Entry:
        return self.make()


Record = Entry | Deferred


@dataclasses.dataclass(frozen=True, slots=True)
class Segment:
    """One stretch: its first receipt on the time line, what was added to its receipts, and by role
    what was added to its stamps [ns]. `latency`: by role, receipt minus stamp as recorded [s]."""

    begin_ns: int
    shift_ns: int
    stamps_ns: dict[str, int]
    latency: dict[str, float]

    @property
    def common(self) -> float:
        """What all stamps lie behind their receipts [s], 0 where it is no more than `APART` or not
        the same."""
        added = {stamps_ns - self.shift_ns for stamps_ns in self.stamps_ns.values()}
        only = added.pop() * 1e-9 if len(added) == 1 else 0.0
        return only if abs(only) > APART else 0.0


class RecordingClock:
    """Takes records in the order in which they are read, and gives them on one time line.

    `roles`: those that may have stamps of their own. `segments`: the stretches so far, at most
    `MOST_SEGMENTS`. `breaks`: as in `Stretches`. In constant memory, but for those.
    """

    def __init__(self, roles: Iterable[str]) -> None:
        self.segments: list[Segment] = []
        self._stretches, self._roles = Stretches(), frozenset(roles)
        self._end_ns: int | None = None  # last receipt, on the time line
        self._usual: dict[str, int] = {}  # latency by role in its first stretch, as placed [ns]
        self._shift_ns = 0
        self._stamps_ns: dict[str, int] = {}
        self._seen: dict[str, list[int]] = {}
        self._without: set[str] = set()
        self._common_ns: int | None = None
        self._latency: dict[str, float] = {}
        self._latest_ns = 0
        self._pictures = 0  # of this stretch, whose stamps were looked at

    @property
    def breaks(self) -> list[tuple[int, int]]:
        return self._stretches.breaks

    def place(self, records: Iterable[Record]) -> Iterator[Record]:
        waiting: list[Record] = []
        pictures = 0
        for record in map(self._received, records):
            if self._stretches.begins(record.received_ns, record.first):
                yield from self._decided(waiting)
                waiting, pictures = [], 0
                self._begin(record.received_ns)
            record = self._observe(record)
            if not waiting and not self._undecided():
                yield self._placed(record)
                continue
            waiting.append(record)
            pictures += callable(record) or record.role == "camera"
            if self._known() or len(waiting) >= MOST_WAITING or pictures >= MOST_PICTURES:
                yield from self._decided(waiting)
                waiting, pictures = [], 0
        yield from self._decided(waiting)

    def _received(self, record: Record) -> Record:
        """The record with a receipt: one of zero or of no possible time is none, and the stamp
        stands for it."""
        if 0 < record.received_ns <= LATEST_NS:
            self._latest_ns = record.received_ns
            return record
        entry = record() if callable(record) else record
        if entry.own_ns and 0 < entry.own_ns <= LATEST_NS:
            self._latest_ns = entry.own_ns
        by_receipt = entry.own_ns is None or entry.stamp_ns != entry.own_ns
        stamp_ns = self._latest_ns if by_receipt else entry.stamp_ns
        sample = entry.sample
        if getattr(sample, "stamp_ns", stamp_ns) != stamp_ns:
            sample = dataclasses.replace(sample, stamp_ns=stamp_ns)
        return entry._replace(received_ns=self._latest_ns, stamp_ns=stamp_ns, sample=sample)

    def _begin(self, received_ns: int) -> None:
        if self._end_ns is not None:
            self._shift_ns = self._end_ns + GAP_NS - received_ns
        self._stamps_ns, self._seen, self._without = {}, {}, set()
        self._common_ns, self._latency, self._pictures = None, {}, 0
        if len(self.segments) < MOST_SEGMENTS:
            begin_ns = received_ns + self._shift_ns
            self.segments.append(Segment(begin_ns, self._shift_ns, self._stamps_ns, self._latency))

    def _observe(self, record: Record) -> Record:
        """Looks at the stamp of a record whose role's clock is not known yet."""
        if callable(record):
            if self._pictures >= MOST_PICTURES or "camera" in {*self._stamps_ns, *self._without}:
                return record
            self._pictures += 1
            record = record()
        if record.role in self._stamps_ns:
            return record
        if record.own_ns is None or record.stamp_ns != record.own_ns:  # its receipt is its stamp
            self._without.add(record.role)
        elif record.own_ns and abs(record.own_ns) <= LATEST_NS:
            latency_ns = record.received_ns - record.own_ns
            if not self._seen.get(record.role) and self._is_usual(record.role, latency_ns):
                self._settle(record.role, latency_ns, 0)
            else:
                self._seen.setdefault(record.role, []).append(latency_ns)
        return record

    def _undecided(self) -> list[str]:
        return [role for role in self._seen if role not in self._stamps_ns]

    def _known(self) -> bool:
        """Whether enough stamps were seen to decide about those that are far from their receipt:
        they may be of one clock only where no role is on the recorder's."""
        undecided = self._undecided()
        if any(len(self._seen[role]) < OBSERVED for role in undecided):
            return False
        return bool(self._stamps_ns) or self._roles <= {*undecided, *self._without}

    def _decided(self, waiting: list[Record]) -> Iterator[Record]:
        latency = {role: sorted(self._seen[role]) for role in self._undecided()}
        latency = {role: seen[len(seen) // 2] for role, seen in latency.items()}
        unusual = {role: ns - self._usual.get(role, 0) for role, ns in latency.items()}
        if unusual and not self._stamps_ns:
            low_ns, high_ns = min(unusual.values()), max(unusual.values())
            apart_ns = (APART if len(self.segments) == 1 else STEP) * 1e9
            if high_ns - low_ns <= apart_ns and not any(
                self._is_usual(role, latency_ns) for role, latency_ns in latency.items()
            ):
                self._common_ns = low_ns
        for role, latency_ns in latency.items():
            if self._common_ns is not None and abs(unusual[role] - self._common_ns) <= APART * 1e9:
                added_ns = self._common_ns
            elif role in self._usual and abs(unusual[role]) > APART * 1e9:
                added_ns = unusual[role]  # a clock of its own is left as it was at first
            else:
                added_ns = 0
            self._settle(role, latency_ns, added_ns)
        for record in waiting:
            yield self._placed(record)

    def _is_usual(self, role: str, latency_ns: int) -> bool:
        known = role in self._usual and len(self.segments) > 1
        return abs(latency_ns - self._usual.get(role, 0)) <= (STEP if known else APART) * 1e9

    def _settle(self, role: str, latency_ns: int, added_ns: int) -> None:
        added_ns = _possible(added_ns)
        self._usual.setdefault(role, latency_ns - added_ns)
        self._stamps_ns[role] = self._shift_ns + added_ns
        self._latency[role] = latency_ns / 1e9

    def _placed(self, record: Record) -> Record:
        shift_ns = self._shift_ns
        received_ns = record.received_ns + shift_ns
        self._end_ns = received_ns if self._end_ns is None else max(self._end_ns, received_ns)
        if callable(record):
            stamps_ns = self._stamps_ns.get("camera", shift_ns)
            if not (shift_ns or stamps_ns):
                return record
            make = functools.partial(_moved, record.make, shift_ns, stamps_ns)
            return Deferred(received_ns, make)
        stamps_ns = self._stamps_ns.get(record.role, shift_ns)
        as_it_is = not (shift_ns or stamps_ns) and abs(record.own_ns or 0) <= LATEST_NS
        return record if as_it_is else _move(record, shift_ns, stamps_ns)


def _moved(make: Callable[[], Entry], shift_ns: int, stamps_ns: int) -> Entry:
    return _move(make(), shift_ns, stamps_ns)


def _move(entry: Entry, shift_ns: int, stamps_ns: int) -> Entry:
    """The entry with both its times moved; a stamp of zero is none, and stays."""
    own_ns = _possible(entry.own_ns + stamps_ns) if entry.own_ns else entry.own_ns
    by_own = entry.own_ns is not None and entry.stamp_ns == entry.own_ns
    stamp_ns = own_ns if by_own else entry.stamp_ns + shift_ns
    sample = entry.sample
    if getattr(sample, "stamp_ns", stamp_ns) != stamp_ns:
        sample = dataclasses.replace(sample, stamp_ns=stamp_ns)
    received_ns = entry.received_ns + shift_ns
    return entry._replace(received_ns=received_ns, stamp_ns=stamp_ns, own_ns=own_ns, sample=sample)


def _possible(time_ns: int) -> int:
    return min(max(time_ns, -LATEST_NS), LATEST_NS)
