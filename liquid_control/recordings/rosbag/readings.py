"""Speed and steering of each message type. Pure functions of messages, decoded ones and rclpy's;
recordings and the robot's nodes choose by these tables. Any other type is read by naming a field.

Signs are those of ROS (REP-103) and Autoware: left is positive. A steering wheel's angle, degrees,
or another sign are brought to the front wheels' radians by the settings' `steering_scale`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import curvature_of
from liquid_control.errors import MessageError
from liquid_control.recordings.rosbag.fields import number_reader
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import PlanarOdometry, is_measured, stamp_ns

Steering = tuple[float, float | None]
"""Front-wheel angle [rad], speed [m/s] where there is one."""

ODOMETRY = "nav_msgs/msg/Odometry"
PLAIN = (
    "std_msgs/msg/Float32",
    "std_msgs/msg/Float64",
    "autoware_internal_debug_msgs/msg/Float32Stamped",
    "autoware_internal_debug_msgs/msg/Float64Stamped",
    "tier4_debug_msgs/msg/Float32Stamped",
    "tier4_debug_msgs/msg/Float64Stamped",
)
"""A number, `data`."""


def _measured_speed(message) -> float:
    twist = message.twist
    return twist.twist.linear.x if is_measured(twist.covariance) else math.nan


SPEEDS: dict[str, Callable] = {
    ODOMETRY: _measured_speed,
    "geometry_msgs/msg/TwistWithCovarianceStamped": _measured_speed,
    "autoware_vehicle_msgs/msg/VelocityReport": lambda message: message.longitudinal_velocity,
    "autoware_auto_vehicle_msgs/msg/VelocityReport": lambda message: message.longitudinal_velocity,
    "geometry_msgs/msg/TwistStamped": lambda message: message.twist.linear.x,
    "ackermann_msgs/msg/AckermannDriveStamped": lambda message: message.drive.speed,
    "ackermann_msgs/msg/AckermannDrive": lambda message: message.speed,
    "geometry_msgs/msg/Twist": lambda message: message.linear.x,
    **dict.fromkeys(PLAIN, lambda message: message.data),
}
"""Readers of the forward speed [m/s], measured ones first: the order in which they are
preferred."""

SPEEDS_BY_NAME = ("ackermann_msgs/msg/AckermannDrive", "geometry_msgs/msg/Twist", *PLAIN)
"""Those that may as well hold something else: only read as a speed where they are named."""

ANGLES: dict[str, Callable] = {
    "ackermann_msgs/msg/AckermannDriveStamped": lambda message: (
        message.drive.steering_angle,
        message.drive.speed,
    ),
    "ackermann_msgs/msg/AckermannDrive": lambda message: (message.steering_angle, message.speed),
    "autoware_control_msgs/msg/Control": lambda message: (
        message.lateral.steering_tire_angle,
        message.longitudinal.velocity,
    ),
    "autoware_auto_control_msgs/msg/AckermannControlCommand": lambda message: (
        message.lateral.steering_tire_angle,
        message.longitudinal.speed,
    ),
    "autoware_control_msgs/msg/Lateral": lambda message: (message.steering_tire_angle, None),
    "autoware_auto_control_msgs/msg/AckermannLateralCommand": lambda message: (
        message.steering_tire_angle,
        None,
    ),
    "autoware_vehicle_msgs/msg/SteeringReport": lambda message: (message.steering_tire_angle, None),
    "autoware_auto_vehicle_msgs/msg/SteeringReport": lambda message: (
        message.steering_tire_angle,
        None,
    ),
}
"""Readers of a steering angle [rad] and, where there is one, of the speed [m/s]."""

TWISTS: dict[str, Callable] = {
    "geometry_msgs/msg/TwistStamped": lambda message: message.twist,
    "geometry_msgs/msg/Twist": lambda message: message,
}
"""Messages of a speed and a yaw rate."""

JOINTS = "sensor_msgs/msg/JointState"
STEERINGS = (*ANGLES, *TWISTS, *PLAIN, JOINTS)
ANGLE_TYPES = (*PLAIN, *ANGLES, JOINTS)
"""Those that hold an angle. A twist is none: its yaw rate says little at low speed."""


def own_stamp_ns(message) -> int | None:
    """The stamp in a message's header, or the message's `stamp` or `timestamp`; None for types
    without any."""
    if hasattr(message, "header"):
        return stamp_ns(message.header.stamp)
    stamp = getattr(message, "stamp", getattr(message, "timestamp", None))
    return stamp_ns(stamp) if hasattr(stamp, "nanosec") else None


def origin(message: object, stamp_ns: int) -> tuple[int, str]:
    """(the part below a second of a message's stamp as it was written, that of `stamp_ns` for types
    without stamps; the frame of what is measured, '' where the type names none)."""
    header = getattr(message, "header", None)
    stamp = getattr(header, "stamp", getattr(message, "stamp", None))
    frame = getattr(message, "child_frame_id", getattr(header, "frame_id", ""))
    return getattr(stamp, "nanosec", stamp_ns % 1_000_000_000), frame


def speed_reader(kind: str, field: str = "") -> Callable[[object], float]:
    """Reader of the forward speed in messages of type `kind`, or at the path `field` of any type;
    NaN where the message says that it is not measured."""
    if field:
        return number_reader(field)
    read = SPEEDS.get(kind)
    if read is None:
        raise MessageError(
            kind, "no speed can be read from this type; expected one of " + ", ".join(SPEEDS)
        )
    return lambda message: float(read(message))


def steering_reader(
    kind: str, settings: RecordingSettings, field: str = ""
) -> Callable[[object], Steering | None]:
    """Reader of messages of type `kind`: front-wheel angle and speed, None where the message does
    not say (standstill, another joint). `field`: path of the angle in messages of any type.

    The settings' `steering_scale` multiplies the recorded number; in a twist that is angular.z, a
    yaw rate or an angle as `twist_steering` says.
    """
    scale, joint = settings.steering_scale, settings.topics.joint
    if field:
        number = number_reader(field)
        return lambda message: (number(message) * scale, None)
    if kind in TWISTS and settings.twist_steering == "angle":
        part = TWISTS[kind]
        return lambda message: (part(message).angular.z * scale, part(message).linear.x)
    if kind in TWISTS:
        return _twist_reader(TWISTS[kind], settings.vehicle, scale)
    if kind == JOINTS:
        return lambda message: _joint_angle(message, joint, scale)
    if kind in PLAIN:
        return lambda message: (message.data * scale, None)
    read = ANGLES.get(kind)
    if read is None:
        raise MessageError(
            kind, "no steering can be read from this type; expected one of " + ", ".join(STEERINGS)
        )

    def scaled(message) -> Steering:
        angle, speed = read(message)
        return angle * scale, speed

    return scaled


def _twist_reader(
    part: Callable, vehicle: VehicleConfig, scale: float
) -> Callable[[object], Steering]:
    """Below creeping speed the angle before is held, as the robot's nodes do. The vehicle's largest
    angle is not applied, so that a wrong unit can be detected."""
    held = 0.0

    def read(message) -> Steering:
        nonlocal held
        twist = part(message)
        bend = curvature_of(twist, held)
        if math.isfinite(bend):
            held = bend
        return math.atan(vehicle.wheelbase * bend * scale), twist.linear.x

    return read


def planar(kind: str, message) -> PlanarOdometry | None:
    """Pose and the rest of the twist of an Odometry, None of other types."""
    if kind != ODOMETRY:
        return None
    position, turn = message.pose.pose.position, message.pose.pose.orientation
    # Products, because a power raises OverflowError for the numbers of a damaged message.
    across = turn.y * turn.y + turn.z * turn.z
    yaw = math.atan2(2.0 * (turn.w * turn.z + turn.x * turn.y), 1.0 - 2.0 * across)
    twist = message.twist.twist
    return PlanarOdometry(position.x, position.y, yaw, twist.linear.y, twist.angular.z)


def no_joint(joint: str, joints: Collection[str]) -> str:
    """Why messages of these joints give no steering."""
    if joint in joints:
        return f"joint {joint} has no position"
    named = f"no joint of the name {joint}" if joint else "the steering joint is not named"
    return f"{named}; there are: {', '.join(joints) or 'none'} (--topics.joint)"


def _joint_angle(message, joint: str, scale: float) -> Steering | None:
    names = list(message.name)
    at = names.index(joint) if joint in names else -1
    return (float(message.position[at]) * scale, None) if 0 <= at < len(message.position) else None
