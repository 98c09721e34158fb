"""The speed that a recorded driver chose, and when it is none."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings, driven_curvature
from liquid_control.recordings.driven_speed import AHEAD, DrivenSpeed, driven_speed
from liquid_control.recordings.drivers import Driver, Drivers
from liquid_control.recordings.motion import Motion, Track

BEGIN, CAR = 10**18, VehicleConfig()
FRAMES = BEGIN + (np.arange(0, 60.0, 0.05) * 1e9).astype(np.int64)
SECONDS = (FRAMES - BEGIN) * 1e-9
MEASURED = BEGIN + (np.arange(0, 60.0, 0.02) * 1e9).astype(np.int64)


def chosen(speed, drivers=None, steering=lambda at: 0.02 * np.sin(at)) -> DrivenSpeed:
    """Of a drive with `speed(seconds)`."""
    at = (MEASURED - BEGIN) * 1e-9
    motion = Motion(
        speed=Track(MEASURED, np.broadcast_to(speed(at), at.shape).astype(float)),
        steering_angle=Track(MEASURED, steering(at)),
    )
    settings = CurvatureSettings()
    driven = driven_curvature(FRAMES, motion, settings, CAR)
    return driven_speed(FRAMES, motion, driven, drivers, settings, CAR)


def wave(at):
    return 8.0 + 3.0 * np.sin(0.5 * at)


def test_the_target_is_the_speed_a_moment_later():
    found = chosen(wave)
    known = np.isfinite(found.speed)
    assert found.frames == known.sum() > 0.97 * len(FRAMES) and not found.without
    assert np.abs(found.speed - wave(SECONDS + AHEAD))[known].max() < 0.05
    assert set(found.left_out) == {"no speed is measured"}, "of the last frames"


@pytest.mark.parametrize("speed", [5.0, 0.4])
def test_a_speed_that_never_changes_was_not_chosen(speed):
    found = chosen(lambda at: speed + 0.002 * np.sin(9 * at))
    assert found.frames == 0 and np.isnan(found.speed).all() and found.without
    if speed > 1.0:
        assert "constant (5 m/s): its driver did not choose it" in found.without


def test_a_standing_vehicle_and_one_that_reverses_teach_nothing():
    found = chosen(lambda at: np.where(at < 20, 0.0, np.where(at < 25, -3.0, wave(at))))
    assert np.isnan(found.speed[SECONDS < 24.4]).all()
    assert np.isfinite(found.speed[(SECONDS > 25.2) & (SECONDS < 59.0)]).all()
    assert found.left_out["reverse"] > 80 and found.left_out["the vehicle stands"] > 300


def test_where_the_gate_brakes_and_around_a_handover_nothing_is_chosen():
    seconds = {10: Driver.PERSON, 30: Driver.GATE, 34: Driver.PERSON, 0: Driver.POLICY}
    drivers = Drivers.of((BEGIN + at * 10**9, driver) for at, driver in seconds.items())
    found = chosen(wave, drivers)
    without = SECONDS[np.isnan(found.speed) & (SECONDS < 59.0)]
    assert found.left_out["the gate brakes"] == pytest.approx((4.0 + AHEAD) / 0.05, abs=2)
    handover = without[without < 20.0]
    assert len(handover) == pytest.approx(AHEAD / 0.05, abs=1)
    assert 10.0 - AHEAD - 0.05 <= handover.min() and handover.max() < 10.0


def test_no_speed_without_a_curvature():
    found = chosen(wave, steering=lambda at: np.where(at < 30.0, np.nan, 0.01))
    assert np.isnan(found.speed[SECONDS < 29.5]).all() and found.left_out["no curvature is known"]
