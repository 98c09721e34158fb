"""Policy and safety gate on a vehicle. The vehicle provides camera, IMU and odometry, and executes
`command`."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, Shutdown
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("liquid_control")


def generate_launch_description() -> LaunchDescription:
    arguments = [
        DeclareLaunchArgument(
            "model",
            default_value="lane_keeper",
            description="Model directory, or the name of an installed model.",
        ),
        DeclareLaunchArgument(
            "params",
            default_value=[SHARE, "/config/drive.yaml"],
            description="YAML file with the nodes' parameters.",
        ),
        DeclareLaunchArgument(
            "vehicle",
            default_value=[SHARE, "/config/vehicles/full_size.yaml"],
            description="YAML file with the vehicle's dimensions and the gate's limits; "
            "config/vehicles holds presets.",
        ),
        DeclareLaunchArgument(
            "command_type",
            default_value="twist_stamped",
            choices=["twist_stamped", "twist", "ackermann"],
            description="Message type of the command.",
        ),
        DeclareLaunchArgument(
            "image_transport",
            default_value="raw",
            choices=["raw", "compressed"],
            description="Transport of the camera topic to subscribe to.",
        ),
        DeclareLaunchArgument(
            "image", default_value="camera/image_raw", description="Topic of the camera's pictures."
        ),
        DeclareLaunchArgument("imu", default_value="imu/data", description="Topic of the IMU."),
        DeclareLaunchArgument(
            "odom", default_value="odom", description="Topic of the odometry, for the speed."
        ),
        DeclareLaunchArgument(
            "command", default_value="command", description="Topic of the commands to the vehicle."
        ),
        DeclareLaunchArgument(
            "autostart",
            default_value="true",
            description="Whether the policy node configures and activates itself at start.",
        ),
        DeclareLaunchArgument(
            "namespace", default_value="", description="Namespace of nodes and topics."
        ),
        DeclareLaunchArgument(
            "use_sim_time",
            default_value="false",
            description="Whether the nodes use /clock (simulation, bags).",
        ),
    ]
    shared = [
        ParameterFile(LaunchConfiguration("params")),
        ParameterFile(LaunchConfiguration("vehicle")),
        {"use_sim_time": ParameterValue(LaunchConfiguration("use_sim_time"), value_type=bool)},
    ]
    odom = ("odom", LaunchConfiguration("odom"))
    safety = Node(
        package="liquid_control",
        executable="safety_node",
        name="safety_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[*shared, {"command_type": LaunchConfiguration("command_type")}],
        remappings=[odom, ("command", LaunchConfiguration("command"))],
        output="screen",
        on_exit=Shutdown(reason="no policy drives without its safety gate"),
    )
    policy = Node(
        package="liquid_control",
        executable="policy_node",
        name="policy_node",
        namespace=LaunchConfiguration("namespace"),
        parameters=[
            *shared,
            {
                "model": ParameterValue(LaunchConfiguration("model"), value_type=str),
                "image_transport": LaunchConfiguration("image_transport"),
                "autostart": ParameterValue(LaunchConfiguration("autostart"), value_type=bool),
            },
        ],
        remappings=[
            odom,
            ("imu/data", LaunchConfiguration("imu")),
            ("camera/image_raw", LaunchConfiguration("image")),
            ("camera/image_raw/compressed", [LaunchConfiguration("image"), "/compressed"]),
        ],
        output="screen",
    )
    return LaunchDescription([*arguments, safety, policy])
