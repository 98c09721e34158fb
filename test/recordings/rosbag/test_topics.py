"""Which topic plays which role: by flag, by file, by type and the usual names; where that leaves a
choice, the error names the flag."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from liquid_control.errors import AmbiguousTopicError, ConfigError, TopicError
from liquid_control.recordings.rosbag.cameras import COMPRESSED, IMAGE
from liquid_control.recordings.rosbag.reader import BagTopic
from liquid_control.recordings.rosbag.topics import choose_topics, load_map
from liquid_control.recordings.settings import TopicMap

INFO, IMU, ODOMETRY = "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry"
TWIST, PLAIN_TWIST, JOINTS = (
    "geometry_msgs/msg/TwistStamped",
    "geometry_msgs/msg/Twist",
    "sensor_msgs/msg/JointState",
)
STAMPED, LATERAL, FLOAT = (
    "ackermann_msgs/msg/AckermannDriveStamped",
    "autoware_control_msgs/msg/Lateral",
    "std_msgs/msg/Float32",
)


def chosen(topics: dict[str, str], **given) -> dict[str, str | None]:
    reader = SimpleNamespace(
        topics=tuple(BagTopic(name, kind, 10) for name, kind in topics.items()),
        first=lambda name, count: [],
    )
    return {
        role: topic and topic.name
        for role, topic in vars(choose_topics(reader, TopicMap(**given))).items()
    }


@pytest.mark.parametrize(
    "topics, role, name",
    [
        ({"/a/image": IMAGE}, "camera", "/a/image"),
        ({"/a/image/compressed": COMPRESSED}, "camera", "/a/image/compressed"),
        ({"/a/image/compressed": COMPRESSED, "/a/image": IMAGE}, "camera", "/a/image"),
        (
            {"/a/image/compressedDepth": COMPRESSED, "/a/depth/image": IMAGE, "/a/rgb": IMAGE},
            "camera",
            "/a/rgb",
        ),
        (
            {"/a/image": IMAGE, "/a/camera_info": INFO, "/b/camera_info": INFO},
            "camera_info",
            "/a/camera_info",
        ),
        ({"/a/image": IMAGE, "/b/camera_info": INFO}, "camera_info", None),
        ({"/imu": IMU}, "imu", "/imu"),
        ({"/odom": ODOMETRY, "/ground_truth": ODOMETRY, "/lane_pose": ODOMETRY}, "speed", "/odom"),
        ({"/odom": ODOMETRY, "/vehicle/twist": TWIST}, "speed", "/odom"),
        ({"/vehicle/twist": TWIST}, "speed", "/vehicle/twist"),
        ({"/drive": STAMPED}, "speed", "/drive"),
        ({"/drive": STAMPED, "/odom": ODOMETRY}, "speed", "/odom"),
        ({"/command": TWIST}, "speed", "/command"),
        (
            {"/drive": STAMPED, "/cmd_vel": PLAIN_TWIST, "/vehicle/twist": TWIST},
            "steering",
            "/drive",
        ),
        ({"/command": TWIST, "/proposal": TWIST}, "steering", "/command"),
        ({"/robot/proposal": TWIST}, "steering", "/robot/proposal"),
        ({"/cmd_vel": PLAIN_TWIST, "/measured": PLAIN_TWIST}, "steering", "/cmd_vel"),
        ({"/can/steering_angle": FLOAT, "/battery": FLOAT}, "steering", "/can/steering_angle"),
        ({"/battery": FLOAT, "/joint_states": JOINTS, "/vehicle/twist": TWIST}, "steering", None),
        ({"/chatter": "odd_msgs/msg/Thing"}, "steering", None),
    ],
)
def test_found_by_type_and_usual_name(topics, role, name):
    assert chosen(topics)[role] == name


@pytest.mark.parametrize(
    "topics, role",
    [
        ({"/front/image": IMAGE, "/rear/image/compressed": COMPRESSED}, "camera"),
        ({"/a/imu": IMU, "/b/imu": IMU}, "imu"),
        ({"/a/odom": ODOMETRY, "/b/odom": ODOMETRY}, "speed"),
        ({"/a": STAMPED, "/b": LATERAL}, "steering"),
        ({"/a/command": TWIST, "/b/command": TWIST}, "steering"),
    ],
)
def test_a_choice_that_is_left_is_an_error_with_the_flag_that_settles_it(topics, role):
    with pytest.raises(
        AmbiguousTopicError, match=f"--topics.{role} {next(iter(topics))}"
    ) as caught:
        chosen(topics)
    assert caught.value.candidates == tuple(topics)
    last = list(topics)[-1]
    assert chosen(topics, **{role: last})[role] == last
    assert chosen(topics, **{role: last.lstrip("/")})[role] == last


def test_a_requested_topic_must_be_there_and_of_a_readable_type():
    topics = {"/a/image": IMAGE, "/imu": IMU, "/battery": FLOAT}
    with pytest.raises(
        TopicError,
        match="--topics.camera: got /b, which is not in the recording, expected .*; here: /a/image",
    ):
        chosen(topics, camera="/b")
    with pytest.raises(
        TopicError, match="--topics.imu: got /a/image of type sensor_msgs/msg/Image"
    ):
        chosen(topics, imu="/a/image")
    assert chosen(topics, steering="/battery")["steering"] == "/battery"


def test_a_joint_alone_says_that_steering_is_in_the_joint_states():
    assert chosen({"/joint_states": JOINTS}, joint="front_steer")["steering"] == "/joint_states"
    with pytest.raises(TopicError, match="--topics.joint: got front_steer"):
        chosen({"/vehicle/twist": TWIST}, joint="front_steer")
    with pytest.raises(AmbiguousTopicError, match="--topics.steering"):
        chosen({"/a/joint_states": JOINTS, "/b/joint_states": JOINTS}, joint="front_steer")


def test_a_file_fills_what_flags_leave_open(tmp_path):
    file = tmp_path / "map.yaml"
    file.write_text("camera: /rear/image\nimu: /b/imu\n")
    topics = {"/front/image": IMAGE, "/rear/image": IMAGE, "/a/imu": IMU, "/b/imu": IMU}
    roles = chosen(topics, file=str(file), imu="/a/imu")
    assert (roles["camera"], roles["imu"]) == ("/rear/image", "/a/imu")


@pytest.mark.parametrize(
    "text",
    [
        "camera: 3",
        "radar: /a",
        "- camera",
        "!!python/object/apply:os.getcwd []",
        "a: [",
        "\0",
        "x" * 70_000,
    ],
)
def test_a_file_that_is_no_map_is_refused(tmp_path, text):
    (tmp_path / "map.yaml").write_text(text)
    with pytest.raises(ConfigError):
        load_map(tmp_path / "map.yaml")


def test_no_file_is_refused_and_an_empty_one_is_an_empty_map(tmp_path):
    with pytest.raises(ConfigError, match="a readable file"):
        load_map(tmp_path / "gone.yaml")
    (tmp_path / "map.yaml").write_text("")
    assert load_map(tmp_path / "map.yaml") == TopicMap()
