"""Measurements: message to signals, for messages of ROS and of recordings alike. Pure functions of
any object with the message's attributes."""

from __future__ import annotations

from liquid_control.signals import ImuSample, SpeedSample


def stamp_ns(stamp) -> int:
    """builtin_interfaces Time as nanoseconds."""
    return stamp.sec * 1_000_000_000 + stamp.nanosec


def imu_sample(message) -> ImuSample:
    """sensor_msgs Imu; its orientation is not used."""
    rate, acceleration = message.angular_velocity, message.linear_acceleration
    return ImuSample(
        stamp_ns(message.header.stamp),
        (rate.x, rate.y, rate.z),
        (acceleration.x, acceleration.y, acceleration.z),
    )


def speed_sample(message) -> SpeedSample:
    """Forward speed of a nav_msgs Odometry."""
    return SpeedSample(stamp_ns(message.header.stamp), message.twist.twist.linear.x)
