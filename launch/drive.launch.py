"""Policy and safety gate on a vehicle, and a recorder with `record:=events` or `continuous`. The
vehicle provides camera, IMU and odometry, and executes `command`."""

from launch import LaunchDescription

from liquid_control.ros import launch_nodes, launching
from liquid_control.ros.launch_arguments import ROBOT


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(launch_nodes.describe(__file__, ROBOT, start))


def start(given: dict[str, str]) -> list:
    """The nodes, from the values of the arguments."""
    gate, policy, *page = launching.with_operator(given, *launching.drive(given))
    recorder = launching.recorder(given, gate, policy)
    return [
        launch_nodes.gate(gate),
        launch_nodes.policy(policy),
        *map(launch_nodes.recorder, recorder),
        *map(launch_nodes.page, page),
    ]
