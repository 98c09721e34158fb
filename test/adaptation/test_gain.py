"""The vehicle's gain: found where there is one, and not imagined where a sensor or the road
errs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from adaptation_rides import VEHICLE, Ride, adapted
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.adaptation.adapter import Driver
from liquid_control.adaptation.gain import MEMORY, PRIOR, VehicleGain
from liquid_control.adaptation.steering import SteeringLog
from liquid_control.config import VehicleConfig

RIGHT = 2.6 / 3.4


def rms(values) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def test_a_longer_wheelbase_is_found_and_taken_out():
    ride = Ride(adapted()).run(240.0, RIGHT)
    gain = ride.runtime.gain
    assert gain.gain == pytest.approx(RIGHT, abs=0.02) and gain.used
    late = ride.errors[-1000:]
    assert rms(late) < 0.1 * rms([(RIGHT - 1.0) * asked for asked, _ in ride.outputs[-1000:]])


def test_a_small_robot_is_judged_by_its_own_scale():
    small = VehicleConfig(0.33, 0.4)
    ride = Ride(adapted(vehicle=small), speed=2.0, sharper=8.0).run(240.0, RIGHT)
    assert ride.runtime.gain.used and ride.runtime.gain.gain == pytest.approx(RIGHT, abs=0.02)
    slow = Ride(adapted(), speed=2.0, sharper=8.0).run(30.0, RIGHT)
    assert sum(slow.runtime.gain.counts) == 0 and slow.runtime.gain.refused["slow"] > 500


@pytest.mark.parametrize(
    "trouble",
    [
        {},
        {"bias": 0.05},
        {"bias": -0.2},
        {"disturbance": lambda at: 0.003},
        {"disturbance": lambda at: 0.0043 * (at % 40.0 > 20.0)},
    ],
    ids=["healthy", "gyro bias", "large gyro bias", "steering offset", "banked road"],
)
def test_a_healthy_vehicle_is_left_as_it_is_whatever_its_sensors_and_the_road_do(trouble):
    ride = Ride(adapted()).run(150.0, **trouble)
    gain = ride.runtime.gain
    assert gain.counted and not gain.used, gain.why
    assert gain.gain == pytest.approx(1.0, abs=0.05)
    assert all(np.float32(asked) == np.float32(given) for asked, given in ride.outputs)


def test_the_gain_stays_within_its_bounds_and_is_left_when_it_is_wrong():
    ride = Ride(adapted()).run(240.0, 0.5)
    assert ride.runtime.gain.gain == pytest.approx(0.7, abs=0.02) and ride.runtime.gain.used
    ride.run(150.0, 1.25)
    assert not ride.runtime.gain.used and ride.runtime.gain.gain > 0.7


def test_nothing_is_learnt_without_steering_slowly_or_right_after_engaging():
    for speed, road, engaged in ((10.0, 0.0, 0), (2.0, 0.03, 0), (10.0, 0.03, 10**12)):
        gain, log = VehicleGain(VEHICLE), SteeringLog()
        for frame in range(600):
            now, bend = frame * 50_000_000, road * math.sin(frame / 20)
            log.push(now, bend)
            gain.frame(now, 0.7 * bend * speed, speed, log, engaged)
        assert sum(gain.counts) == 0 and gain.factor == 1.0


def test_what_was_seen_within_two_seconds_before_a_takeover_is_not_learnt():
    gain, log, frames = VehicleGain(VEHICLE), SteeringLog(), []
    for frame in range(4000):
        now, bend = frame * 50_000_000, 0.03 * math.sin(frame / 20)
        if (
            frame % 100 == 0
        ):  # taken over every five seconds, of which the first three are too early
            gain.interrupt()
            log.reset()
            began = now
        log.push(now, bend)
        gain.frame(now, bend * 10.0, 10.0, log, began)
        frames.append(sum(gain.counts))
    assert frames[-1] == 0
    for frame in range(4000, 4200):
        now, bend = frame * 50_000_000, 0.03 * math.sin(frame / 20)
        log.push(now, bend)
        gain.frame(now, bend * 10.0, 10.0, log, began)
    assert sum(gain.counts) > 50


HOSTILE = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1e-300, 1e300, 0.05, -0.05, math.nan, math.inf]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(HOSTILE, HOSTILE, HOSTILE, st.integers(-(2**40), 2**40)), max_size=60))
def test_any_stream_leaves_the_gain_within_its_bounds(stream):
    gain, log, now = VehicleGain(VEHICLE), SteeringLog(), 0
    for yaw, speed, bend, step in stream:
        now += step
        log.push(now, bend)
        gain.frame(now, yaw, speed, log, 0)
        assert 0.7 <= gain.gain <= 1.3 and 1 / 1.3 <= gain.factor <= 1 / 0.7


def test_a_long_hostile_stream_keeps_gain_and_covariance_bounded():
    gain, log, rng = VehicleGain(VEHICLE), SteeringLog(), np.random.default_rng(1)
    kinds = rng.integers(0, 6, 400)
    noise = rng.standard_normal((20_000, 2))
    for frame in range(20_000):
        now, kind = frame * 50_000_000, kinds[frame // 50]
        bend = 0.05 * math.sin(frame / 15)
        log.push(now, bend)
        yaw = (bend, -bend, 5 * bend, 0.1 * noise[frame, 0], 0.0, bend)[kind] * 10.0
        if kind == 5 and frame % 7 == 0:
            yaw = math.nan
        gain.frame(now, yaw, 10.0 + (kind == 3) * 80 * abs(noise[frame, 1]), log, 0)
        assert 0.7 <= gain.gain <= 1.3
        if frame % 20:
            continue
        p11, p12, p22 = gain.covariance
        assert 1.0 / (MEMORY * 1e5) < p11 <= 1.0 / PRIOR and 0.0 < p22 <= 1.0 / PRIOR
        assert p11 * p22 >= p12 * p12


def test_what_was_learnt_survives_a_restart_and_a_reset_forgets_it():
    first = Ride(adapted()).run(120.0, RIGHT).runtime
    second = adapted()
    second.restore(json.loads(json.dumps(first.state())))
    assert second.gain.used and second.gain.gain == first.gain.gain
    assert second.gain.state() == first.gain.state()
    first.reset()
    assert first.gain.factor == 1.0 and first.driver is Driver.POLICY, "it learns on"
    second.reset()
    assert second.gain.factor == 1.0 and second.gain.state() == adapted().gain.state()
