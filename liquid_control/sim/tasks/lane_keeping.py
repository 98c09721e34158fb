"""Lane keeping: drive along the centre of the right lane until the road ends."""

from __future__ import annotations

import math

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.control.vehicle import steering_angle
from liquid_control.model.car import lane_keeping
from liquid_control.sim.road import LANE_WIDTH, SPACING, Road
from liquid_control.sim.tasks.task import TaskWorld
from liquid_control.sim.truth import Truth

SCALE = driving_scale(VehicleConfig(), LANE_WIDTH)
"""Of a car in the simulated road's lane."""

DEPARTURE = SCALE.departure
"""A lane departure begins when the vehicle's centre is further than this from the lane's centre
[m]."""

OFF_ROAD = SCALE.off_road
"""The episode ends when the vehicle's centre is further than this from the lane's centre [m]."""

TURNED_AROUND = 0.3
"""It also ends when the cosine of the heading error is below this."""

SET_SPEED = 20.0
"""Commanded speed above every road's plan, so that the plan decides [m/s]."""

PUT_BACK_AHEAD = SCALE.put_back_ahead
"""A vehicle that left the road or stands still is put back on the lane's centre this far ahead
[m]."""

CURVATURE_AHEAD = SCALE.curvature_ahead
"""Distance ahead of the vehicle of the last auxiliary target [m]."""

LOOK_AHEAD_TIME = 0.65
SHORTEST_LOOK_AHEAD = SCALE.shortest_look_ahead
"""Of the expert [s], [m]."""


class LaneKeeping:
    """See `Task`. The action is the path's curvature; the world controls the speed."""

    spec = lane_keeping()
    action_limit = np.array([0.2], np.float32)
    set_speed = SET_SPEED

    def speed_plan(self, road: Road, cruise: float) -> np.ndarray:
        return speed_plan(road, cruise)

    def command(self, action: np.ndarray, vehicle: VehicleConfig) -> tuple[float, float]:
        (curvature,) = np.clip(action, -self.action_limit, self.action_limit).tolist()
        return steering_angle(0.0 if math.isnan(curvature) else curvature, vehicle), math.inf

    def expert(self, world: TaskWorld) -> np.ndarray:
        return np.array([expert_curvature(world)])

    def auxiliary(self, world: TaskWorld) -> tuple[float, float, float, float]:
        truth, curvature = world.truth, world.road.curvature
        ahead = min(int((truth.station + CURVATURE_AHEAD) / SPACING), len(curvature) - 1)
        return truth.lane_offset, truth.heading_error, truth.curvature, curvature[ahead]

    def reward(self, before: Truth, after: Truth) -> float:
        """Metres of progress, weighted from 1 on the lane's centre to 0 at the departure
        threshold."""
        progress = after.station - before.station
        return progress * max(0.0, 1.0 - abs(after.lane_offset) / DEPARTURE)

    def is_terminated(self, truth: Truth) -> bool:
        """The vehicle's centre has left the lane, or the vehicle has turned around."""
        return abs(truth.lane_offset) > OFF_ROAD or math.cos(truth.heading_error) < TURNED_AROUND


LANE_KEEPING = LaneKeeping()


def is_departing(truth: Truth) -> bool:
    """Whether the vehicle's centre is beyond the departure threshold; `is_terminated` is the wider
    one."""
    return abs(truth.lane_offset) > DEPARTURE


def expert_curvature(world: TaskWorld) -> float:
    """The expert's path curvature now [1/m]."""
    return pursue(world.road, world.truth, world.body.to_rear_axle)


def pursue(road: Road, truth: Truth, to_rear_axle: float) -> float:
    """Curvature [1/m] of the arc from the rear axle to the lane's centre ahead of it: pure pursuit.

    R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01.
    """
    distance = max(SHORTEST_LOOK_AHEAD, LOOK_AHEAD_TIME * truth.speed)
    cos, sin = math.cos(truth.yaw), math.sin(truth.yaw)
    x, y = truth.x - to_rear_axle * cos, truth.y - to_rear_axle * sin
    target_x, target_y, _, _ = road.at(truth.station - to_rear_axle + distance)
    ahead = (target_x - x) * cos + (target_y - y) * sin
    left = (target_y - y) * cos - (target_x - x) * sin
    return 2.0 * left / max(ahead * ahead + left * left, 1.0)


def speed_plan(
    road: Road,
    cruise: float,
    lateral_acceleration: float = 2.0,
    acceleration: float = 1.2,
    deceleration: float = 1.5,
) -> np.ndarray:
    """Speed (N,) [m/s] that keeps to `cruise`, to v² |curvature| <= lateral_acceleration, and to
    both slopes."""
    speed = np.minimum(
        cruise, np.sqrt(lateral_acceleration / np.maximum(np.abs(road.curvature), 1e-6))
    )
    for i in range(len(speed) - 2, -1, -1):
        speed[i] = min(speed[i], (speed[i + 1] ** 2 + 2 * deceleration * SPACING) ** 0.5)
    for i in range(1, len(speed)):
        speed[i] = min(speed[i], (speed[i - 1] ** 2 + 2 * acceleration * SPACING) ** 0.5)
    return speed
