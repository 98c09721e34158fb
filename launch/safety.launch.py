"""The safety gate alone, in front of any policy that proposes steering as a standard message."""

from launch import LaunchDescription

from liquid_control.ros import launch_nodes, launching
from liquid_control.ros.launch_arguments import SAFETY


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(launch_nodes.describe(__file__, SAFETY, start))


def start(given: dict[str, str]) -> list:
    """The gate, from the values of the arguments."""
    gate, *page = launching.with_operator(given, launching.safety(given))
    return [launch_nodes.gate(gate), *map(launch_nodes.page, page)]
