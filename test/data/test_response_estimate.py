"""How a vehicle answers its steering, from the turning that its pictures or a gyro show."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from textured_ground import PERIOD, drive

from liquid_control.data.estimates.camera_estimate import estimate_camera
from liquid_control.data.estimates.response_estimate import ResponseEstimate, estimate_response
from liquid_control.data.estimates.visual_motion import steady, visual_motion
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import Track

SPEED, TICK = 2.0, 0.005


def answer(
    delay: float, gain: float, noise: float = 0.0, feedback: float = 0.0, lag: float = 0.3
) -> ResponseEstimate:
    """Of a vehicle that answers with dead time and a lag, whose driver corrects what it did."""
    rng = np.random.default_rng(3)
    count = round(60.0 / TICK)
    wanted = np.repeat(rng.normal(0.0, 0.4, count // 100 + 1), 100)[:count]
    dead = round((1.0 - lag) * delay / TICK)
    share = 1.0 - math.exp(-TICK / (lag * delay))
    command, curvature, state, drift = np.zeros(count), np.zeros(count), 0.0, 0.0
    for index in range(count):
        drift += -drift * TICK / 0.6 + noise * math.sqrt(TICK) * rng.standard_normal()
        past = curvature[max(index - 60, 0)] - wanted[max(index - 60, 0)]
        command[index] = wanted[index] / gain - feedback * past
        state += (gain * command[max(index - dead, 0)] * (index >= dead) - state) * share
        curvature[index] = state + drift
    stamp_ns = 10**18 + (np.arange(count) * TICK * 1e9).astype(np.int64)
    every = slice(None, None, 10)
    return estimate_response(
        Track(stamp_ns[every], command[every]),
        Track(stamp_ns[every], SPEED * curvature[every]),
        Track(stamp_ns[every], np.full(count, SPEED)[every]),
        "gyro",
        0.1,
    )


@pytest.mark.parametrize(("delay", "gain"), [(0.1, 1.0), (0.2, 1.6), (0.35, 0.7)])
def test_delay_and_gain_are_found_within_their_uncertainty(delay, gain):
    found = answer(delay, gain)
    assert found.delay.value == pytest.approx(delay, abs=0.02)
    assert found.gain.value == pytest.approx(gain, rel=0.1)
    assert found.delay.spread < 0.02 and found.gain.spread < 0.06 * gain
    assert found.correlation > 0.9 and found.remarks == ()


def test_a_driver_who_corrects_what_the_vehicle_did_does_not_make_it_slower():
    found = answer(0.2, 1.0, noise=0.15, feedback=0.3)
    assert found.delay.value == pytest.approx(0.2, abs=0.03)
    assert found.gain.value == pytest.approx(1.0, rel=0.15)


def test_what_does_not_follow_the_steering_is_not_told():
    opposite = answer(0.2, -1.0)
    assert math.isinf(opposite.delay.spread) and opposite.delay.value == 0.1
    assert opposite.gain.value == 1.0 and "other side" in opposite.remarks[0]
    stamp_ns = (np.arange(400) * PERIOD * 1e9).astype(np.int64)
    still = Track(stamp_ns, np.zeros(400))
    rng = np.random.default_rng(0)
    random, speed = Track(stamp_ns, rng.standard_normal(400)), Track(stamp_ns, np.ones(400))
    for yaw_rate in (still, Track(stamp_ns, rng.standard_normal(400))):
        found = estimate_response(random, yaw_rate, speed, "pictures", 0.1)
        assert found.delay.source == found.gain.source == "unknown" and found.remarks


def test_the_pictures_show_how_far_and_how_much_a_vehicle_moved():
    camera = GroundCamera.of_lens(90, 120, 1.5, 0.12, 0.25, 0.1)
    pictures, truth = drive(camera, SPEED, 1.2, frames=30)
    _, assumed = drive(camera, 1.5, 1.2, frames=30, known=False)  # too slow a speed assumed
    given = ("field_of_view", "height", "pitch", "forward")
    found = estimate_camera(pictures, assumed, camera, given, lens=False)
    seen = visual_motion(pictures, assumed, camera, found)
    assert np.array_equal(seen.pairs, np.stack([np.arange(29), np.arange(1, 30)], 1))
    assert np.median(seen.distance) == pytest.approx(SPEED * PERIOD, rel=0.05)
    turned = np.diff(truth.heading)
    assert np.abs(seen.turn - turned).max() < 0.1 * np.abs(turned).max()


def test_single_wrong_speeds_do_not_count_and_gaps_are_not_smoothed_over():
    stamp_ns = (np.arange(40) * PERIOD * 1e9).astype(np.int64)
    stamp_ns[20:] += 10**10
    speed = np.where(np.arange(40) < 20, 1.0, 3.0)
    wrong = speed.copy()
    wrong[[5, 30]] = 20.0
    assert steady(stamp_ns, wrong) == pytest.approx(speed)
