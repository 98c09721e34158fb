"""The topics that recorder_node records: those of the drive by their names in the nodes, with the
types that the nodes' parameters say, and others by `extra_topics`. Never all that there are."""

from __future__ import annotations

from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import ParameterEvent
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, Imu, Joy
from std_msgs.msg import Bool

from liquid_control.errors import ConfigError, MessageError
from liquid_control.recordings.rosbag.messages import definition
from liquid_control.ros import camera_topics, conversions, qos
from liquid_control.ros.measurements import AngleInput, SpeedInput, message_class
from liquid_control.ros.node_parameters import RecordedTopics, extra_topics
from liquid_control.ros.takeover_topics import TAKEOVER_TOPICS

STATE, VERDICT = "safety_node/state", "safety_node/verdict"
DISAGREEMENT = "shadow/disagreement"
ADAPTATION = "policy_node/adaptation"
HEALTH = "policy_health"
PARAMETER_EVENTS = "/parameter_events"
LATCHED = (STATE, HEALTH)
"""A recording begins with the last message of these topics before it."""


class RecordedTopic(NamedTuple):
    """A topic by its full name, the class of its messages, and how it is subscribed to."""

    name: str
    kind: type
    profile: QoSProfile


def recorded_topics(
    node: Node, settings: RecordedTopics, speed: SpeedInput, angle: AngleInput
) -> list[RecordedTopic]:
    """By these parameters, each once. Raises ConfigError for an extra topic whose type cannot be
    recorded, MissingDependencyError for one that is not installed."""
    proposal = conversions.steering_type(settings.proposal_type)
    command = conversions.steering_type(settings.command_type)
    compressed = settings.image_transport == "compressed"
    kinds: dict[str, type] = {
        camera_topics.transport_topic(node, "compressed" if compressed else ""): (
            CompressedImage if compressed else Image
        ),
        camera_topics.info_topic(node): CameraInfo,
        "imu/data": Imu,
        **({"imu/accel": Imu} if settings.split_imu else {}),
        "odom": message_class(speed.type),
        "steering_angle": message_class(angle.type),
        "proposal": proposal,
        "manual": proposal,
        "command": command,
        STATE: DiagnosticStatus,
        VERDICT: DiagnosticStatus,
        HEALTH: DiagnosticArray,
        **dict.fromkeys(TAKEOVER_TOPICS.values(), Bool),
        "emergency_stop": Bool,
        "enable": Bool,
        "joy": Joy,
        "shadow/proposal": proposal,
        DISAGREEMENT: DiagnosticStatus,
        ADAPTATION: DiagnosticStatus,
        "/diagnostics": DiagnosticArray,
        PARAMETER_EVENTS: ParameterEvent,
    }
    for name, kind in extra_topics(settings.extra_topics):
        kinds[name] = message_class(kind)
        try:
            definition(kind)
        except MessageError as error:
            raise ConfigError("extra_topics", f"{name}:{kind}", error.problem) from error
    found = {}
    for name, kind in kinds.items():
        profile = qos.LATCHED if name in LATCHED else qos.RECORDED
        full = node.resolve_topic_name(name)
        found[full] = RecordedTopic(full, kind, profile)
    return list(found.values())
