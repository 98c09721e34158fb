"""The robot's nodes of drive.launch.py with a simulated vehicle in a MuJoCo world."""

from launch import LaunchDescription

from liquid_control.ros import launch_nodes, launching
from liquid_control.ros.launch_arguments import SIM

TRUTH = "ground_truth:nav_msgs/msg/Odometry lane_pose:nav_msgs/msg/Odometry"
"""What only a simulated vehicle tells of itself."""


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(launch_nodes.describe(__file__, SIM, start))


def start(given: dict[str, str]) -> list:
    """The nodes and the world, from the values of the arguments."""
    gate, policy, world, *page = launching.with_operator(given, *launching.sim(given))
    recorder = launching.recorder(given, gate, policy, TRUTH)
    return [
        *launch_nodes.here_only(),
        launch_nodes.gate(gate),
        launch_nodes.policy(policy),
        *map(launch_nodes.recorder, recorder),
        launch_nodes.world(world),
        *map(launch_nodes.page, page),
    ]
