"""The robot's nodes of drive.launch.py with a simulated vehicle in a MuJoCo world."""

import os

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("liquid_control")
CLOSED = (
    ("ROS_LOCALHOST_ONLY", "1")
    if os.environ.get("ROS_DISTRO") == "humble"
    else ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
)
"""Restricts nodes to this machine; Humble has no discovery range."""


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            "model",
            default_value="lane_keeper",
            description="Model directory, or the name of an installed model.",
        ),
        DeclareLaunchArgument(
            "seed",
            default_value="0",
            description="Integer seed of the road, its appearance and the vehicle.",
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            description="Whether nodes use the /clock of the world.",
        ),
        DeclareLaunchArgument(
            "localhost",
            default_value="true",
            choices=["true", "false"],
            description="Whether the nodes are restricted to this machine.",
        ),
    ]
    here_only = SetEnvironmentVariable(
        *CLOSED, condition=IfCondition(LaunchConfiguration("localhost"))
    )
    robot = IncludeLaunchDescription(
        PythonLaunchDescriptionSource([SHARE, "/launch/drive.launch.py"]),
        launch_arguments={
            "model": LaunchConfiguration("model"),
            "vehicle": [SHARE, "/config/vehicles/simulated.yaml"],
            "use_sim_time": LaunchConfiguration("use_sim_time"),
        }.items(),
    )
    world = Node(
        package="liquid_control",
        executable="sim_node",
        name="sim_node",
        parameters=[
            {
                "seed": ParameterValue(LaunchConfiguration("seed"), value_type=int),
                "publish_clock": ParameterValue(
                    LaunchConfiguration("use_sim_time"), value_type=bool
                ),
            }
        ],
        output="screen",
        on_exit=Shutdown(reason="the world has ended"),
    )
    return LaunchDescription([*arguments, here_only, robot, world])
