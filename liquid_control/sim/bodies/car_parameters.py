"""The car's dimensions, and the values of one car that are drawn. Knows no engine."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import VehicleConfig

WHEELBASE = 2.6
"""Nominal distance between the axles [m]."""

VEHICLE = VehicleConfig(wheelbase=WHEELBASE)
"""The simulated car as controller and gate know it."""

TO_REAR_AXLE = 1.3
"""The pose is that of the car's centre, this far ahead of the rear axle [m]."""

TRACK = 1.56
MASS = 1240.0
WHEEL_RADIUS = 0.32

CAMERA_FORWARD = 1.7
"""Of the front camera, from the rear axle [m]."""

CAMERA_PITCH = 0.14
"""Nominal downward pitch of the front camera [rad]."""

STEERING_RATE = 1.2
"""Limit of the steering motor [rad/s]."""

MAX_BRAKING, MAX_ACCELERATION = 3.0, 1.8
"""Limits of the speed control [m/s²]."""

SPEED_GAIN = 2.0
"""Of the speed control: acceleration per error of the speed [1/s]."""


@dataclasses.dataclass(frozen=True)
class CarParameters:
    """Values of one car: camera pose errors, friction, steering dynamics, sensor errors."""

    camera_height: float
    camera_pitch: float
    camera_yaw: float
    camera_roll: float
    friction: float
    steering_delay: float
    steering_lag: float
    gyro_bias: tuple[float, float, float]
    accelerometer_bias: tuple[float, float, float]
    camera_left: float = 0.0
    wheelbase: float = WHEELBASE


def draw_car(rng: np.random.Generator) -> CarParameters:
    return CarParameters(
        camera_height=rng.uniform(1.25, 1.45),
        camera_pitch=rng.normal(0.0, 0.008),
        camera_yaw=rng.normal(0.0, 0.004),
        camera_roll=rng.normal(0.0, 0.008),
        friction=rng.uniform(0.7, 1.1),
        steering_delay=rng.uniform(0.0, 0.06),
        steering_lag=rng.uniform(0.04, 0.12),
        gyro_bias=tuple(rng.normal(0.0, 0.003, 3)),
        accelerometer_bias=tuple(rng.normal(0.0, 0.05, 3)),
    )
