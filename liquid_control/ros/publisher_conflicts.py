"""Conflicting publishers: another node that commands the vehicle, or two nodes that propose."""

from __future__ import annotations

from rclpy.node import Node

UNKNOWN = "_NODE_NAME_UNKNOWN_"


def publishers(node: Node, topic: str) -> set[str]:
    """Full names of the nodes that publish `topic`. A node that was killed and restarted counts
    once, although DDS may list both for a while; nodes without a known name do not count."""
    found = node.get_publishers_info_by_topic(topic)
    return {
        f"{info.node_namespace.rstrip('/')}/{info.node_name}"
        for info in found
        if UNKNOWN not in info.node_name
    }


def find_conflicts(node: Node) -> tuple[str, ...]:
    """The conflicts between publishers of `command` and of `proposal`, seen from the gate's
    node."""
    found = []
    others = publishers(node, "command") - {node.get_fully_qualified_name()}
    if others:
        found.append(f"others command the vehicle: {', '.join(sorted(others))}")
    proposing = publishers(node, "proposal")
    if len(proposing) > 1:
        found.append(f"several nodes propose: {', '.join(sorted(proposing))}")
    return tuple(found)
