"""Messages of several topics in the order of their arrival, serialised."""

from __future__ import annotations

import collections
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from liquid_control.ros import conversions
from liquid_control.ros.polled_subscription import PolledSubscription, sender


class Letter(NamedTuple):
    """A message as it arrived at `receive_ns` of the system's clock. `topic`: its full name."""

    receive_ns: int
    topic: str
    kind: type
    data: bytes

    @property
    def type_name(self) -> str:
        return conversions.type_name(self.kind)


class OrderedMail:
    """Takes from polled subscriptions and gives the messages in the order of their arrival.

    `lost`: by topic, how many messages the middleware dropped before they were taken, as far as
    their numbers tell (Kilted).
    """

    def __init__(self, subscriptions: Sequence[tuple[str, PolledSubscription]]) -> None:
        self.lost: collections.Counter[str] = collections.Counter()
        self._subscriptions = subscriptions
        self._waiting: list[Letter] = []
        self._numbers: dict[tuple[str, bytes], int] = {}

    def take(self, keep: Callable[[Letter], bool] = lambda letter: True) -> list[Letter]:
        """The messages that arrived before this call: all that arrived before one of them have
        been taken. `keep` is called with each that is taken now; where it is false, it is not
        given."""
        began_ns = time.time_ns()
        for topic, subscription in self._subscriptions:
            for data, information in subscription.take_with_information(serialised=True):
                self._count_lost(topic, information)
                letter = Letter(information["received_timestamp"], topic, subscription.kind, data)
                if keep(letter):
                    self._waiting.append(letter)
        return self._before(began_ns)

    def rest(self) -> list[Letter]:
        """Those that were taken and not given yet."""
        return self._before(2**63)

    def _before(self, time_ns: int) -> list[Letter]:
        ready = [letter for letter in self._waiting if letter.receive_ns < time_ns]
        self._waiting = [letter for letter in self._waiting if letter.receive_ns >= time_ns]
        return sorted(ready, key=lambda letter: letter.receive_ns)

    def _count_lost(self, topic: str, information: dict) -> None:
        gid, number = sender(information), information.get("publication_sequence_number")
        if gid is None or number is None:
            return
        before = self._numbers.get((topic, gid))
        self._numbers[topic, gid] = number
        if before is not None and number > before + 1:
            self.lost[topic] += number - before - 1
