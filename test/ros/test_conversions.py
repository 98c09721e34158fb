"""Messages and signals say the same."""

from __future__ import annotations

import importlib.util
import math
import types

import pytest
from geometry_msgs.msg import Twist, TwistStamped
from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import Odometry

from liquid_control.config import VehicleConfig
from liquid_control.errors import MissingDependencyError
from liquid_control.ros import conversions
from liquid_control.signals import Action, Command, ImuSample, SpeedSample

VEHICLE = VehicleConfig()
stamps = st.integers(0, 2**31 * 10**9 - 1)
curvatures = st.floats(-0.2, 0.2)


class Ackermann:
    """Stands in for ackermann_msgs/AckermannDriveStamped, which no wheel brings."""

    def __init__(self) -> None:
        self.header = None
        self.drive = types.SimpleNamespace(steering_angle=0.0, speed=0.0)


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_stamps_keep_every_nanosecond(stamp):
    assert conversions.stamp_ns(conversions.time_message(stamp)) == stamp


def test_stamps_that_no_message_holds_are_clipped():
    assert conversions.time_message(2**63 - 1).sec == 2**31 - 1
    assert conversions.time_message(-(2**63)).sec == -(2**31)


@pytest.mark.parametrize("kind", [TwistStamped, Ackermann])
@given(stamp=stamps, curvature=curvatures, speed=st.floats(conversions.CREEP, 60.0))
def test_an_action_survives_its_message(kind, stamp, curvature, speed):
    action = Action(stamp, curvature, speed)
    back = conversions.action_from_message(
        conversions.action_message(action, kind, VEHICLE), VEHICLE, received_ns=5
    )
    assert (back.stamp_ns, back.speed) == (stamp, speed)
    assert back.curvature == pytest.approx(curvature, abs=1e-12)


@pytest.mark.parametrize("kind", [TwistStamped, Twist, Ackermann])
@given(stamp=stamps, angle=st.floats(-0.5, 0.5), speed=st.floats(conversions.CREEP, 60.0))
def test_a_command_survives_its_message(kind, stamp, angle, speed):
    message = conversions.command_message(Command(stamp - 1, stamp, angle, speed), kind, VEHICLE)
    back = conversions.command_from_message(message, VEHICLE, received_ns=7)
    assert back.stamp_ns == 0, "the frame is not in it"
    assert back.issued_ns == (7 if kind is Twist else stamp)
    assert back.steering_angle == pytest.approx(angle, abs=1e-9)
    assert back.speed == speed


def test_a_twist_carries_the_yaw_rate():
    message = conversions.command_message(
        Command(1, 2, math.atan(2.6 * 0.05), 10.0), Twist, VEHICLE
    )
    assert (message.linear.x, message.angular.z) == (10.0, pytest.approx(0.5))


@pytest.mark.parametrize("speed", [0.0, 0.049, -0.049])
def test_at_standstill_the_wheels_stay_where_they_were(speed):
    message = conversions.command_message(Command(1, 2, 0.3, speed), TwistStamped, VEHICLE)
    assert conversions.command_from_message(
        message, VEHICLE, 7, held_angle=0.2
    ).steering_angle == pytest.approx(0.2)
    assert (
        conversions.action_from_message(message, VEHICLE, 7, held_curvature=0.01).curvature == 0.01
    )


@pytest.mark.parametrize(
    "speed, yaw_rate",
    [(math.nan, 0.1), (10.0, math.nan), (math.inf, 1.0), (5.0, math.inf), (math.nan, math.nan)],
)
def test_what_is_not_finite_comes_through_to_the_gate(speed, yaw_rate):
    message = TwistStamped()
    message.twist.linear.x, message.twist.angular.z = speed, yaw_rate
    action = conversions.action_from_message(message, VEHICLE, 7)
    assert not (math.isfinite(action.curvature) and math.isfinite(action.speed))


def test_ackermann_is_imported_only_when_chosen():
    if importlib.util.find_spec("ackermann_msgs"):
        assert conversions.steering_type("ackermann").__name__ == "AckermannDriveStamped"
    else:
        with pytest.raises(MissingDependencyError, match="ackermann-msgs with apt"):
            conversions.steering_type("ackermann")
    assert conversions.steering_type("twist") is Twist


def test_imu_and_speed_survive_their_messages():
    sample = ImuSample(0, (0.1, -0.2, 0.3), (1.0, -2.0, 9.81))
    message = conversions.imu_message(sample, 123456789012, "imu_link")
    assert ImuSample.from_message(message) == ImuSample(
        123456789012, sample.angular_velocity, sample.linear_acceleration
    )
    assert message.orientation_covariance[0] == -1.0
    assert SpeedSample.from_message(
        conversions.odometry_message(9, "odom", 1.0, 2.0, 0.0, 8.5)
    ) == SpeedSample(9, 8.5)


@pytest.mark.parametrize("part", ["angular_velocity", "linear_acceleration"])
def test_what_a_message_marks_as_not_measured_is_no_measurement(part):
    """sensor_msgs/Imu: element 0 of a covariance is -1 where its value is not measured."""
    whole = ImuSample(0, (0.1, -0.2, 0.3), (1.0, -2.0, 9.81))
    message = conversions.imu_message(whole, 5, "imu_link")
    getattr(message, f"{part}_covariance")[0] = -1.0
    found = ImuSample.from_message(message)
    assert all(map(math.isnan, getattr(found, part)))
    other = {"angular_velocity", "linear_acceleration"} - {part}
    assert getattr(found, *other) == getattr(whole, *other)
    again = conversions.imu_message(found, 5, "imu_link")
    assert getattr(again, f"{part}_covariance")[0] == -1.0
    assert str(ImuSample.from_message(again)) == str(found)
    odometry = conversions.odometry_message(9, "odom", 1.0, 2.0, 0.0, 8.5)
    odometry.twist.covariance[0] = -1.0
    assert math.isnan(SpeedSample.from_message(odometry).speed)


@given(st.floats(-math.pi, math.pi))
def test_heading_survives_its_quaternion(heading):
    message = conversions.odometry_message(1, "map", 0.0, 0.0, heading, 0.0)
    assert math.remainder(conversions.yaw(message) - heading, 2 * math.pi) == pytest.approx(
        0.0, abs=1e-9
    )
    assert isinstance(message, Odometry)
