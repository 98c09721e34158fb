"""The topic of each role: the one that the settings name, else by message type and usual names."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from liquid_control.config import from_mapping
from liquid_control.errors import AmbiguousTopicError, ConfigError, ModelFileError, TopicError
from liquid_control.model.untrusted_file import read_bounded
from liquid_control.recordings.plain_yaml import NOT_YAML, load_yaml
from liquid_control.recordings.rosbag.cameras import CAMERAS, base_of, likely_cameras
from liquid_control.recordings.rosbag.imu_halves import split_imu
from liquid_control.recordings.rosbag.named_topics import named_topic
from liquid_control.recordings.rosbag.reader import BagReader, BagTopic
from liquid_control.recordings.rosbag.readings import (
    ANGLES,
    JOINTS,
    PLAIN,
    SPEEDS,
    SPEEDS_BY_NAME,
    STEERINGS,
    TWISTS,
)
from liquid_control.recordings.settings import TopicMap
from liquid_control.recordings.values import ACCELEROMETER

KINDS: dict[str, tuple[str, ...]] = {
    "camera": CAMERAS,
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "imu": ("sensor_msgs/msg/Imu",),
    ACCELEROMETER: ("sensor_msgs/msg/Imu",),
    "speed": tuple(SPEEDS),
    "steering": STEERINGS,
}
"""Message types that each role can be read from without naming a field."""

NOT_MEASURED = {"ground_truth", "lane_pose"}  # last part of names: what only a simulator knows
COMMANDS = ("command", "proposal", "cmd_vel", "steer")
LARGEST_MAP = 2**16  # bytes of a map file


@dataclasses.dataclass(frozen=True)
class Roles:
    """The chosen topics; None where the recording has nothing for a role. `accelerometer`: where
    `imu` is the gyro alone."""

    camera: BagTopic | None = None
    camera_info: BagTopic | None = None
    imu: BagTopic | None = None
    accelerometer: BagTopic | None = None
    speed: BagTopic | None = None
    steering: BagTopic | None = None


def load_map(path: str | Path) -> TopicMap:
    """A TopicMap from YAML. Raises ConfigError for a file that is missing, too large, not YAML or
    has other fields."""
    try:
        values = load_yaml(read_bounded(Path(path), LARGEST_MAP))
    except OSError as error:
        raise ConfigError(
            "topics.file", str(path), f"a readable file ({error.strerror})"
        ) from error
    except ModelFileError as error:
        raise ConfigError(
            "topics.file", str(path), f"a file of at most {LARGEST_MAP} bytes ({error.problem})"
        ) from error
    except NOT_YAML as error:
        raise ConfigError(
            "topics.file", str(path), "plain YAML: lines like `camera: /front/image`"
        ) from error
    return from_mapping(TopicMap, values or {})


def choose_topics(reader: BagReader, topics: TopicMap | None = None) -> Roles:
    """The topic of each role. Raises AmbiguousTopicError, which names the flag, where type and
    usual names leave a choice.

    Raises TopicError where a topic that `topics` names is missing or of a type that the role cannot
    be read from. Of a camera that was recorded in several transports, the raw pictures are used:
    they are what the camera saw and what the policy node subscribes to. Distances are no pictures.
    """
    named = _with_file(topics or TopicMap())
    camera = _choose("camera", reader, named.camera, lambda topics: likely_cameras(topics, reader))
    steering = _choose(
        "steering",
        reader,
        named.steering or (named.joint and _joints(reader, named.joint)),
        _steerings,
    )
    imus = [topic for topic in reader.topics if topic.kind in KINDS["imu"]]
    imu, accelerometer = split_imu(reader, imus, named.imu, named.accelerometer)
    return Roles(
        camera=camera,
        camera_info=_choose(
            "camera_info", reader, named.camera_info, lambda topics: _infos(topics, camera)
        ),
        imu=_choose(
            "imu",
            reader,
            imu,
            lambda topics: [topic for topic in topics if topic.name != accelerometer],
        ),
        accelerometer=_choose(ACCELEROMETER, reader, accelerometer, lambda topics: []),
        speed=_choose("speed", reader, named.speed, lambda topics: _speeds(topics, steering)),
        steering=steering,
    )


def _with_file(topics: TopicMap) -> TopicMap:
    if not topics.file:
        return topics
    given = {
        field.name: value
        for field in dataclasses.fields(topics)
        if (value := getattr(topics, field.name))
    }
    return dataclasses.replace(load_map(topics.file), **given)


def _choose(role: str, reader: BagReader, name: str, likely) -> BagTopic | None:
    if name:
        return named_topic(role, KINDS[role], reader, name)
    kinds = set(KINDS[role]) - (set(SPEEDS_BY_NAME) if role == "speed" else set())
    candidates = [topic for topic in reader.topics if topic.kind in kinds and topic.count != 0]
    candidates = likely(candidates)
    names = tuple(dict.fromkeys(topic.name for topic in candidates))
    if len(names) > 1:
        raise AmbiguousTopicError(role, names)
    return max(candidates, key=lambda topic: topic.count or 0) if candidates else None


def _infos(topics: list[BagTopic], camera: BagTopic | None) -> list[BagTopic]:
    """Those in the camera's namespace; another camera's would be worse than none."""
    if camera is None:
        return []
    place = base_of(camera).rpartition("/")[0]
    return [topic for topic in topics if topic.name.rpartition("/")[0] == place]


def _steerings(topics: list[BagTopic]) -> list[BagTopic]:
    """A type made for steering before a twist that is named as a command, before a number that is
    named as steering."""
    named = [topic for topic in topics if _is_command(topic)]
    for group in (
        [topic for topic in topics if topic.kind in ANGLES],
        [topic for topic in named if topic.kind in TWISTS],
        [topic for topic in topics if topic.kind in PLAIN and "steer" in topic.name.lower()],
    ):
        if group:
            commands = {
                topic.name.rpartition("/")[0] for topic in group if _last(topic) == "command"
            }
            return [
                topic
                for topic in group
                if not (_last(topic) == "proposal" and topic.name.rpartition("/")[0] in commands)
            ]
    twists = [topic for topic in topics if topic.kind == "geometry_msgs/msg/Twist"]
    return twists


def _speeds(topics: list[BagTopic], steering: BagTopic | None) -> list[BagTopic]:
    """Measured before commanded; of measured ones the most telling type."""
    measured = [
        topic for topic in topics if _last(topic) not in NOT_MEASURED and not _is_command(topic)
    ]
    measured = [topic for topic in measured if steering is None or topic.name != steering.name]
    for kind in SPEEDS:
        group = [topic for topic in measured if topic.kind == kind]
        if group:
            return group
    return [topic for topic in topics if steering is not None and topic.name == steering.name]


def _joints(reader: BagReader, joint: str) -> str:
    names = [topic.name for topic in reader.topics if topic.kind == JOINTS]
    if len(names) > 1:
        raise AmbiguousTopicError("steering", tuple(names))
    if not names:
        raise TopicError("joint", f"{joint}, a joint of a JointState", "a recording with that type")
    return names[0]


def _is_command(topic: BagTopic) -> bool:
    return any(word in _last(topic).lower() for word in COMMANDS)


def _last(topic: BagTopic) -> str:
    return topic.name.rpartition("/")[2]
