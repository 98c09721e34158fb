"""Roads, vehicle, sensors and seeds: numbers that the rest of the package builds on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.errors import ConfigError
from liquid_control.signals import Frame, ImuSample, SpeedSample
from liquid_control.sim.appearance import STRATA, draw_appearance
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.road import SHARPEST_CURVATURE, SPACING, build_road
from liquid_control.sim.seeds import HELD_OUT, road_seed, streams
from liquid_control.sim.tasks.lane_keeping import expert_curvature, speed_plan
from liquid_control.sim.world import World

SMALL = WorldConfig(length=120.0, trees=5)


@pytest.mark.parametrize("seed", range(30))
def test_roads_are_smooth_bounded_and_never_meet_themselves(seed):
    road = build_road(np.random.default_rng(seed), 600.0)
    assert road.length >= 600.0
    assert np.abs(road.curvature).max() <= SHARPEST_CURVATURE + 1e-12
    assert np.abs(np.diff(road.curvature)).max() / SPACING < 2 * SHARPEST_CURVATURE / 7.0
    assert (np.diff(road.x) > 0).all()
    assert np.allclose(np.hypot(np.diff(road.x), np.diff(road.y)), SPACING, atol=1e-3)
    assert np.allclose(
        np.diff(road.heading), (road.curvature[1:] + road.curvature[:-1]) / 2 * SPACING
    )


def test_some_roads_reach_the_sharpest_bends_and_some_stay_gentle():
    sharpest = [
        np.abs(build_road(np.random.default_rng(seed), 600.0).curvature).max() for seed in range(40)
    ]
    assert max(sharpest) > 0.95 * SHARPEST_CURVATURE and min(sharpest) < 0.8 * SHARPEST_CURVATURE


@pytest.mark.parametrize("offset", [-1.7, 0.0, 2.5])
def test_projection_inverts_placing(offset):
    road = build_road(np.random.default_rng(4), 300.0)
    for station in np.arange(5.3, 290.0, 17.0):
        x, y, heading, _ = road.at(station)
        found, left = road.project(
            x - offset * math.sin(heading), y + offset * math.cos(heading), station - 2.0
        )
        assert found == pytest.approx(station, abs=0.03) and left == pytest.approx(offset, abs=0.01)


def test_who_is_beyond_an_end_of_the_road_is_held_at_it():
    """A blind vehicle once turned round, drove the road back past its beginning, and left the speed
    plan behind."""
    road = build_road(np.random.default_rng(0), 300.0)
    station = 12.0
    for x in np.arange(road.x[0] + 12.0, road.x[0] - 200.0, -0.5):
        station, _ = road.project(float(x), float(road.y[0]), station)
        assert 0.0 <= station <= road.length
    assert station == 0.0
    for away in np.arange(0.0, 100.0, 0.5):
        x, y, heading, _ = road.at(road.length)
        station, _ = road.project(
            x + away * math.cos(heading), y + away * math.sin(heading), road.length
        )
        assert station == pytest.approx(road.length, abs=1e-3)


def test_speed_plan_keeps_lateral_acceleration_and_slopes():
    road = build_road(np.random.default_rng(1), 600.0)
    plan = speed_plan(road, 14.0)
    assert plan.max() <= 14.0 and (plan**2 * np.abs(road.curvature) <= 2.0 + 1e-9).all()
    slope = np.diff(plan**2) / (2 * SPACING)
    assert slope.min() >= -1.5 - 1e-9 and slope.max() <= 1.2 + 1e-9


def test_no_training_seed_reaches_a_test_road():
    def draw(seed, held_out):
        return streams(seed, held_out, 1)[0].integers(2**63)

    training = {
        draw(seed, False)
        for seed in [*range(500), *(road_seed(s, i) for s in range(20) for i in range(20))]
    }
    testing = {draw(road_seed(s, i), True) for s in range(20) for i in range(20)}
    assert not training & testing and len(testing) == 400
    assert draw(HELD_OUT, False) not in testing
    for bad in (-1, 2**63, 1.5, True, None):
        with pytest.raises(ConfigError):
            streams(bad, False, 1)


def test_strata_separate_dark_and_bright():
    looks = [
        [draw_appearance(np.random.default_rng(i), stratum) for i in range(20)]
        for stratum in range(STRATA)
    ]
    assert (
        max(np.mean(look.asphalt) for look in looks[0])
        < 0.42
        < max(np.mean(look.asphalt) for look in looks[2])
    )
    assert max(look.ambient for look in looks[0]) <= 0.35 <= min(look.ambient for look in looks[4])


def test_sensors_have_irregular_time_drops_noise_and_the_right_signs():
    world = World(
        WorldConfig(length=400.0, trees=5, drop_share=0.1, image_width=64, image_height=32), seed=2
    )
    frames, imu, speeds, yaw_rates = [], [], [], []
    for _ in range(2000):
        truth = world.truth
        if truth.finished:
            break
        for event in world.advance(math.atan(2.6 * expert_curvature(world))):
            kind = {Frame: frames, ImuSample: imu, SpeedSample: speeds}[type(event)]
            kind.append(event)
            assert event.stamp_ns <= world.time_ns
        yaw_rates.append(world.truth.curvature * world.truth.speed)
    world.close()
    dt = np.diff([f.stamp_ns for f in frames]) * 1e-9
    assert dt.min() > 0.025 and len(np.unique(dt)) > 0.9 * len(dt)
    assert 0.05 < world.frames_dropped / (len(frames) + world.frames_dropped) < 0.16
    assert 1 / 31 < np.median(dt) < 1 / 19
    assert np.allclose(np.diff([s.stamp_ns for s in imu]), 10_000_000)
    z = [s.linear_acceleration[2] for s in imu]
    assert np.mean(z) == pytest.approx(9.81, abs=0.2) and np.std(z) > 0.05
    gyro = np.array([s.angular_velocity[2] for s in imu])
    assert np.corrcoef(gyro, yaw_rates)[0, 1] > 0.95
    lateral = np.array([s.linear_acceleration[1] for s in imu])
    assert np.corrcoef(lateral, yaw_rates)[0, 1] > 0.8
    assert frames[0].image.shape == (32, 64, 3) and frames[0].image.std() > 5


def test_expert_keeps_the_lane_of_held_out_roads_through_controller_and_gate():
    squares, metres = [], 0.0
    for road in range(4):
        world = World(
            WorldConfig(length=300.0, trees=0, stratum=road, image_width=64, image_height=32),
            road_seed(11, road),
            held_out=True,
        )
        runtime = ExpertRuntime(world, PreprocessConfig(height=32, width=64))
        offsets = []
        for moment in drive(world, Controller(runtime, speed=20.0), SafetyGate(vehicle=VEHICLE)):
            offsets.append(moment.truth.lane_offset)
            assert abs(moment.truth.lane_offset) < 0.5 and moment.truth.speed < 15.5
        squares += np.square(offsets).tolist()
        metres += world.truth.station - 12.0
        world.close()
    assert metres > 1100 and math.sqrt(np.mean(squares)) < 0.12


def test_commanded_speed_caps_the_drivers_foot():
    world = World(SMALL, seed=1)
    for _ in range(600):
        world.advance(math.atan(2.6 * expert_curvature(world)), speed=0.0)
    assert abs(world.truth.speed) < 0.1
    world.close()


def test_worlds_config_refuses_what_it_cannot_do():
    for bad in (
        {"length": math.nan},
        {"cruise_low": 20.0},
        {"drop_share": 1.0},
        {"image_width": 64.5},
    ):
        with pytest.raises(ConfigError):
            WorldConfig(**bad)
