"""Who publishes to us and who listens: types and quality of service of both sides of a topic."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from liquid_control.recordings.rosbag.readings import ANGLE_TYPES, ODOMETRY, SPEEDS
from liquid_control.ros.health.part import Level, Problem
from liquid_control.ros.steering_types import STEERING

MEASURED = {
    ODOMETRY: ("measured_speed", SPEEDS),
    "std_msgs/msg/Float64": ("measured_angle", ANGLE_TYPES),
}
"""By our type: the parameter that chooses another one, and the types that need no field."""

PARTICIPANT = 12
"""Number of bytes of a GID that name the process in DDS."""
LEASE = 25.0
"""DDS lists a killed process for less [s]: Fast DDS 20 s, Cyclone DDS 10 s."""
TOOLS = ("_ros2cli", "rosbag2_recorder", "rqt_", "rviz", "foxglove_bridge")
"""Beginnings of the names of nodes that listen and do not drive."""
NAMELESS = "a node without a name"
"""One that DDS knows by its endpoints only: it starts, or it was killed."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One publisher or subscription of another node. `participant`: bytes that its process has in
    common; `refused`: why DDS does not connect it to ours, empty where it does."""

    node: str
    kind: str
    qos: str
    participant: bytes
    refused: str = ""


@dataclasses.dataclass(frozen=True)
class Topic:
    """One of our endpoints and those on the other side. `elsewhere`: other topics on which this
    type is published, or listened to, looked up where none is known here."""

    name: str
    kind: str
    qos: str
    others: tuple[Endpoint, ...]
    elsewhere: tuple[str, ...] = ()

    @property
    def fitting(self) -> tuple[Endpoint, ...]:
        return tuple(one for one in self.others if one.kind == self.kind and not one.refused)

    @property
    def sources(self) -> frozenset[tuple[str, bytes]]:
        """Node and process of each that is connected; without those whose name is not known yet."""
        return frozenset((it.node, it.participant) for it in self.fitting if it.node != NAMELESS)

    @property
    def nodes(self) -> str:
        return ", ".join(dict.fromkeys(one.node for one in self.others))


def judge_sources(
    topic: Topic, needed: Level | None, several_for: float = 0.0
) -> Iterator[Problem]:
    """What is wrong with the publishers of a topic. `needed`: the level where there is none, None
    where none is needed. `several_for`: seconds since there has been more than one; of two of one
    name, one may be a killed process that DDS still lists."""
    yield from _judge_types(topic, "publishes", "subscribed is")
    if len(topic.sources) > 1 and (len(dict(topic.sources)) > 1 or several_for > LEASE):
        text = f"{len(topic.sources)} nodes publish {topic.name}: {_names(topic.fitting)}"
        yield Problem("several", Level.WARN, text, "stop all but one, or remap")
    if needed is not None and not topic.others:
        remedy = "start the driver, or remap the topic"
        if topic.elsewhere:
            remedy = f"{topic.kind} is published on {', '.join(topic.elsewhere)}: remap one of them"
        yield Problem("silent", needed, f"nothing publishes {topic.name}", remedy)


def judge_listeners(topic: Topic, driving: bool) -> Iterator[Problem]:
    """What is wrong with those who listen to us."""
    yield from _judge_types(topic, "listens for", "published is")
    if not any(not one.node.rpartition("/")[2].startswith(TOOLS) for one in topic.fitting):
        tools = f" but {topic.nodes}" if topic.fitting else ""
        text = f"nothing listens to {topic.name}{tools}" + (", although engaged" * driving)
        remedy = "start the vehicle's interface, or remap"
        if topic.elsewhere:
            remedy = f"{topic.kind} is listened to on {', '.join(topic.elsewhere)}: remap to it"
        yield Problem("unheard", Level.WARN, text, remedy)


def _judge_types(topic: Topic, does: str, ours: str) -> Iterator[Problem]:
    for one in dict.fromkeys(topic.others):
        if one.kind != topic.kind:
            text = f"{one.node} {does} {one.kind} on {topic.name}, {ours} {topic.kind}"
            yield Problem(f"type {one.node}", Level.ERROR, text, _type_remedy(one.kind, topic))
        elif one.refused:
            text = f"{one.node} and this node do not fit on {topic.name}: {one.refused}"
            remedy = f"its quality of service is {one.qos}, ours {topic.qos}"
            yield Problem(f"qos {one.node}", Level.ERROR, text, remedy)


def _type_remedy(kind: str, topic: Topic) -> str:
    if kind.endswith("/CompressedImage") and topic.kind.endswith("/Image"):
        return f"set image_transport: compressed, and remap {topic.name}/compressed to {topic.name}"
    if kind.endswith("/Image") and topic.kind.endswith("/CompressedImage"):
        return "set image_transport: raw"
    if topic.kind in MEASURED:
        parameter, types = MEASURED[topic.kind]
        field = "" if kind in types else f" with the number in {parameter}.field"
        return f"set {parameter}.type: {kind}{field}"
    if kind in STEERING.values():
        [name] = [name for name, known in STEERING.items() if known == kind]
        return f"set command_type: {name}, or proposal_type, to the type of the other side"
    return "publish that type, or remap the topic"


def _names(endpoints: tuple[Endpoint, ...]) -> str:
    return ", ".join(sorted(one.node for one in dict.fromkeys(endpoints)))
