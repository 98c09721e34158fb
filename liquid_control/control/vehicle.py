"""The kinematic bicycle: between the curvature that the policy asks for and the angle of this
vehicle's front wheels.

tan(steering angle) = wheelbase x curvature; Rajamani, Vehicle Dynamics and Control, section 2.2.
"""

from __future__ import annotations

import math

from liquid_control.config import VehicleConfig


def steering_angle(curvature: float, vehicle: VehicleConfig) -> float:
    """Front-wheel angle [rad] that drives a path of `curvature` [1/m], within what the vehicle can
    take; NaN answers NaN."""
    return _within(math.atan(vehicle.wheelbase * curvature), vehicle.max_steering_angle)


def curvature(steering_angle: float, vehicle: VehicleConfig) -> float:
    """Path curvature [1/m] at a front-wheel angle [rad], which is first brought within what the
    vehicle can take; NaN answers NaN."""
    return math.tan(_within(steering_angle, vehicle.max_steering_angle)) / vehicle.wheelbase


def _within(angle: float, bound: float) -> float:
    return angle if math.isnan(angle) else min(max(angle, -bound), bound)
