"""The messages between the thread that receives and the thread that writes: a ring while nothing is
recorded, a queue while something is. One bound in bytes holds for both."""

from __future__ import annotations

import collections
import math
import threading
from collections.abc import Collection, Iterable
from typing import NamedTuple

from liquid_control.recordings.onboard.marks import Mark

OVERHEAD = 400
"""Bytes of memory that a message takes in addition to its data."""
AT_ONCE = 2**22
"""Bytes that `take` gives, at most, after the first message."""


class Item(NamedTuple):
    """A serialised message. `at_ns`: when it was taken, on the steady clock; `receive_ns`: when it
    arrived, on the system's. `mark`: what it marks."""

    at_ns: int
    receive_ns: int
    topic: str
    kind: str
    data: bytes
    mark: Mark | None = None

    @property
    def size(self) -> int:
        return len(self.data) + OVERHEAD


class Backlog:
    """Items up to `until_ns` (steady clock) are to be written; later ones stay `before_ns` long.

    `put` never waits. Items that are to be written are never given up for later ones: while they
    fill `largest` bytes, new ones are dropped and counted in `dropped`, by topic. Of items that
    wait for a mark, the oldest give way; `shortened` counts those that had not been there for
    `before_ns`. `latched`: topics whose last message that gave way is in `held`.
    """

    def __init__(self, before_ns: int, largest: int, latched: Collection[str] = ()) -> None:
        self.before_ns, self.largest = before_ns, largest
        self.dropped: collections.Counter[str] = collections.Counter()
        self.shortened = self.size = 0
        self.until_ns: float = -math.inf
        self._held: dict[str, Item] = {}
        self._latched = frozenset(latched)
        self._items: collections.deque[Item] = collections.deque()
        self._changed = threading.Condition()

    def put(self, items: Iterable[Item]) -> None:
        """Takes items in the order of their receipt."""
        with self._changed:
            for item in items:
                self._make_room(item)
                if self.size + item.size > self.largest:
                    self.dropped[item.topic] += 1
                    continue
                self._items.append(item)
                self.size += item.size
            self._changed.notify()

    def extend(self, until_ns: float) -> None:
        """What is put up to this time is to be written, too."""
        with self._changed:
            self.until_ns = max(self.until_ns, until_ns)
            self._changed.notify()

    def end(self, until_ns: float) -> None:
        """What is put after this time is not to be written."""
        with self._changed:
            self.until_ns = min(self.until_ns, until_ns)
            self._changed.notify()

    def take(self, seconds: float) -> list[Item]:
        """Removes the first items that are to be written; waits for them up to this time."""
        with self._changed:
            if not self._is_due():
                self._changed.wait(seconds)
            taken, size = [], 0
            while self._is_due() and (not taken or size < AT_ONCE):
                taken.append(self._pop())
                size += taken[-1].size
        return taken

    def put_back(self, items: list[Item]) -> None:
        """Items that were taken and could not be written, in their order."""
        with self._changed:
            self._items.extendleft(reversed(items))
            self.size += sum(item.size for item in items)

    def held(self) -> list[Item]:
        """The last message of each latched topic that gave way."""
        with self._changed:
            return list(self._held.values())

    @property
    def seconds(self) -> float:
        """Between the first and the last item."""
        with self._changed:
            return (self._items[-1].at_ns - self._items[0].at_ns) / 1e9 if self._items else 0.0

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written."""
        with self._changed:
            return not self._is_due()

    def _is_due(self) -> bool:
        return bool(self._items) and self._items[0].at_ns <= self.until_ns

    def _make_room(self, new: Item) -> None:
        while self._items and not self._is_due():
            old = self._items[0].at_ns < new.at_ns - self.before_ns
            if not old and self.size + new.size <= self.largest:
                return
            self.shortened += not old
            gone = self._pop()
            if gone.topic in self._latched:
                self._held[gone.topic] = gone

    def _pop(self) -> Item:
        item = self._items.popleft()
        self.size -= item.size
        return item
