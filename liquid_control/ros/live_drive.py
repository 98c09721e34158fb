"""Looks for a policy that drives already, before a recording is played to it."""

from __future__ import annotations

import time

from rclpy.context import Context
from rclpy.node import Node

from liquid_control.errors import DriveError

DISCOVERY = 2.0
"""Seconds that nodes of this machine or network are given to be found."""

NOT_YET = "_NODE_NAME_UNKNOWN_"
"""What rmw calls a node of which it knows no more than a part."""

STEERING = ("geometry_msgs/msg/Twist", "ackermann_msgs/msg/Ackermann", "autoware_control_msgs/msg/")
"""Message types of who steers begin with one of these."""


def refuse_live_drive(pictures: str) -> None:
    """Raises DriveError when a node that listens to this topic also publishes steering: recorded
    pictures would steer what it steers."""
    context = Context()
    context.init(args=[])
    node = Node(
        "replay_check", context=context, enable_rosout=False, start_parameter_services=False
    )
    try:
        end = time.monotonic() + DISCOVERY
        while time.monotonic() < end:
            driving = _driving(node, pictures)
            if driving:
                raise DriveError(
                    f"{driving} drives by {pictures}, on which the recording would be played. "
                    "End it first, or replay in another ROS_DOMAIN_ID"
                )
            time.sleep(0.1)
    finally:
        node.destroy_node()
        context.try_shutdown()


def _driving(node: Node, pictures: str) -> str | None:
    """The full name of a node that drives by these pictures."""
    for end in node.get_subscriptions_info_by_topic(pictures):
        if end.node_name == NOT_YET:
            continue
        name = f"{end.node_namespace.rstrip('/')}/{end.node_name}"
        for topic, kinds in node.get_topic_names_and_types():
            if any(kind.startswith(STEERING) for kind in kinds) and any(
                other.node_name == end.node_name and other.node_namespace == end.node_namespace
                for other in node.get_publishers_info_by_topic(topic)
            ):
                return name
    return None
