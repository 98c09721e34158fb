"""An IMU's mounting: what it measures is brought to the vehicle's axes, on the robot and in
recordings alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_control.errors import ConfigError
from liquid_control.perception.mounting import AXES, ImuMounting
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import ImuSample

LEFT_BEND = ImuSample(7, (0.01, -0.02, 0.3), (0.5, 2.4, 9.81))
"""A bend to the left in body axes."""
SEEN = {
    "flu": LEFT_BEND,
    "body": LEFT_BEND,
    "frd": ImuSample(7, (0.01, 0.02, -0.3), (0.5, -2.4, -9.81)),
    "ned": ImuSample(7, (0.01, 0.02, -0.3), (0.5, -2.4, -9.81)),
    "rdf": ImuSample(7, (0.02, -0.3, 0.01), (-2.4, -9.81, 0.5)),
    "optical": ImuSample(7, (0.02, -0.3, 0.01), (-2.4, -9.81, 0.5)),
    "blu": None,
    "rfu": ImuSample(7, (0.02, 0.01, 0.3), (-2.4, 0.5, 9.81)),
}
"""What sensors with these axes measure in it; None: no sensor is left-handed."""

angles = st.floats(-math.pi, math.pi)


@pytest.mark.parametrize("axes", SEEN)
def test_what_sensors_measure_in_a_left_bend(axes):
    if SEEN[axes] is None:
        with pytest.raises(ConfigError, match="right-handed"):
            ImuMounting(axes)
    else:
        assert ImuMounting(axes).turn()(SEEN[axes]) == LEFT_BEND


@pytest.mark.parametrize("axes", ["", "fl", "flul", "ffu", "fbu", "xyz", "FLU", None, 3, ["f"]])
def test_what_are_no_axes_is_refused(axes):
    with pytest.raises(ConfigError):
        ImuMounting(axes)


def test_there_are_24_axes_and_each_is_a_rotation():
    assert len(set(AXES)) == 24
    for axes in AXES:
        turned = ImuMounting(axes).rotation
        np.testing.assert_array_equal(turned @ turned.T, np.eye(3))
        assert np.linalg.det(turned) == pytest.approx(1.0)


@given(st.sampled_from(AXES), angles, angles, angles)
def test_angles_turn_about_the_vehicles_fixed_axes_in_the_order_of_a_urdf(axes, roll, pitch, yaw):
    def about(axis: int, angle: float) -> np.ndarray:
        a, b = [k for k in range(3) if k != axis]
        sign = -1.0 if axis == 1 else 1.0
        turned = np.eye(3)
        turned[a, a] = turned[b, b] = math.cos(angle)
        turned[b, a], turned[a, b] = sign * math.sin(angle), -sign * math.sin(angle)
        return turned

    expected = about(2, yaw) @ about(1, pitch) @ about(0, roll) @ ImuMounting(axes).rotation
    np.testing.assert_allclose(ImuMounting(axes, roll, pitch, yaw).rotation, expected, atol=1e-12)
    assert ImuMounting("flu", 0.0, 0.1).rotation[2, 0] < 0  # positive pitch: its x points down


def test_an_imu_upside_down_is_turned_by_half_a_turn_of_roll():
    turned = ImuMounting(roll=math.pi).turn()(SEEN["frd"])
    np.testing.assert_allclose(turned.angular_velocity, LEFT_BEND.angular_velocity, atol=1e-12)
    np.testing.assert_allclose(turned.linear_acceleration, LEFT_BEND.linear_acceleration)


def test_nan_stays_in_the_axis_that_has_it():
    turned = ImuMounting("rdf").turn()(ImuSample(7, (math.nan, -0.3, 0.0), (0.0, -9.8, math.inf)))
    assert math.isnan(turned.angular_velocity[1]) and turned.angular_velocity[2] == 0.3
    assert turned.linear_acceleration == (math.inf, 0.0, 9.8)


def test_recordings_in_memory_are_turned_as_the_settings_say():
    settings = RecordingSettings(imu=ImuMounting("optical"))
    with InMemoryRecording([(9, SEEN["optical"])], settings) as recording:
        assert list(recording.samples()) == [(9, LEFT_BEND)]


def test_units_and_signs_of_gyro_and_accelerometer_are_scaled_apart():
    mounting = ImuMounting("frd", gyro_scale=math.pi / 180, acceleration_scale=9.81)
    sample = ImuSample(7, (10.0, 20.0, -30.0), (0.1, -0.2, -1.0))
    turned = mounting.turn()(sample)
    assert turned.angular_velocity == pytest.approx(
        (math.radians(10), math.radians(-20), math.radians(30))
    )
    assert turned.linear_acceleration == pytest.approx((0.981, 1.962, 9.81))
    assert ImuMounting(gyro_scale=-1.0).turn()(LEFT_BEND).angular_velocity == (-0.01, 0.02, -0.3)
