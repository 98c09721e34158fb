"""The robot's nodes on a recording: the nodes of drive.launch.py, and `ros2 bag play --clock`
instead of vehicle and sensors.

Only camera, IMU and odometry are played, so that recorded commands do not mix with those of the
nodes. These are on `replay/command`, which no vehicle obeys; while a policy drives by the topic of
the recorded pictures, nothing is started. When a looping recording restarts, /clock jumps back and
the policy resets its state.
"""

from launch import LaunchDescription
from launch.actions import OpaqueFunction, TimerAction

from liquid_control.ros import launch_nodes, launching
from liquid_control.ros.launch_arguments import REPLAY
from liquid_control.ros.live_drive import refuse_live_drive


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(launch_nodes.describe(__file__, REPLAY, start))


def start(given: dict[str, str]) -> list:
    """The nodes and the player, from the values of the arguments."""
    gate, policy, play, delay = launching.replay(given)
    pictures = play[play.index("--topics") + 1]
    return [
        *launch_nodes.here_only(),
        OpaqueFunction(function=lambda context: refuse_live_drive(pictures)),
        launch_nodes.gate(gate),
        launch_nodes.policy(policy),
        TimerAction(period=delay, actions=[launch_nodes.player(play)]),
    ]
