"""The topic that the settings name for a role, with the field of its messages, and the fields that
could be named where no topic of a known type is there."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from liquid_control.errors import FieldError, MessageError, TopicError
from liquid_control.recordings.rosbag.fields import NUMBER, VECTOR, check_field, split_field
from liquid_control.recordings.rosbag.reader import BagReader, BagTopic
from liquid_control.recordings.rosbag.readings import JOINTS
from liquid_control.recordings.values import ACCELEROMETER

WITH_FIELDS = {"speed": NUMBER, "steering": NUMBER, "imu": VECTOR, ACCELEROMETER: VECTOR}
"""What may be named for a role in messages of any type: /vehicle/servo:angle. The vector of an IMU
is that of its gyro."""
LOOKED_AT = 8  # messages in which a field must be
MOST_LISTED = 12

_WORDS = {
    "steering": ("steer", "servo", "tire", "tyre", "curvature", "angle", "command", "cmd"),
    "speed": ("speed", "velocity", "odom", "rpm"),
    "imu": ("gyro", "angular_velocity", "angular_rate"),
    ACCELEROMETER: ("accel",),
}
"""Parts of names, the most telling first."""
_ELSEWHERE = frozenset(
    "sensor_msgs nav_msgs geometry_msgs tf2_msgs diagnostic_msgs rcl_interfaces rosgraph_msgs "
    "visualization_msgs statistics_msgs trajectory_msgs lifecycle_msgs".split()
)
"""Packages of known messages that hold neither."""


def named_topic(role: str, kinds: Collection[str], reader: BagReader, name: str) -> BagTopic:
    """The topic that `name` says, TOPIC or TOPIC:FIELD. `kinds`: message types that the role can be
    read from. Of any other type the only number, or vector, of its messages is read.

    Raises TopicError, with what could be named, where that is not possible.
    """
    name, path = split_field(name)
    named = [topic for topic in reader.topics if topic.name in (name, "/" + name)]
    readable = [topic for topic in named if topic.kind in kinds]
    if readable and not path:
        return max(readable, key=lambda topic: topic.count or 0)
    expected = "a topic of type " + ", ".join(kinds)
    if not named or role not in WITH_FIELDS:
        found = [topic.name for topic in reader.topics if topic.kind in kinds]
        got = (
            f"{name} of type {named[0].kind}" if named else f"{name}, which is not in the recording"
        )
        raise TopicError(role, got, f"{expected}; here: {', '.join(found) or 'none'}")
    topic = max(named, key=lambda topic: topic.count or 0)
    messages = _first_messages(reader, topic.name, LOOKED_AT)
    got = f"{topic.name} of type {topic.kind}"
    if not messages:
        raise TopicError(role, f"{got} without a message that can be read", expected)
    leaf = WITH_FIELDS[role]
    if not path:
        paths = leaf.paths(messages[0])
        if len(paths) != 1:
            listed = ", ".join(f"{topic.name}:{path}" for path in paths[:MOST_LISTED])
            there = f"one of its {leaf.name}s: {listed}" if listed else expected
            raise TopicError(role, got, there)
        path = paths[0]
    try:
        check_field(path, messages, leaf)
    except FieldError as error:
        raise TopicError(role, f"{got} with the field {path}", error.expected) from error
    return dataclasses.replace(topic, field=path)


def likely_fields(role: str, kinds: Collection[str], reader: BagReader) -> tuple[str, ...]:
    """What could be named for a role, best first: TOPIC of a type that holds something else as
    often, with the flag of its joint where it has joints, TOPIC:FIELD of any other type. `kinds`:
    types that the role can be read from. The names of topics, joints and fields tell."""
    words, leaf, found = _WORDS[role], WITH_FIELDS[role], []
    for topic in reader.topics:
        by_topic = _rank(topic.name, words)
        if topic.count and topic.kind in kinds and topic.kind == JOINTS:
            first = _first_messages(reader, topic.name, LOOKED_AT)
            joints = dict.fromkeys(name for message in first for name in message.name)
            found += [
                (rank, f"{topic.name} --topics.joint {name}")
                for name in joints
                if (rank := _rank(name, words)) is not None
            ]
            continue
        if not topic.count or topic.kind in kinds:
            found += [(by_topic, topic.name)] if topic.count and by_topic is not None else []
            continue
        package = topic.kind.partition("/")[0]
        if package in _ELSEWHERE and not (leaf is VECTOR and package == "geometry_msgs"):
            continue
        first = _first_messages(reader, topic.name, 1)
        paths = [path for message in first for path in leaf.paths(message)]
        ranked = [(_rank(path, words), path) for path in paths]
        if not any(rank is not None for rank, _ in ranked):
            ranked = [(by_topic, path) for path in paths]
        found += [(rank, f"{topic.name}:{path}") for rank, path in ranked if rank is not None]
    return tuple(name for _, name in sorted(found)[:MOST_LISTED])


def _rank(name: str, words: Collection[str]) -> int | None:
    name = name.lower()
    return next((rank for rank, word in enumerate(words) if word in name), None)


def _first_messages(reader: BagReader, name: str, count: int) -> list[object]:
    """The first messages of a topic, decoded, without those that cannot be."""
    decoded = []
    for message in reader.first(name, count):
        try:
            decoded.append(reader.decode(message))
        except MessageError:
            continue
    return decoded
