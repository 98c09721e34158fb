"""The message types in which steering travels, by the names that parameters and launch arguments
give them. Needs no ROS."""

from __future__ import annotations

STEERING = {
    "twist_stamped": "geometry_msgs/msg/TwistStamped",
    "twist": "geometry_msgs/msg/Twist",
    "ackermann": "ackermann_msgs/msg/AckermannDriveStamped",
    "autoware": "autoware_control_msgs/msg/Control",
}
COMMANDS = tuple(STEERING)
PROPOSALS = tuple(name for name in STEERING if name != "twist")
"""A proposal without the stamp of its frame could not be judged stale."""

OPTIONAL_PACKAGES = ("ackermann_msgs", "autoware_control_msgs")
"""Packages of messages that are imported only when chosen."""
