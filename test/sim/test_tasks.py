"""A task is one file and one row of a table: one with a second action, defined here, is a gymnasium
environment like the package's own."""

from __future__ import annotations

import math
import sys
import types

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from liquid_control.config import VehicleConfig, WorldConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.model.spec import Feature, PolicySpec
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.registration import register_environments
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING, OFF_ROAD, pursue, speed_plan
from liquid_control.sim.tasks.table import TASKS, load_task
from liquid_control.sim.truth import Truth

PACE = 5.0


class SlowDrive:
    """Keep a pace that the policy chooses itself; be stopped by nothing but a standstill."""

    spec = PolicySpec(
        LANE_KEEPING.spec.image,
        LANE_KEEPING.spec.measurements,
        (Feature("curvature", "1/m", mirror=-1), Feature("speed", "m/s", low=0.0, high=10.0)),
    )
    action_limit = np.array([0.2, 10.0], np.float32)

    def speed_plan(self, road, cruise):
        return speed_plan(road, cruise)

    def command(self, action: np.ndarray, vehicle: VehicleConfig) -> tuple[float, float]:
        curvature, speed = np.nan_to_num(action).tolist()
        return steering_angle(curvature, vehicle), speed

    def expert(self, world) -> np.ndarray:
        return np.array([pursue(world.road, world.truth, world.body.to_rear_axle), PACE])

    def auxiliary(self, world) -> tuple[float, ...]:
        return ()

    def reward(self, before: Truth, after: Truth) -> float:
        return -abs(after.speed - PACE)

    def is_terminated(self, truth: Truth) -> bool:
        return truth.speed < 0.1


@pytest.fixture
def slow_drive(monkeypatch):
    module = types.ModuleType("slow_drive_of_a_test")
    module.TASK = SlowDrive()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(TASKS, "slow_drive", "slow_drive_of_a_test:TASK")
    with gymnasium.envs.registration.namespace("liquid_control_test"):
        register_environments()
    yield "liquid_control_test/SlowDrive-v0"
    for name in [name for name in gymnasium.registry if name.startswith("liquid_control_test/")]:
        gymnasium.registry.pop(name)


def test_a_task_is_an_environment_with_its_own_actions_reward_and_end(slow_drive):
    env = gymnasium.make(slow_drive, world=WorldConfig(length=60.0, trees=5))
    check_env(env.unwrapped, skip_render_check=True)
    assert env.action_space.shape == (2,)
    _, info = env.reset(seed=3)
    assert info["expert_speed"] == PACE and "expert_curvature" in info
    for _ in range(120):
        _, reward, terminated, truncated, info = env.step(info["expert_action"])
        assert not terminated and not truncated
    assert -0.3 < reward < 0.0
    for _ in range(400):
        _, _, terminated, _, info = env.step(np.zeros(2, np.float32))
        if terminated:
            break
    assert terminated
    env.close()


def truth(**values) -> Truth:
    plain = dict.fromkeys(Truth.__dataclass_fields__, 0.0)
    return Truth(**plain | values)


def test_lane_keeping_rewards_progress_in_the_lane_and_ends_off_the_road_or_turned_around():
    task = load_task("lane_keeping")
    assert task.reward(truth(station=3.0), truth(station=5.0)) == 2.0
    assert task.reward(truth(station=3.0), truth(station=5.0, lane_offset=-0.25)) == 1.5
    assert task.reward(truth(station=3.0), truth(station=5.0, lane_offset=1.5)) == 0.0
    assert not task.is_terminated(truth(lane_offset=OFF_ROAD - 1e-6))
    assert task.is_terminated(truth(lane_offset=-OFF_ROAD - 1e-6))
    assert task.is_terminated(truth(heading_error=math.acos(0.29)))
    assert not task.is_terminated(truth(heading_error=math.acos(0.31)))


@pytest.mark.parametrize(
    ("action", "curvature"), [(0.1, 0.1), (1.0, 0.2), (-math.inf, -0.2), (math.nan, 0.0)]
)
def test_lane_keeping_has_a_command_for_any_action(action, curvature):
    angle, speed = LANE_KEEPING.command(np.array([action], np.float32), VEHICLE)
    assert angle == pytest.approx(math.atan(VEHICLE.wheelbase * curvature), abs=1e-6)
    assert speed == math.inf
