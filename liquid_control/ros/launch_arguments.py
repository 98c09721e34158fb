"""The arguments of the launch files, each once. Needs no ROS."""

from __future__ import annotations

import dataclasses

from liquid_control.adaptation.settings import MODES
from liquid_control.deploy.runtimes import BACKENDS
from liquid_control.ros.steering_types import COMMANDS, PROPOSALS


@dataclasses.dataclass(frozen=True)
class Argument:
    """A launch argument. Its value is text; empty: the parameter files decide."""

    default: str
    description: str
    choices: tuple[str, ...] | None = None


UNLESS = "empty: as the parameter files say, else "
FILES = {
    "params": Argument(
        "drive",
        "YAML file with your parameters, which take precedence over a preset's; drive: the "
        "package's config/drive.yaml.",
    ),
    "vehicle": Argument(
        "full_size",
        "The vehicle's dimensions and the gate's limits: a preset of config/vehicles "
        "(donkey, duckiebot, f1tenth, full_size, jetracer, one_tenth, simulated, turtlebot), or "
        "a YAML file.",
    ),
}
COMMON = {
    "odom": Argument("odom", "Topic of the odometry, for the speed."),
    "steering_angle": Argument(
        "steering_angle", "Topic of the measured steering angle, for the gate."
    ),
    "command": Argument("command", "Topic of the commands to the vehicle."),
    "command_type": Argument(
        "", f"Message type of the command; {UNLESS}twist_stamped.", ("", *COMMANDS)
    ),
    "namespace": Argument("", "Namespace of nodes and topics."),
    "use_sim_time": Argument(
        "", f"Whether the nodes use /clock (simulation, bags), true or false; {UNLESS}false."
    ),
}
IMAGE = Argument("camera/image_raw", "Topic of the camera's pictures.")
OPERATOR = {
    "operator": Argument(
        "false",
        "Whether to serve the operator's page, true or false. The gate then drives only on a "
        "request and while the page that drives is there (dead-man), and takes proposals by hand.",
    ),
    "joystick": Argument(
        "false",
        "Whether a joystick of this machine may drive by hand, true or false; for the gate as with "
        "operator.",
    ),
}
DRIVE = {
    "model": Argument(
        "", f"Model directory, or the name of an installed model; {UNLESS}lane_keeper."
    ),
    "shadow": Argument(
        "",
        "Model directory, or the name of an installed model, of a candidate that runs on the same "
        f"frames and drives nothing; {UNLESS}none.",
    ),
    "backend": Argument(
        "",
        "What steps the policy: ONNX Runtime, its C code, or the C code where it can be had; "
        f"{UNLESS}onnx.",
        ("", *BACKENDS),
    ),
    "adaptation": Argument(
        "",
        "What adapts on the robot: nothing, the gain of the vehicle, the output by takeovers, or "
        f"both; {UNLESS}off.",
        ("", *MODES),
    ),
    **FILES,
    **COMMON,
    "image_transport": Argument(
        "",
        f"Transport of the camera topic to subscribe to; {UNLESS}raw.",
        ("", "raw", "compressed"),
    ),
    "image": IMAGE,
    "imu": Argument("imu/data", "Topic of the IMU."),
    "autostart": Argument(
        "",
        "Whether the policy node configures and activates itself at start, true or false; "
        f"{UNLESS}true.",
    ),
}
RECORD = {
    "record": Argument(
        "off",
        "Whether recorder_node records: the time around events, everything, or off.",
        ("off", "events", "continuous"),
    )
}
ROBOT = {**DRIVE, **RECORD, **OPERATOR}
SAFETY = {
    **FILES,
    **COMMON,
    **OPERATOR,
    "image": IMAGE,
    "proposal": Argument("proposal", "Topic of the policy's proposals."),
    "proposal_type": Argument(
        "", f"Message type of the proposals; {UNLESS}twist_stamped.", ("", *PROPOSALS)
    ),
    "engage": Argument(
        "",
        f"Whether driving starts automatically, or only after a call of ~/engage; {UNLESS}manual.",
        ("", "manual", "automatic"),
    ),
}
LOCALHOST = {
    "localhost": Argument(
        "true", "Whether the nodes are restricted to this machine, true or false."
    )
}
SIM = {
    **ROBOT,
    **LOCALHOST,
    "vehicle": Argument(
        "simulated",
        "The gate's limits: a preset or a YAML file with the simulated car's dimensions.",
    ),
    "seed": Argument("", f"Integer seed of the road, its appearance and the vehicle; {UNLESS}0."),
}
REPLAY = {
    **DRIVE,
    **LOCALHOST,
    "vehicle": Argument(
        "simulated",
        "Dimensions and limits of the vehicle that was recorded: a preset, or a YAML file.",
    ),
    "image_transport": Argument(
        "compressed", "Transport of the recorded pictures.", ("raw", "compressed")
    ),
    "image": Argument("/camera/image_raw", "Recorded camera topic, without /compressed."),
    "imu": Argument("/imu/data", "Recorded topic of the IMU."),
    "odom": Argument("/odom", "Recorded topic of the odometry."),
    "command": Argument(
        "replay/command",
        "Topic of the nodes' commands; not the one that a vehicle obeys, unless you say so.",
    ),
    "use_sim_time": Argument("true", "Whether the nodes use the /clock of the recording."),
    "bag": Argument("bag", "Recording: a rosbag2 directory, or a file of one."),
    "loop": Argument("false", "Whether to play it in a loop, true or false."),
    "rate": Argument("1.0", "Playback speed relative to the recorded one."),
    "delay": Argument("5.0", "Seconds between the start of the nodes and that of the recording."),
}
