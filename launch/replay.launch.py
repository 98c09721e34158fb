"""The robot's nodes on a recording: the nodes of drive.launch.py, and `ros2 bag play --clock`
instead of vehicle and sensors.

Only camera, IMU and odometry are played, so that recorded commands do not mix with those of the
nodes. When a looping recording restarts, /clock jumps back and the policy resets its state.
"""

import os

from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
    TimerAction,
)
from launch.conditions import IfCondition
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
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
            "bag", default_value="bag", description="Recording: a rosbag2 directory."
        ),
        DeclareLaunchArgument(
            "loop",
            default_value="false",
            choices=["true", "false"],
            description="Whether to play it in a loop.",
        ),
        DeclareLaunchArgument(
            "rate", default_value="1.0", description="Playback speed relative to the recorded one."
        ),
        DeclareLaunchArgument(
            "delay",
            default_value="5.0",
            description="Seconds between the start of the nodes and that of the recording.",
        ),
        DeclareLaunchArgument(
            "model",
            default_value="lane_keeper",
            description="Model directory, or the name of an installed model.",
        ),
        DeclareLaunchArgument(
            "vehicle",
            default_value=[SHARE, "/config/vehicles/simulated.yaml"],
            description="YAML file with the dimensions and limits of the vehicle "
            "that was recorded.",
        ),
        DeclareLaunchArgument(
            "image_transport",
            default_value="compressed",
            choices=["raw", "compressed"],
            description="Transport of the recorded pictures.",
        ),
        DeclareLaunchArgument(
            "image",
            default_value="/camera/image_raw",
            description="Recorded camera topic, without /compressed.",
        ),
        DeclareLaunchArgument(
            "imu", default_value="/imu/data", description="Recorded topic of the IMU."
        ),
        DeclareLaunchArgument(
            "odom", default_value="/odom", description="Recorded topic of the odometry."
        ),
        DeclareLaunchArgument(
            "command", default_value="command", description="Topic of the nodes' commands."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="true",
            description="Whether the nodes use the /clock of the recording.",
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
            "vehicle": LaunchConfiguration("vehicle"),
            "image_transport": LaunchConfiguration("image_transport"),
            "image": LaunchConfiguration("image"),
            "imu": LaunchConfiguration("imu"),
            "odom": LaunchConfiguration("odom"),
            "command": LaunchConfiguration("command"),
            "use_sim_time": LaunchConfiguration("use_sim_time"),
        }.items(),
    )
    player = TimerAction(
        period=LaunchConfiguration("delay"), actions=[OpaqueFunction(function=play)]
    )
    return LaunchDescription([*arguments, here_only, robot, player])


def play(context) -> list[ExecuteProcess]:
    """The player process, with the flags of the launch arguments."""
    image = LaunchConfiguration("image").perform(context)
    if LaunchConfiguration("image_transport").perform(context) == "compressed":
        image += "/compressed"
    topics = [
        image,
        LaunchConfiguration("imu").perform(context),
        LaunchConfiguration("odom").perform(context),
    ]
    command = [
        "ros2",
        "bag",
        "play",
        LaunchConfiguration("bag").perform(context),
        "--clock",
        "100",
        "--disable-keyboard-controls",
    ]
    command += ["--rate", LaunchConfiguration("rate").perform(context)]
    command += ["--loop"] if LaunchConfiguration("loop").perform(context) == "true" else []
    return [
        ExecuteProcess(
            cmd=[*command, "--topics", *topics],
            output="screen",
            on_exit=Shutdown(reason="the recording has ended"),
        )
    ]
