"""Lane keeping at a speed that the policy chooses: slow in bends, quick elsewhere, and as gently
from one to the other as the plan of lane keeping is."""

from __future__ import annotations

import functools
import math

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.model.car import SPEED, chooses_speed, lane_keeping
from liquid_control.model.spec import PolicySpec
from liquid_control.sim.road import SPACING, Road
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING, SET_SPEED, expert_curvature
from liquid_control.sim.tasks.task import Task, TaskWorld
from liquid_control.sim.truth import Truth

FASTEST = 15.0
"""Speed that the expert chooses on a long straight [m/s], where the set speed is no lower."""
LEAD = 0.5
"""The expert chooses the speed of where the vehicle is this much later [s]: so late a car's speed
control follows."""


class LaneAndSpeed:
    """See `Task`. The actions are the path's curvature and the speed."""

    spec = lane_keeping(speed=True)
    action_limit = np.array([0.2, SPEED.high], np.float32)
    set_speed = SET_SPEED

    def speed_plan(self, road: Road, cruise: float) -> np.ndarray:
        """The expert's speed; the world does not keep to it, since the policy chooses."""
        return LANE_KEEPING.speed_plan(road, cruise)

    def command(self, action: np.ndarray, vehicle: VehicleConfig) -> tuple[float, float]:
        angle, _ = LANE_KEEPING.command(action[:1], vehicle)
        speed = float(action[1])
        return angle, 0.0 if math.isnan(speed) else min(max(speed, 0.0), SPEED.high)

    def expert(self, world: TaskWorld) -> np.ndarray:
        return np.array([expert_curvature(world), expert_speed(world.road, world.truth)])

    def auxiliary(self, world: TaskWorld) -> tuple[float, ...]:
        return LANE_KEEPING.auxiliary(world)

    def reward(self, before: Truth, after: Truth) -> float:
        """That of lane keeping."""
        return LANE_KEEPING.reward(before, after)

    def is_terminated(self, truth: Truth) -> bool:
        return LANE_KEEPING.is_terminated(truth)


LANE_AND_SPEED = LaneAndSpeed()


def task_of(spec: PolicySpec) -> Task:
    """The task of a car's policy: the world controls the speed unless the policy chooses it."""
    return LANE_AND_SPEED if chooses_speed(spec) else LANE_KEEPING


def expert_speed(road: Road, truth: Truth) -> float:
    """The expert's choice [m/s]: his plan's speed `LEAD` seconds ahead. The set speed is not in it:
    the plan for a lower one is the smaller of both."""
    station = truth.station + LEAD * max(truth.speed, 0.0)
    plan = _plan(road)
    return float(np.interp(station, SPACING * np.arange(len(plan)), plan))


@functools.lru_cache(maxsize=4)
def _plan(road: Road) -> np.ndarray:
    """Of the road, without a set speed (N,) [m/s]. Roads are equal only to themselves."""
    return LANE_KEEPING.speed_plan(road, FASTEST)
