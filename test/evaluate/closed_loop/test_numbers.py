"""A policy of lane numbers drives MuJoCo's world, and is given what the twin gives it."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.config import WorldConfig
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, drive_with
from liquid_control.evaluate.closed_loop.numbers import NumbersRuntime, reads_numbers
from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import names
from liquid_control.signals import Observation
from liquid_control.sim.batched.numbers import AHEAD, NOISE, NUMBERS, lane_numbers
from liquid_control.sim.world import World


class Steers:
    """A driver by hand: towards the lane's centre, and with the road."""

    spec, preprocess = lane_numbers(), None

    def __init__(self):
        self.seen = []

    def initial_state(self):
        return {}

    def step(self, observation, state):
        assert observation.image is None and observation.measurements.dtype == np.float32
        self.seen.append(observation.measurements)
        offset, heading, near = observation.measurements[:3]
        return np.array([near - 0.02 * offset - 0.25 * heading], np.float32), state


def test_a_driver_by_numbers_keeps_the_lane_in_mujoco():
    driver = Steers()
    found = drive_with(driver, RoadJob("clean", 3, 0, WorldConfig(length=80.0)))
    assert found.departures == found.off_road == 0 and found.distance_m > 60.0
    assert len(driver.seen) > 100 and found.lateral_rmse_m < 0.4


def test_the_numbers_are_those_of_the_world_with_the_noise_of_the_twin():
    driver, world = Steers(), World(WorldConfig(length=150.0, image_height=16, image_width=32), 5)
    world.place(40.0, lane_offset=0.3, heading_error=-0.1)
    runtime = NumbersRuntime(driver, world, np.random.default_rng(0))
    assert runtime.spec.image == runtime.preprocess and runtime.preprocess.height == 16
    assert names(runtime.spec.measurements) == names(NUMBERS[5:]) == ("yaw_rate", "speed")
    sensed = np.array([0.25, 11.0], np.float32)
    for index in range(400):
        runtime.step(Observation(index, np.zeros((16, 32, 3), np.uint8), sensed, 0.04, False), {})
    given = np.stack(driver.seen)
    ahead = [world.road.at(world.truth.station + distance)[3] for distance in AHEAD]
    assert given[:, :5].mean(0) == pytest.approx(
        [0.3, -0.1, *ahead], abs=5 * max(NOISE[:5]) / 400**0.5
    )
    assert given[:, :5].std(0) == pytest.approx(NOISE[:5], rel=0.15)
    assert (given[:, 5:] == sensed).all()
    world.close()


def test_policies_with_pictures_and_of_other_numbers_are_none_of_these():
    assert reads_numbers(lane_numbers()) and not reads_numbers(lane_keeping())
