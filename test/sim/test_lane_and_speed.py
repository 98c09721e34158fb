"""The task in which the policy chooses the speed: its expert keeps to comfort, the world obeys."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.control.controller import COMFORT, Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.model.car import SPEED, lane_keeping
from liquid_control.model.spec import names
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.collect import DriveJob, simulate
from liquid_control.sim.drive import drive
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.road import SPACING, build_road
from liquid_control.sim.tasks.lane_and_speed import FASTEST, LANE_AND_SPEED, expert_speed, task_of
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING, speed_plan
from liquid_control.sim.world import World

SMALL = WorldConfig(length=150.0, trees=0, image_height=16, image_width=32)
SEEN = PreprocessConfig(height=16, width=32)


@pytest.mark.parametrize("seed", range(5))
def test_the_plan_keeps_to_lateral_and_longitudinal_acceleration(seed):
    road = build_road(np.random.default_rng(seed), 400.0)
    plan = speed_plan(road, FASTEST)
    assert plan.max() <= FASTEST
    assert (plan**2 * np.abs(road.curvature)).max() <= 2.0 + 1e-9
    change = np.diff(plan**2) / (2 * SPACING)
    assert change.max() <= 1.2 + 1e-9 and change.min() >= -1.5 - 1e-9
    lower = speed_plan(road, 9.0)
    assert np.allclose(lower, np.minimum(plan, 9.0)), "so the set speed need not be learned"


def test_the_expert_drives_at_its_plan_and_its_comfort_and_the_world_obeys():
    """Without the controller's own limit in bends: the expert keeps to it by its speed alone."""
    world = World(SMALL, 4, held_out=True, task=LANE_AND_SPEED)
    controller = Controller(
        ExpertRuntime(world, SEEN), speed=world.set_speed, comfort_lateral_acceleration=20.0
    )
    rows = [
        (step.truth.stamp_ns, step.truth.yaw, step.truth.speed, step.truth.speed_limit)
        for step in drive(world, controller, SafetyGate(vehicle=VEHICLE))
    ]
    stamp, yaw, speed, plan = np.array(rows[200::10]).T
    lateral = np.abs(np.diff(yaw) / np.diff(stamp * 1e-9) * speed[1:])
    assert np.abs(speed - plan).max() < 0.6 and np.ptp(plan) > 1.0
    assert 1.0 < lateral.max() < COMFORT
    world.place(60.0)
    for _ in range(450):
        world.advance(0.0, 3.0)
    assert world.truth.speed == pytest.approx(3.0, abs=0.1)
    world.place(15.0, speed=0.0)
    assert expert_speed(world.road, world.truth) > 5.0, "a standing vehicle is to drive off"
    for _ in range(300):
        world.advance(0.0, world.cruise + 30.0)
    assert 4.0 < world.truth.speed <= world.cruise + 0.1
    world.close()


def test_a_task_follows_from_what_a_policy_gives():
    assert task_of(lane_keeping()) is LANE_KEEPING
    assert task_of(lane_keeping(speed=True)) is LANE_AND_SPEED
    angle, speed = LANE_AND_SPEED.command(np.array([0.1, np.nan]), VEHICLE)
    assert speed == 0.0 and angle > 0.0
    assert LANE_AND_SPEED.command(np.array([0.1, 90.0]), VEHICLE)[1] == SPEED.high


def test_a_drive_of_the_expert_teaches_both_and_begins_slowly_or_not():
    first = []
    for seed in (0, 11):
        job = DriveJob(seed, SEEN, WorldConfig(length=55.0, trees=0), 0.02, task="lane_and_speed")
        episode = simulate(job)
        assert names(episode.spec.actions) == ("curvature", "speed") and episode.known.all()
        speed = episode.action[:, 1]
        assert 2.0 < speed.min() and speed.max() <= FASTEST
        first.append(episode.measurements[2, 2])
    assert first[1] < 0.6 * first[0]


def test_the_environment_has_two_actions():
    env = gymnasium.make("liquid_control/LaneAndSpeed-v0", world=SMALL, preprocessing=SEEN)
    _, info = env.reset(seed=2)
    assert env.action_space.shape == (2,) and info["expert_speed"] > 3.0
    for _ in range(10):
        _, _, terminated, _, info = env.step(info["expert_action"])
        assert not terminated
    env.close()
