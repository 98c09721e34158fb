"""The kinematic bicycle: path curvature, angle of the front wheels, and the yaw rate of a twist.

tan(steering angle) = wheelbase x curvature; Rajamani, Vehicle Dynamics and Control, section 2.2.
"""

from __future__ import annotations

import math

from liquid_control.config import VehicleConfig

CREEP = 0.05
"""Speed [m/s] below which a twist does not determine the curvature."""


def steering_angle(curvature: float, vehicle: VehicleConfig) -> float:
    """Front-wheel angle [rad] for a path of `curvature` [1/m], within the vehicle's largest angle;
    NaN for NaN."""
    return _within(math.atan(vehicle.wheelbase * curvature), vehicle.max_steering_angle)


def curvature(steering_angle: float, vehicle: VehicleConfig) -> float:
    """Path curvature [1/m] at a front-wheel angle [rad], which is first limited to the vehicle's
    largest angle; NaN for NaN."""
    return math.tan(_within(steering_angle, vehicle.max_steering_angle)) / vehicle.wheelbase


def curvature_of(twist, held: float) -> float:
    """Path curvature [1/m] of a geometry_msgs Twist whose angular.z is a yaw rate (Nav2's
    convention), `held` below CREEP."""
    return held if abs(twist.linear.x) < CREEP else twist.angular.z / twist.linear.x


def _within(angle: float, bound: float) -> float:
    return angle if math.isnan(angle) else min(max(angle, -bound), bound)
