"""Messages that are in order and hold no value: headers that nobody fills, joints that are not
there, parts that are not measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import ImuSample, SpeedSample, SteeringSample

ACKERMANN, TWIST = "ackermann_msgs/msg/AckermannDriveStamped", "geometry_msgs/msg/TwistStamped"
JOINTS, IMU, ODOMETRY = "sensor_msgs/msg/JointState", "sensor_msgs/msg/Imu", "nav_msgs/msg/Odometry"
STAMP = 1_700_000_123_456_789_012
STEP, LATE = 20_000_000, 3_000_000


def rows(topic: str, kind: str, messages: list) -> list:
    """Received every 20 ms, 3 ms after STAMP."""
    return [(STAMP + LATE + STEP * k, topic, kind, one) for k, one in enumerate(messages)]


def read(path, **settings) -> tuple[list, RosbagRecording]:
    with RosbagRecording(path, RecordingSettings(**settings)) as recording:
        return list(recording.samples()), recording


@pytest.mark.parametrize("kind", [ACKERMANN, TWIST])
def test_commands_with_an_empty_header_have_the_time_of_their_receipt(bags, tmp_path, kind):
    """The speed that is read from the same message has it, too; one filled header among them keeps
    its own stamp."""
    drive = bags.make("ackermann_msgs/msg/AckermannDrive", steering_angle=0.1, speed=3.0)
    fields = {"drive": drive} if kind == ACKERMANN else {"twist": bags.twist(3.0, 0.2)}
    stamps = [0, 0, STAMP + 2 * STEP, 0]
    messages = [bags.make(kind, header=bags.header(stamp), **fields) for stamp in stamps]
    samples, recording = read(bags.write(tmp_path / "bag", rows("/command", kind, messages)))
    for role, sort in (("steering", SteeringSample), ("speed", SpeedSample)):
        found = [sample.stamp_ns for _, sample in samples if isinstance(sample, sort)]
        if role == "speed" and not found:
            continue
        receipt = [STAMP + LATE + STEP * k for k in range(4)]
        assert found == [receipt[0], receipt[1], STAMP + 2 * STEP, receipt[3]]
        assert recording.unstamped[role] == 3
    assert any("stamped 0" in remark and "/command" in remark for remark in recording.remarks)
    assert not recording.skipped and not recording.absent


def test_sensors_with_an_empty_header_are_left_as_the_robot_sees_them(bags, tmp_path):
    imu = [bags.make(IMU, header=bags.header(0)) for _ in range(3)]
    odom = [bags.odometry(0, 4.0) for _ in range(3)]
    path = bags.write(tmp_path / "bag", rows("/imu", IMU, imu) + rows("/odom", ODOMETRY, odom))
    samples, recording = read(path)
    assert len(samples) == 6 and all(sample.stamp_ns == 0 for _, sample in samples)
    assert not recording.remarks


def joint_state(bags, names: list[str], positions: list[float]):
    stamped = bags.header(STAMP)
    return bags.make(JOINTS, header=stamped, name=names, position=np.array(positions, float))


@pytest.mark.parametrize(
    "joint, said",
    [
        ("steer", "no joint of the name steer; there are: front_left, front_right, wheel"),
        ("", "the steering joint is not named; there are: front_left, front_right, wheel"),
        ("wheel", "joint wheel has no position"),
    ],
)
def test_a_joint_that_is_not_there_is_named_with_those_that_are(bags, tmp_path, joint, said):
    messages = [
        joint_state(bags, ["front_left", "front_right"], [0.1, 0.1]),
        joint_state(bags, ["wheel"], []),
    ] * 4
    path = bags.write(tmp_path / "bag", rows("/joints", JOINTS, messages))
    samples, recording = read(path, topics=TopicMap(steering="/joints", joint=joint))
    assert not samples and said in recording.absent["steering"]


def test_joints_that_are_split_over_two_messages_are_read(bags, tmp_path):
    messages = [joint_state(bags, ["left"], [0.1]), joint_state(bags, ["wheel"], [5.0])] * 4
    path = bags.write(tmp_path / "bag", rows("/joints", JOINTS, messages))
    samples, recording = read(path, topics=TopicMap(steering="/joints", joint="left"))
    assert [sample.steering_angle for _, sample in samples] == [0.1] * 4
    assert not recording.skipped


def test_parts_that_are_marked_as_not_measured_are_no_values(bags, tmp_path):
    minus = np.array([-1.0] + [0.0] * 8)
    imu = bags.make(
        IMU,
        header=bags.header(STAMP),
        angular_velocity_covariance=minus,
        linear_acceleration=bags.vector(0.0, 1.5, 9.81),
    )
    odometry = bags.odometry(STAMP, 0.0)
    odometry.twist.covariance[0] = -1.0
    path = bags.write(
        tmp_path / "bag", rows("/imu", IMU, [imu]) + rows("/odom", ODOMETRY, [odometry])
    )
    samples, _ = read(path)
    by_kind = {type(sample): sample for _, sample in samples}
    assert all(map(math.isnan, by_kind[ImuSample].angular_velocity))
    assert by_kind[ImuSample].linear_acceleration == (0.0, 1.5, 9.81)
    assert math.isnan(by_kind[SpeedSample].speed)
