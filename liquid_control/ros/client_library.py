"""Which ROS 2 client library is installed. Imports it, which may crash with broken middleware: run
it in a separate process."""

from __future__ import annotations

import importlib.util

from liquid_control.ros.steering_types import OPTIONAL_PACKAGES

MESSAGES = (
    "sensor_msgs",
    "geometry_msgs",
    "nav_msgs",
    "diagnostic_msgs",
    "std_msgs",
    "lifecycle_msgs",
    *OPTIONAL_PACKAGES,
)


def describe() -> tuple[str, str, list[str]]:
    """(middleware, file of rclpy, message packages that are not installed)."""
    import rclpy

    absent = [name for name in MESSAGES if importlib.util.find_spec(name) is None]
    return rclpy.get_rmw_implementation_identifier(), rclpy.__file__, absent
