"""Conflicting publishers: another node that commands the vehicle, or two nodes that propose.

Publishers are distinguished by GID: two gates of one name, started twice by mistake or left by a
launch that crashed, are two. DDS lists a process that was killed until its lease ends (20 s in Fast
DDS) to those that knew it. So two policies of one name are a conflict when messages of both arrive
in turns, or when both are listed for longer than a lease. A gate has never known a gate of its own
name that died before its start; another one in the list is alive, unless a discovery server told
of it.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable, Iterable, Mapping

from rclpy.node import Node
from rclpy.subscription import Subscription

from liquid_control.ros.polled_subscription import sender

UNKNOWN = "_NODE_NAME_UNKNOWN_"
NAMED_WITHIN = 5.0
"""DDS lists a publisher before it knows the name of its node. One that has none for longer is no
node of ROS [s]."""
HEARD_FOR = 2.0
"""A conflict that was heard lasts this long after the last message of the other [s]."""
RESTART = 1.0
"""No publisher is replaced twice within this time [s]."""
SENDERS = 16
"""Number of senders that are remembered."""
SERVER = "ROS_DISCOVERY_SERVER"
AGAIN = "a second time (started twice, or left by a launch that crashed)"


class Senders:
    """Whether the messages of a topic come from two publishers that are both alive. One that was
    replaced never returns, so the messages of two come in turns.

    `returned_at`: when that was last seen; minus infinity before.
    """

    def __init__(self) -> None:
        self.returned_at = float("-inf")
        self._seen: dict[bytes, None] = {}
        self._latest: bytes | None = None
        self._number, self._went_back_at = 0, float("-inf")

    def hear(self, information: Mapping, now: float) -> None:
        """Takes what the middleware says about a message, in order; `now` [s] on a steady clock.
        Where it does not name the publisher, its count of messages goes back at every change of
        publisher, once for a replacement."""
        gid = sender(information)
        if gid is not None:
            if gid != self._latest and gid in self._seen:
                self.returned_at = now
            self._latest = gid
            if gid not in self._seen and len(self._seen) >= SENDERS:
                self._seen.pop(next(iter(self._seen)))
            self._seen[gid] = None
        elif (number := information.get("publication_sequence_number")) is not None:
            if number <= self._number:
                if now - self._went_back_at <= RESTART:
                    self.returned_at = now
                self._went_back_at = now
            self._number = number


@dataclasses.dataclass(frozen=True)
class Publisher:
    """A publisher that DDS lists: `gid`, full `name` of its node, empty where that is not known,
    and for how long it has been listed [s]."""

    gid: bytes
    name: str
    listed_for: float


def others_commanding(publishers: Iterable[Publisher], own: str, patience: float) -> set[str]:
    """Who commands the vehicle besides the node `own`, which is one of the publishers. Another one
    of its name counts after `patience` [s]."""
    publishers = list(publishers)
    twins = _together(publishers).get(own)
    again = {f"{own} {AGAIN}"} if twins is not None and twins >= patience else set()
    return (_names(publishers) - {own}) | again


def proposing(publishers: Iterable[Publisher], both_heard: bool, lease: float) -> set[str]:
    """Who proposes. Two publishers of one name count as two when messages of two are heard in
    turns, or when both are listed for longer than `lease` [s]."""
    publishers = list(publishers)
    again = {
        f"{name} {AGAIN}"
        for name, seconds in _together(publishers).items()
        if both_heard or seconds > lease
    }
    return _names(publishers) | again


def patience_with_own_name(lease: float) -> float:
    """For how long [s] another publisher of one's own name may be one that died before: only a
    discovery server tells a new process of those."""
    return lease if os.environ.get(SERVER) else 0.0


class Listed:
    """The publishers of a topic that DDS lists."""

    def __init__(self, node: Node, topic: str) -> None:
        self._node, self._topic = node, topic
        self._since: dict[bytes, float] = {}

    def now(self) -> list[Publisher]:
        """Those of this moment; they are listed for as long as this was called."""
        now = time.monotonic()
        names = {
            bytes(info.endpoint_gid): ""
            if UNKNOWN in info.node_name
            else f"{info.node_namespace.rstrip('/')}/{info.node_name}"
            for info in self._node.get_publishers_info_by_topic(self._topic)
        }
        self._since = {gid: self._since.get(gid, now) for gid in names}
        return [Publisher(gid, name, now - self._since[gid]) for gid, name in names.items()]


class PublisherConflicts:
    """The conflicts between publishers of `command` and of `proposal`, seen from the gate's node.
    `lease`: DDS lists no dead process for longer [s]."""

    def __init__(self, node: Node, lease: float) -> None:
        self._node, self._lease = node, lease
        self._senders = Senders()
        self._commanding, self._proposing = Listed(node, "command"), Listed(node, "proposal")
        self._own_patience = patience_with_own_name(lease)

    def heard(self, callback: Callable[[object], None]) -> Callable:
        """A callback for the subscription of proposals, which also notes who sent each message,
        where rclpy tells that (not in Humble)."""

        def note(message, information: Mapping) -> None:
            self._senders.hear(information, time.monotonic())
            callback(message)

        return note if hasattr(Subscription, "CallbackType") else callback

    def find(self) -> tuple[str, ...]:
        """The conflicts now."""
        now, own = time.monotonic(), self._node.get_fully_qualified_name()
        commanding, proposals = self._commanding.now(), self._proposing.now()
        both_heard = now - self._senders.returned_at <= HEARD_FOR
        others = others_commanding(commanding, own, self._own_patience)
        policies = proposing(proposals, both_heard, self._lease)
        found = [f"others command the vehicle: {', '.join(sorted(others))}"] if others else []
        if len(policies) > 1:
            found.append(f"several nodes propose: {', '.join(sorted(policies))}")
        return tuple(found)


def _together(publishers: list[Publisher]) -> dict[str, float]:
    """Names with two publishers or more, each with the time [s] for which two are listed."""
    seconds: dict[str, list[float]] = {}
    for publisher in publishers:
        seconds.setdefault(publisher.name, []).append(publisher.listed_for)
    return {
        name: sorted(each, reverse=True)[1]
        for name, each in seconds.items()
        if name and len(each) > 1
    }


def _names(publishers: list[Publisher]) -> set[str]:
    named = {publisher.name for publisher in publishers if publisher.name}
    nameless = any(not one.name and one.listed_for > NAMED_WITHIN for one in publishers)
    return named | ({"a publisher whose node has no name"} if nameless else set())
