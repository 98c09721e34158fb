"""The endpoints of a node and those on their other side, out of the ROS graph."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription

from liquid_control.ros.conversions import type_name
from liquid_control.ros.health.topics import NAMELESS, PARTICIPANT, TOOLS, Endpoint, Topic

MOST_ELSEWHERE = 4
UNKNOWN = "_NODE_NAME_UNKNOWN_"
FOREVER_NS = 2**62
"""A longer deadline, and one of 0, is none."""


def sources(node: Node, subscription: Subscription) -> Topic:
    """What a subscription of `node` hears, and from where."""
    ours, kind = subscription.qos_profile, type_name(subscription.msg_type)
    found = node.get_publishers_info_by_topic(subscription.topic_name)
    others = tuple(_endpoint(info, kind, info.qos_profile, ours) for info in found)
    elsewhere = ()
    if not others:
        elsewhere = tuple(name for name, kinds in node.get_topic_names_and_types() if kind in kinds)
        elsewhere = tuple(
            name
            for name in elsewhere[: 2 * MOST_ELSEWHERE]
            if name != subscription.topic_name and node.count_publishers(name)
        )[:MOST_ELSEWHERE]
    return Topic(subscription.topic_name, kind, words(ours), others, elsewhere)


def listeners(node: Node, publisher: Publisher) -> Topic:
    """Who listens to a publisher of `node`."""
    ours, kind = publisher.qos_profile, type_name(publisher.msg_type)
    found = node.get_subscriptions_info_by_topic(publisher.topic_name)
    others = tuple(_endpoint(info, kind, ours, info.qos_profile) for info in found)
    elsewhere = ()
    if not others:
        known = {publisher.topic_name, *(one.topic_name for one in node.subscriptions)}
        names = [
            name
            for name, kinds in node.get_topic_names_and_types()
            if kind in kinds and name not in known
        ]
        elsewhere = tuple(name for name in names[: 2 * MOST_ELSEWHERE] if _obeyed(node, name))
    return Topic(publisher.topic_name, kind, words(ours), others, elsewhere[:MOST_ELSEWHERE])


def _obeyed(node: Node, topic: str) -> bool:
    """Whether a node that may drive listens to a topic."""
    found = node.get_subscriptions_info_by_topic(topic)
    return any(not info.node_name.startswith(TOOLS) for info in found)


def words(profile: QoSProfile) -> str:
    """Reliability and durability for people."""
    reliability = profile.reliability.name.lower().replace("_", " ")
    latched = profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    return f"{reliability}, latched" if latched else reliability


def refusal(publisher: QoSProfile, subscription: QoSProfile) -> str:
    """Why DDS does not connect them; empty where it does. rclpy's own check takes durations that
    the graph reports as infinite for short ones."""
    if (
        subscription.reliability is ReliabilityPolicy.RELIABLE
        and publisher.reliability is ReliabilityPolicy.BEST_EFFORT
    ):
        return "the publisher is best effort, the subscription reliable"
    if (
        subscription.durability is DurabilityPolicy.TRANSIENT_LOCAL
        and publisher.durability is DurabilityPolicy.VOLATILE
    ):
        return "the subscription is latched (transient local), the publisher volatile"
    offered, requested = _deadline_ns(publisher), _deadline_ns(subscription)
    if requested < offered:
        offers = "none" if offered == FOREVER_NS else f"{offered * 1e-9:g} s"
        return f"the subscription's deadline is {requested * 1e-9:g} s, the publisher's {offers}"
    return ""


def _deadline_ns(profile: QoSProfile) -> int:
    given = profile.deadline.nanoseconds
    return given if 0 < given < FOREVER_NS else FOREVER_NS


def _endpoint(info, kind: str, publisher: QoSProfile, subscription: QoSProfile) -> Endpoint:
    refused = refusal(publisher, subscription) if info.topic_type == kind else ""
    name = f"{info.node_namespace.rstrip('/')}/{info.node_name}"
    return Endpoint(
        NAMELESS if UNKNOWN in name else name,
        info.topic_type,
        words(info.qos_profile),
        bytes(info.endpoint_gid[:PARTICIPANT]),
        refused,
    )
