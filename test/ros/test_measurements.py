"""Measured speed and steering angle from the message types that vehicles publish, by the table that
recordings share, and from fields that are named."""

from __future__ import annotations

import array
import math
import time
from types import SimpleNamespace

import numpy as np
import pytest
from geometry_msgs.msg import Twist, TwistStamped, TwistWithCovarianceStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import JointState
from std_msgs.msg import Float32, Float64, Float64MultiArray, Int16

from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.recordings.rosbag.readings import ANGLES, SPEEDS
from liquid_control.ros import conversions, qos
from liquid_control.ros.measurements import (
    ANGLE_TYPES,
    AngleInput,
    SpeedInput,
    angle_input,
    message_class,
    speed_input,
)
from liquid_control.signals import ImuSample, SpeedSample, SteeringSample

STAMP, ARRIVAL = 123_000_000_456, 123_005_000_000


class Talk:
    """A node's logger."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(warning=lambda text, **_: self.said.append(text))


def stamped(kind: type, **fields):
    message = kind(**fields)
    if hasattr(message, "header"):
        message.header = conversions.header(STAMP)
    return message


def twist(speed: float) -> Twist:
    message = Twist()
    message.linear.x = speed
    return message


def covered(kind: type, speed: float, covariance: float = 0.0):
    message = stamped(kind)
    message.twist.twist.linear.x = speed
    message.twist.covariance[0] = covariance
    return message


@pytest.mark.parametrize(
    "message",
    [
        covered(Odometry, 7.5),
        covered(TwistWithCovarianceStamped, 7.5),
        stamped(TwistStamped, twist=twist(7.5)),
        twist(7.5),
        Float32(data=7.5),
        Float64(data=7.5),
    ],
    ids=lambda message: type(message).__name__,
)
def test_speed_from_the_usual_types(message):
    name = conversions.type_name(type(message))
    kind, read = speed_input(Talk(), SpeedInput(type=name, scale=-0.5, offset=1.0))
    assert kind is type(message)
    stamp = STAMP if hasattr(message, "header") else ARRIVAL
    assert read(message, ARRIVAL) == SpeedSample(stamp, -2.75)


def test_odometry_as_it_is_gives_the_speed_to_the_bit():
    _, read = speed_input(Talk(), SpeedInput())
    message = covered(Odometry, 0.1 + 0.2)
    assert read(message, ARRIVAL) == SpeedSample.from_message(message)
    assert math.isnan(read(covered(Odometry, 0.0, -1.0), ARRIVAL).speed)  # not measured


@pytest.mark.parametrize(
    "message, settings",
    [
        (Float64(data=0.25), {}),
        (Float32(data=0.25), {"type": "std_msgs/msg/Float32"}),
        (
            stamped(JointState, name=["wheel", "steer"], position=[9.0, 0.25]),
            {"type": "sensor_msgs/msg/JointState", "joint": "steer"},
        ),
        (
            stamped(JointState, name=["steer"], position=[0.25]),
            {"type": "sensor_msgs/msg/JointState", "field": "position[0]"},
        ),
        (
            Float64MultiArray(data=[9.0, 0.25]),
            {"type": "std_msgs/msg/Float64MultiArray", "field": "data[1]"},
        ),
        (Int16(data=-25), {"type": "std_msgs/msg/Int16", "field": "data", "scale": -0.01}),
        (
            Int16(data=1625),
            {"type": "std_msgs/msg/Int16", "field": "data", "scale": 0.002, "offset": -3.0},
        ),
        (twist(0.25), {"type": "geometry_msgs/msg/Twist", "field": "linear.x"}),
    ],
)
def test_steering_angle_from_the_usual_types(message, settings):
    kind, read = angle_input(Talk(), AngleInput(**settings))
    sample = read(message, ARRIVAL)
    assert kind is type(message)
    assert sample.stamp_ns == (STAMP if hasattr(message, "header") else ARRIVAL)
    assert sample == SteeringSample(sample.stamp_ns, pytest.approx(0.25), None)


@pytest.mark.parametrize(
    "settings, message, words",
    [
        (
            {"type": "std_msgs/msg/Float64MultiArray", "field": "data[1]"},
            Float64MultiArray(data=array.array("d", [1.0])),
            "steering_angle: it has no data[1]",
        ),
        (
            {"type": "sensor_msgs/msg/JointState", "joint": "steer"},
            JointState(name=["wheel"], position=[1.0]),
            "no joint steer with a position; there are: ['wheel']",
        ),
    ],
)
def test_a_message_without_the_number_is_nan_and_said(settings, message, words):
    talk = Talk()
    _, read = angle_input(talk, AngleInput(**settings))
    assert math.isnan(read(message, ARRIVAL).steering_angle)
    assert words in talk.said[0]


@pytest.mark.parametrize(
    "kind, settings, words",
    [
        (SpeedInput, {"type": "sensor_msgs/msg/Imu"}, "SpeedInput.type: got 'sensor_msgs/msg/Imu'"),
        (SpeedInput, {"type": "Odometry", "field": "x"}, "as in nav_msgs/msg/Odometry"),
        (SpeedInput, {"type": "os/msg/../x", "field": "x"}, "as in nav_msgs/msg/Odometry"),
        (SpeedInput, {"field": "twist..x"}, "names and indices"),
        (SpeedInput, {"scale": math.nan}, "SpeedInput.scale"),
        (AngleInput, {"type": "geometry_msgs/msg/Twist"}, "AngleInput.type"),
        (AngleInput, {"type": "sensor_msgs/msg/JointState"}, "AngleInput.joint"),
    ],
)
def test_settings_that_say_nothing_are_refused(kind, settings, words):
    with pytest.raises(ConfigError, match="got") as caught:
        kind(**settings)
    assert words in str(caught.value)


def test_a_field_that_the_type_lacks_is_refused_with_those_that_it_has():
    with pytest.raises(ConfigError, match=r"twist.twist.linear.x, .*nav_msgs/msg/Odometry"):
        speed_input(Talk(), SpeedInput(field="twist.linear.x"))
    with pytest.raises(ConfigError, match=r"one of its numbers: data "):
        angle_input(Talk(), AngleInput(type="std_msgs/msg/Int16", field="data[0]"))


def test_a_package_that_is_not_installed_is_one_line():
    with pytest.raises(MissingDependencyError, match="ros-.ROS_DISTRO-odd-msgs") as caught:
        message_class("odd_msgs/msg/Servo")
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="a message of std_msgs"):
        message_class("std_msgs/msg/Float65")


def test_robot_and_recordings_share_one_table():
    assert set(ANGLES) < set(ANGLE_TYPES)
    for kind in SPEEDS:
        assert SpeedInput(type=kind).type == kind


def test_policy_and_gate_hear_another_robots_sensors(start, probe, model, shot, picture):
    """Speed as a number in km/h, the wheels in a JointState, gyro and accelerometer apart."""
    kmh = {"measured_speed__type": "std_msgs/msg/Float32", "measured_speed__scale": 1 / 3.6}
    start("policy_node", model=model, split_imu=True, imu__axes="ned", **kmh)
    joint = {"measured_angle__type": "sensor_msgs/msg/JointState", "measured_angle__joint": "steer"}
    start("safety_node", engagement__healthy_for=0.2, **joint, **kmh)
    proposals, commands = (
        probe.listen(TwistStamped, "proposal"),
        probe.listen(TwistStamped, "command"),
    )

    def drive() -> None:
        now = time.time_ns()
        turn = ImuSample(now, (0.0, 0.0, -0.1), (0.0, 0.0, -9.81))
        gyro, accel = (conversions.imu_message(turn, now, "imu") for _ in range(2))
        accel.angular_velocity.z = gyro.linear_acceleration.z = 50.0  # not measured, not zero
        probe.send("imu/data", gyro, qos.INERTIAL)
        probe.send("imu/accel", accel, qos.INERTIAL)
        probe.send("odom", Float32(data=18.0), qos.INERTIAL)
        wheels = JointState(name=["steer"], position=[0.05], header=conversions.header(now))
        probe.send("steering_angle", wheels, qos.INERTIAL)
        seen = np.roll(picture, now % 97, axis=1)  # no camera repeats itself
        probe.send("camera/image_raw", shot(seen), qos.CAMERA)
        probe.spin(0.05)

    deadline = time.monotonic() + 20.0
    while len(commands) < 3:
        assert time.monotonic() < deadline, probe.levels
        drive()
    first = commands[0][0].twist
    assert first.linear.x == pytest.approx(5.0, abs=0.5)  # from 18 km/h
    assert 0.0 < first.angular.z / first.linear.x < 0.05  # from 0.05 rad to the left
    probe.until(lambda: "policy_node" in probe.levels, "diagnostics")
    drive()
    assert probe.count("policy_node", "inertial_rejected") == 0 and proposals
