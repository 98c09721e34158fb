"""A subscription that is polled.

Waking an rclpy executor costs more than handling a small IMU message. A sample that is needed only
with the next picture or command is taken then, all waiting samples at once and in order, so that a
picture never overtakes earlier samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription


class _NeverReady(CallbackGroup):
    """Keeps its entities out of every executor's wait set."""

    def can_execute(self, entity) -> bool:
        return False

    def beginning_execution(self, entity) -> bool:
        return False

    def ending_execution(self, entity) -> None:
        pass


class PolledSubscription:
    """Keeps the latest messages of `topic`, as many as the profile's depth, until they are
    taken."""

    def __init__(self, node: Node, kind: type, topic: str, profile: QoSProfile) -> None:
        self._node = node
        self._depth = profile.depth
        self._subscription = node.create_subscription(
            kind, topic, lambda message: None, profile, callback_group=_NeverReady()
        )

    @property
    def subscription(self) -> Subscription:
        """What ROS knows it as."""
        return self._subscription

    @property
    def kind(self) -> type:
        """The message class."""
        return self._subscription.msg_type

    def take(self, serialised: bool = False) -> Iterator[tuple[object, int]]:
        """Yields each message that came in since, with its arrival in nanoseconds of the system's
        clock; `serialised`: its bytes.

        Never more than the profile's depth at once: a flood that arrives faster than it is read
        would never end.
        """
        for message, information in self.take_with_information(serialised):
            yield message, information["received_timestamp"]

    def take_with_information(self, serialised: bool = False) -> Iterator[tuple[object, dict]]:
        """As `take`, with all that the middleware says about each message: Kilted has the
        `publisher_gid`, Jazzy the `publication_sequence_number` only, Humble neither."""
        handle = self._subscription.handle
        with handle:
            for _ in range(self._depth):
                taken = handle.take_message(self.kind, serialised)
                if taken is None:
                    return
                yield taken

    def close(self) -> None:
        self._node.destroy_subscription(self._subscription)


def sender(information: Mapping) -> bytes | None:
    """The GID of the publisher of a message, by what the middleware says about the message; None
    where rclpy does not report it (before Kilted)."""
    gid = information.get("publisher_gid")
    return bytes(gid["data"]) if gid else None
