"""The twin's car against MuJoCo's, and its two implementations against each other."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from liquid_control.config import WorldConfig
from liquid_control.sim.batched import motion, motion_torch
from liquid_control.sim.batched.places import car_rows
from liquid_control.sim.batched.roads import road_table
from liquid_control.sim.bodies import body
from liquid_control.sim.bodies.car import Car
from liquid_control.sim.physics import Physics
from liquid_control.sim.road import SPACING, build_road
from liquid_control.sim.tasks.lane_keeping import speed_plan
from liquid_control.sim.world import START_STATION, World

SWERVES = {
    "sine": (10.0, lambda t: 0.08 * math.sin(math.pi * t)),
    "steps": (14.0, lambda t: 0.03 if t < 1.0 else -0.03),
    "sharp": (8.0, lambda t: 0.15 * math.sin(math.pi * t / 0.75)),
}
"""Speed [m/s] and front-wheel angle [rad] by time [s]."""
WITHIN = {
    "along": 0.04,
    "across": 0.02,
    "yaw": 0.003,
    "speed": 0.05,
    "yaw_rate": 0.02,
    "roll": 0.007,  # of a wheelbase of 2.6 m 0.001
}
"""Largest differences in a swerve of 2 s [m], [rad], [m/s], [rad/s]."""


@pytest.fixture
def place():
    """Puts MuJoCo's car of seed 3, with changes, on the level at a speed; and gives its drawn
    values. A car changes its model, so that each has its own."""
    small = WorldConfig(length=60.0, trees=0, image_height=8, image_width=16)
    world = World(small, seed=3)

    def make(speed, **changes):
        drawn = dataclasses.replace(world.body.parameters, **changes)
        physics = Physics(world.physics.model, world.appearance, Car(drawn))
        physics.place(0.0, 0.0, 0.0, speed)
        return physics, drawn

    yield make
    world.close()


@pytest.mark.parametrize("name", SWERVES)
@pytest.mark.parametrize("wheelbase", [2.6, 3.4])
def test_a_swerve_is_that_of_mujocos_car(place, name, wheelbase):
    speed, angle = SWERVES[name]
    physics, drawn = place(speed, wheelbase=wheelbase)
    state, car = np.zeros((1, motion.STATE)), car_rows([drawn])
    motion.placed(state[0], 0.0, 0.0, 0.0, speed)
    asked, differences = [0.0] * int(car[0, motion.DELAY]), []
    for step in range(400):
        wanted = angle(step * motion.STEP)
        physics.step(wanted, speed)
        asked.append(wanted)
        motion.move(state, 0, car, asked.pop(0), speed)
        now = state[0]
        x, y, yaw = physics.body.position()
        (w, i, j, k), gyro = physics.data.qpos[3:7], physics.inertial()[0]
        ahead = motion.TO_REAR_AXLE
        differences.append(
            [
                now[motion.X] + ahead * math.cos(now[motion.YAW]) - x,
                now[motion.Y] + ahead * math.sin(now[motion.YAW]) - y,
                now[motion.YAW] - yaw,
                now[motion.SPEED] - physics.pose().speed,
                now[motion.YAW_RATE] - gyro[2],
                now[motion.ROLL] - math.atan2(2 * (w * i + j * k), 1 - 2 * (i * i + j * j)),
            ]
        )
    assert abs(y) > 1.0
    largest = dict(zip(WITHIN, np.abs(differences).max(0), strict=True))
    beyond = {key: largest[key] for key, bound in WITHIN.items() if largest[key] >= bound}
    assert not beyond


@pytest.mark.parametrize("bank, friction", [(0.05, 1.0), (0.0, 0.3)])
def test_steady_bends_read_the_same_on_banked_and_slippery_roads(place, bank, friction):
    physics, drawn = place(8.0, friction=friction)
    state, car = np.zeros((1, motion.STATE)), car_rows([drawn], bank)
    motion.placed(state[0], 0.0, 0.0, 0.0, 8.0)
    angle, found = math.atan(2.6 * 0.055), []
    for step in range(700):
        physics.bank(bank)
        physics.step(angle, 8.0)
        motion.move(state, 0, car, angle, 8.0)
        gyro, force = physics.inertial()
        if step >= 600:
            found.append([gyro[2], state[0, motion.YAW_RATE], force[1], state[0, motion.LATERAL]])
    yaw_rate, ours, lateral, our_lateral = np.mean(found, 0)
    assert ours == pytest.approx(yaw_rate, rel=0.03)
    assert our_lateral == pytest.approx(lateral, rel=0.04)


def test_the_constants_are_those_of_the_single_world():
    assert motion.STEP == body.TIMESTEP and motion.SPACING == SPACING
    from liquid_control.sim.batched.lane import START

    assert START == START_STATION


def test_projection_is_that_of_the_road():
    road = build_road(np.random.default_rng(4), 300.0)
    table = road_table([road, road], [road.x * 0.0] * 2)
    for station in np.arange(5.3, 290.0, 17.0):
        x, y, heading, _ = road.at(station)
        x, y = x - 1.5 * math.sin(heading), y + 1.5 * math.cos(heading)
        begin = table.samples
        found = motion.project(table.rows, begin, begin + begin - 1, x, y, station - 0.4)
        assert found[0] == pytest.approx(station, abs=0.03)
        assert found[1] == pytest.approx(1.5, abs=0.01)
        assert found[2] == pytest.approx(heading, abs=0.003)


def test_pytorch_gives_the_kernels_cars_and_gradients():
    rng, count = np.random.default_rng(0), 12
    roads = [build_road(rng, 100.0) for _ in range(3)]
    table = road_table(roads, [speed_plan(one, 11.0) for one in roads])
    road, clock = rng.integers(0, 3, count), rng.integers(0, 50, count)
    state, means = np.zeros((count, motion.STATE), np.float32), np.zeros((count, 2), np.float32)
    car = np.tile(np.array([[3.0, 0.08, 2.6, 0.9, 0.02]], np.float32), (count, 1))
    for row in range(count):
        x, y, heading, _ = roads[road[row]].at(20.0 + row)
        motion.placed(state[row], x, y, heading, 9.0)
        state[row, motion.STATION] = 20.0 + row
    starts = np.sort(clock[:, None] + rng.integers(-9, 9, (count, 3)), 1)
    angles = rng.normal(0.0, 0.05, (count, 3)).astype(np.float32)
    steps = rng.integers(1, 20, count)
    tensors = [torch.tensor(one) for one in (state, car, table.rows)]
    asked = torch.tensor(angles, requires_grad=True)
    after, averaged = motion_torch.advance(
        *tensors, table.samples, *(torch.tensor(one) for one in (road, clock, steps, starts)), asked
    )
    for row in range(count):
        place = (table.rows, table.samples, road[row], clock[row], steps[row])
        motion.advance(row, state, car, *place, starts, angles, means)
    assert np.allclose(after.detach().numpy(), state, atol=2e-4)
    assert np.allclose(averaged.detach().numpy(), means, atol=2e-4)
    after[:, motion.YAW].sum().backward()
    assert torch.isfinite(asked.grad).all() and asked.grad.abs().sum() > 0
