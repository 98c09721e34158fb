"""The bicycle model: inverse of itself, within the vehicle's bound, total."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import curvature, curvature_of, steering_angle

CAR = VehicleConfig()


def test_a_car_of_2_6_m_on_a_bend_of_15_m_steers_9_8_degrees_left():
    assert math.degrees(steering_angle(1 / 15, CAR)) == pytest.approx(9.834, abs=1e-3)


@given(st.floats(-0.55, 0.55))
def test_the_two_directions_undo_each_other(angle):
    assert steering_angle(curvature(angle, CAR), CAR) == pytest.approx(angle, abs=1e-12)


@given(st.floats(allow_nan=False))
def test_any_input_stays_within_the_vehicle_and_keeps_its_sign(value):
    angle, bend = steering_angle(value, CAR), curvature(value, CAR)
    assert (
        abs(angle) <= CAR.max_steering_angle
        and abs(bend) <= math.tan(CAR.max_steering_angle) / CAR.wheelbase
    )
    assert angle * value >= 0 and bend * value >= 0


def test_nan_answers_nan():
    assert math.isnan(steering_angle(math.nan, CAR)) and math.isnan(curvature(math.nan, CAR))


def test_a_twist_means_the_yaw_rate_of_its_speed_and_keeps_the_bend_at_standstill():
    def twist(speed: float, yaw_rate: float) -> SimpleNamespace:
        return SimpleNamespace(linear=SimpleNamespace(x=speed), angular=SimpleNamespace(z=yaw_rate))

    assert curvature_of(twist(5.0, 0.5), held=7.0) == 0.1
    assert curvature_of(twist(-5.0, 0.5), held=7.0) == -0.1
    assert curvature_of(twist(0.04, 0.5), held=0.2) == 0.2
