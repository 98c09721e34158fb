"""Measurements and steering: message ↔ signals. Pure functions; pictures are in `images`.

Steering travels as one of the types of `steering_types`: `ackermann` and `autoware` carry the
front-wheel angle and the speed. `twist_stamped` and `twist` follow Nav2's convention for car-like
bases: linear.x is the speed and angular.z the yaw rate, which is speed x curvature. At standstill a
yaw rate says nothing about the wheels, so that below `CREEP` the reader keeps the curvature it was
given before.
"""

from __future__ import annotations

import importlib
import math

from builtin_interfaces.msg import Time
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Imu
from std_msgs.msg import Header

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import CREEP, curvature, curvature_of, steering_angle
from liquid_control.errors import MissingDependencyError
from liquid_control.ros.steering_types import STEERING
from liquid_control.signals import Action, Command, ImuSample, stamp_ns

__all__ = [
    "CREEP",
    "action_from_message",
    "action_message",
    "command_from_message",
    "command_message",
    "curvature_of",
    "header",
    "imu_message",
    "odometry_message",
    "stamp_ns",
    "steering_type",
    "time_message",
    "yaw",
]


def time_message(stamp: int) -> Time:
    """Nearest that the message can hold: 32-bit seconds."""
    sec, nanosec = divmod(stamp, 1_000_000_000)
    return Time(sec=min(max(sec, -(2**31)), 2**31 - 1), nanosec=nanosec)


def header(stamp: int, frame_id: str = "") -> Header:
    return Header(stamp=time_message(stamp), frame_id=frame_id)


def imu_message(sample: ImuSample, stamp: int, frame_id: str) -> Imu:
    """`stamp` replaces the sample's own [ns]. Orientation, and what the sample does not measure, is
    marked as not measured (covariance[0] = -1)."""
    message = Imu(header=header(stamp, frame_id))
    message.orientation_covariance[0] = -1.0
    for name in ("angular_velocity", "linear_acceleration"):
        vector, values = getattr(message, name), getattr(sample, name)
        if all(map(math.isnan, values)):
            getattr(message, f"{name}_covariance")[0] = -1.0
        else:
            vector.x, vector.y, vector.z = map(float, values)
    return message


def odometry_message(
    stamp: int, frame_id: str, x: float, y: float, yaw: float, speed: float
) -> Odometry:
    """A planar pose in `frame_id` and a forward speed in base_link."""
    message = Odometry(header=header(stamp, frame_id), child_frame_id="base_link")
    message.pose.pose.position.x, message.pose.pose.position.y = float(x), float(y)
    message.pose.pose.orientation.z, message.pose.pose.orientation.w = (
        math.sin(yaw / 2),
        math.cos(yaw / 2),
    )
    message.twist.twist.linear.x = float(speed)
    return message


def yaw(message: Odometry) -> float:
    """Heading [rad] of a planar pose."""
    turn = message.pose.pose.orientation
    return math.remainder(2 * math.atan2(turn.z, turn.w), 2 * math.pi)


def steering_type(name: str) -> type:
    """The message class of a name in `steering_types.STEERING`. Raises MissingDependencyError where
    its package is not installed."""
    try:
        if name == "ackermann":
            return importlib.import_module("ackermann_msgs.msg").AckermannDriveStamped
        if name == "autoware":
            return importlib.import_module("autoware_control_msgs.msg").Control
    except ImportError as error:
        package = STEERING[name].partition("/")[0]
        debian = f"ros-$ROS_DISTRO-{package.replace('_', '-')}"
        remedy = f"Install {debian} with apt, or choose twist_stamped."
        raise MissingDependencyError(package, remedy) from error
    return {"twist_stamped": TwistStamped, "twist": Twist}[name]


def type_name(kind: type) -> str:
    """The name of a message class in recordings: geometry_msgs/msg/TwistStamped."""
    return f"{kind.__module__.partition('.')[0]}/msg/{kind.__name__}"


def action_message(action: Action, kind: type, vehicle: VehicleConfig):
    """An action as a message of class `kind`, with the stamp of its frame where it has one."""
    return _steering(
        kind,
        action.stamp_ns,
        action.curvature,
        steering_angle(action.curvature, vehicle),
        action.speed,
    )


def command_message(command: Command, kind: type, vehicle: VehicleConfig):
    """A command as a message of class `kind`. Its stamp, where it has one, is the time of issue:
    controllers judge by it whether a command is still valid. The stamp of the frame behind it is in
    the gate's verdict."""
    return _steering(
        kind,
        command.issued_ns,
        curvature(command.steering_angle, vehicle),
        command.steering_angle,
        command.speed,
    )


def action_from_message(
    message, vehicle: VehicleConfig, received_ns: int, held_curvature: float = 0.0
) -> Action:
    """The action in a steering message; `received_ns` stands in for the stamp that a Twist lacks.

    Not-finite values come through as they are: judging them is the safety gate's job, and it does.
    """
    if isinstance(message, Twist):
        return Action(received_ns, curvature_of(message, held_curvature), message.linear.x)
    stamp = stamp_ns(getattr(message, "header", message).stamp)
    if isinstance(message, TwistStamped):
        return Action(stamp, curvature_of(message.twist, held_curvature), message.twist.linear.x)
    if hasattr(message, "lateral"):
        angle, speed = message.lateral.steering_tire_angle, message.longitudinal.velocity
    else:
        angle, speed = message.drive.steering_angle, message.drive.speed
    return Action(stamp, curvature(angle, vehicle), speed)


def command_from_message(
    message, vehicle: VehicleConfig, received_ns: int, held_angle: float = 0.0
) -> Command:
    """The command in a steering message, issued at its stamp, a Twist when it was received. The
    frame behind it is not in it: stamp 0."""
    action = action_from_message(message, vehicle, received_ns, curvature(held_angle, vehicle))
    return Command(0, action.stamp_ns, steering_angle(action.curvature, vehicle), action.speed)


def _steering(kind: type, stamp: int, bend: float, angle: float, speed: float):
    message = kind()
    if kind is Twist:
        message.linear.x, message.angular.z = float(speed), float(speed * bend)
        return message
    if hasattr(message, "lateral"):
        for each in (message, message.lateral, message.longitudinal):
            each.stamp = time_message(stamp)
        message.lateral.steering_tire_angle = float(angle)
        message.longitudinal.velocity = float(speed)
        return message
    message.header = header(stamp, "base_link")
    if kind is TwistStamped:
        message.twist.linear.x, message.twist.angular.z = float(speed), float(speed * bend)
    else:
        message.drive.speed, message.drive.steering_angle = float(speed), float(angle)
    return message
