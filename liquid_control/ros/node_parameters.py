"""The parameters of our nodes, as config dataclasses. Imports no part of a node, so that each node
knows the parameters of the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.config import (
    GateConfig,
    TimelineConfig,
    VehicleConfig,
    WorldConfig,
    check,
    choice,
    number,
    switch,
    text,
)
from liquid_control.control.engagement import EngagementConfig
from liquid_control.control.loop import PERIOD
from liquid_control.deploy.runtimes import BACKENDS
from liquid_control.errors import ConfigError
from liquid_control.perception.mounting import ImuMounting
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.ros.joystick import JoystickConfig
from liquid_control.ros.measurements import AngleInput, SpeedInput
from liquid_control.ros.operate.seat import HeartbeatConfig
from liquid_control.ros.operate.settings import OperatorNodeConfig
from liquid_control.ros.pads.hand import HandConfig
from liquid_control.ros.pads.settings import JoystickNodeConfig
from liquid_control.ros.parameters import Changes, Group
from liquid_control.ros.steering_types import COMMANDS, PROPOSALS


@dataclasses.dataclass(frozen=True)
class StartConfig:
    """Whether the policy waits for a lifecycle manager; read once, when the node starts."""

    autostart: bool = switch(True, "configure and activate without a manager")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class PolicyNodeConfig:
    """Read when the node is configured."""

    model: str = text("lane_keeper", "model directory, or the name of an installed model")
    require_signature: str = text(
        "", "public key (PEM file) that must have signed the model; empty: no signature is needed"
    )
    backend: str = choice(
        "onnx",
        BACKENDS,
        "what steps the policy: onnx, ONNX Runtime; native, the policy's C code, compiled when the "
        "node is configured; auto: native where there is a compiler and C code for the core, else "
        "onnx",
    )
    threads: int = number(
        1, 1, 64, "", "threads of ONNX Runtime; one is fastest for small policies"
    )
    image_transport: str = choice(
        "raw", ("raw", "compressed"), "which camera topic to subscribe to"
    )
    split_imu: bool = switch(
        False, "imu/data is the gyro alone; the accelerometer is on imu/accel (RealSense)"
    )
    picture_bits: str = choice(
        "auto",
        ("auto", "8", "10", "12", "14", "16"),
        "bits in use of a camera's 16, counted from the low end; auto: by its first pictures",
    )
    proposal_type: str = choice("twist_stamped", PROPOSALS, "message type of the proposal")
    publish_neurons: bool = switch(False, "publish the state of the neurons on ~/neurons")
    saliency_rate: float = number(
        0.0, 0.0, 10.0, "Hz", "largest rate of saliency pictures on ~/saliency; 0: none"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class ShadowConfig:
    """A second policy, on the same frames and without a voice; read when the node is configured."""

    shadow_model: str = text(
        "",
        "model directory, or the name of an installed model, of a candidate that runs on the same "
        "frames and drives nothing; empty: none",
    )
    shadow_bound: float = number(
        0.03,
        1e-4,
        1.2,
        "rad",
        "the candidate disagrees when its front-wheel angle differs by more than this from that of "
        "the policy that drives",
    )
    shadow_time: float = number(
        0.5, 0.0, 60.0, "s", "and does so on all frames of this time: an event"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class CruiseConfig:
    """How fast to drive; may be changed while driving."""

    speed: float = number(15.0, 0.0, 100.0, "m/s", "set speed; bends lower it")
    comfort_lateral_acceleration: float = number(
        2.5,
        0.05,
        20.0,
        "m/s²",
        "lateral acceleration in bends, which sets their speed; keep it below the gate's limit",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class SafetyNodeConfig:
    """Read once, when the node starts."""

    rate: float = number(
        1.0 / PERIOD, 10.0, 500.0, "Hz", "commands per second while no proposal arrives"
    )
    proposal_type: str = choice("twist_stamped", PROPOSALS, "message type of the proposal")
    command_type: str = choice("twist_stamped", COMMANDS, "message type of the command")
    manual: bool = switch(
        False,
        "serve ~/drive_by_hand: a person may drive through the gate, by proposals on manual; needs "
        "engagement.engage manual",
    )
    conflicts_are_faults: bool = switch(
        True,
        "a second publisher of commands or of proposals is a fault; otherwise it is only reported",
    )
    publisher_lease: float = number(
        25.0,
        1.0,
        3600.0,
        "s",
        "two publishers of one name that are listed for longer are both alive: more than the lease "
        "after which DDS forgets a killed process (Fast DDS 20 s, Cyclone DDS 10 s)",
    )
    state_folder: str = text(
        "",
        "folder of the file that keeps an emergency stop, a fault and a takeover over a restart; "
        "empty: liquid_control in $ROS_HOME or ~/.ros; none: nothing is kept",
    )
    strict: bool = switch(
        False,
        "what the start-up check finds wrong keeps the gate from engaging; otherwise it is only "
        "reported",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class RecordedTopics:
    """What is on the topics of the drive: as the parameters of policy and gate say."""

    image_transport: str = choice("raw", ("raw", "compressed"), "which camera topic is recorded")
    jpeg_quality: int = number(
        92, 0, 100, "", "raw pictures are recorded as JPEG of this quality; 0: as they are"
    )
    split_imu: bool = switch(False, "imu/data is the gyro alone; imu/accel is recorded, too")
    proposal_type: str = choice("twist_stamped", PROPOSALS, "message type of the proposal")
    command_type: str = choice("twist_stamped", COMMANDS, "message type of the command")
    extra_topics: str = text(
        "", "further topics as NAME:TYPE with spaces between, /tf:tf2_msgs/msg/TFMessage"
    )

    def __post_init__(self) -> None:
        check(self)
        list(extra_topics(self.extra_topics))


def extra_topics(words: str) -> Iterator[tuple[str, str]]:
    """(name, type) of each word NAME:TYPE. Raises ConfigError."""
    for word in words.split():
        name, _, kind = word.partition(":")
        parts = kind.split("/")
        if not name or len(parts) != 3 or parts[1] != "msg" or not all(parts):
            raise ConfigError("extra_topics", word, "NAME:TYPE as in /tf:tf2_msgs/msg/TFMessage")
        yield name, kind


@dataclasses.dataclass(frozen=True)
class SimNodeConfig:
    """What shapes the node; read once, when it starts."""

    seed: int = number(0, 0, 2**63 - 1, "", "seed of the road, its appearance and the vehicle")
    held_out: bool = switch(True, "use the held-out roads, which training never uses")
    publish_clock: bool = switch(False, "publish /clock, for nodes with use_sim_time")
    command_type: str = choice("twist_stamped", COMMANDS, "message type of the command")
    jpeg_quality: int = number(
        92,
        1,
        100,
        "",
        "JPEG quality of the compressed pictures, which are made while they are subscribed to",
    )
    recorded_roads: str = text(
        "",
        "file of the recorded roads to drive in, as liquid-control drive --world recording:PATH "
        "writes it; empty: MuJoCo",
    )
    obey_speed: bool = switch(
        False,
        "drive at the commanded speed, for a policy that chooses it; else at the road's or the "
        "recording's own, of which the commanded one is an upper limit",
    )
    condition: str = text("clean", "driving condition of MuJoCo's world (doc/benchmark.md)")
    command_timeout: float = number(
        0.5, 0.05, 10.0, "s", "the vehicle brakes after this time without a command"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class SimControls:
    """What may be changed while driving."""

    running: bool = switch(True, "whether the simulation runs")

    def __post_init__(self) -> None:
        check(self)


NODES = {
    "policy_node": (
        Group("", StartConfig()),
        Group("", PolicyNodeConfig(), Changes.UNCONFIGURED),
        Group("", CruiseConfig(), Changes.ANY_TIME),
        Group("timeline.", TimelineConfig(), Changes.UNCONFIGURED),
        Group("imu.", ImuMounting(), Changes.UNCONFIGURED),
        Group("measured_speed.", SpeedInput(), Changes.UNCONFIGURED),
        Group("view.", ViewSettings(), Changes.UNCONFIGURED),
        Group("vehicle.", VehicleConfig(), Changes.UNCONFIGURED),
        Group("", ShadowConfig(), Changes.UNCONFIGURED),
        Group("adaptation.", AdaptationConfig(), Changes.UNCONFIGURED),
        Group("measured_angle.", AngleInput(), Changes.UNCONFIGURED),
    ),
    "safety_node": (
        Group("", SafetyNodeConfig()),
        Group("gate.", GateConfig(), Changes.ANY_TIME),
        Group("engagement.", EngagementConfig()),
        Group("joystick.", JoystickConfig()),
        Group("measured_speed.", SpeedInput()),
        Group("measured_angle.", AngleInput()),
        Group("vehicle.", VehicleConfig()),
    ),
    "operator_node": (
        Group("", OperatorNodeConfig()),
        Group("heartbeat.", HeartbeatConfig()),
        Group("measured_speed.", SpeedInput()),
    ),
    "joystick_node": (Group("", JoystickNodeConfig()), Group("stick.", HandConfig())),
    "recorder_node": (
        Group("record.", RecordSettings()),
        Group("", RecordedTopics()),
        Group("measured_speed.", SpeedInput()),
        Group("measured_angle.", AngleInput()),
    ),
    "sim_node": (
        Group("", SimNodeConfig()),
        Group("", SimControls(), Changes.ANY_TIME),
        Group("world.", WorldConfig(length=2000.0, image_width=320, image_height=160)),
    ),
}
"""The groups of parameters of each node, by its name."""
