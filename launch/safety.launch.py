"""The safety gate alone, in front of any policy that proposes steering as a standard message."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("liquid_control")
STEERING = ["twist_stamped", "ackermann"]


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            "params",
            default_value=[SHARE, "/config/drive.yaml"],
            description="YAML file with the node's parameters.",
        ),
        DeclareLaunchArgument(
            "vehicle",
            default_value=[SHARE, "/config/vehicles/full_size.yaml"],
            description="YAML file with the vehicle's dimensions and the gate's limits; "
            "config/vehicles holds presets.",
        ),
        DeclareLaunchArgument(
            "proposal", default_value="proposal", description="Topic of the policy's proposals."
        ),
        DeclareLaunchArgument(
            "proposal_type",
            default_value="twist_stamped",
            choices=STEERING,
            description="Message type of proposals.",
        ),
        DeclareLaunchArgument(
            "command", default_value="command", description="Topic of the commands to the vehicle."
        ),
        DeclareLaunchArgument(
            "command_type",
            default_value="twist_stamped",
            choices=[*STEERING, "twist"],
            description="Message type of the commands.",
        ),
        DeclareLaunchArgument(
            "odom", default_value="odom", description="Topic of the odometry, for the speed."
        ),
        DeclareLaunchArgument(
            "engage",
            default_value="manual",
            choices=["manual", "automatic"],
            description="Whether driving starts automatically, or only after a call of ~/engage.",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of node and topics."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            description="Whether the node uses /clock (simulation, bags).",
        ),
    ]
    safety = Node(
        package="liquid_control",
        executable="safety_node",
        name="safety_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            ParameterFile(LaunchConfiguration("params")),
            ParameterFile(LaunchConfiguration("vehicle")),
            {
                "proposal_type": LaunchConfiguration("proposal_type"),
                "command_type": LaunchConfiguration("command_type"),
                "engagement.engage": LaunchConfiguration("engage"),
                "use_sim_time": ParameterValue(
                    LaunchConfiguration("use_sim_time"), value_type=bool
                ),
            },
        ],
        remappings=[
            ("proposal", LaunchConfiguration("proposal")),
            ("command", LaunchConfiguration("command")),
            ("odom", LaunchConfiguration("odom")),
        ],
        output="screen",
    )
    return LaunchDescription([*arguments, safety])
