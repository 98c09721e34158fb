"""Keeping to the lane of a recorded path: drive as the driver did, and return from beside its
middle, which is his line where nothing else is known."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.driving_scale import DrivingScale
from liquid_control.control.vehicle import steering_angle
from liquid_control.model.car import chooses_speed, lane_keeping
from liquid_control.recordings.driven_speed import AHEAD
from liquid_control.sim.road import Road
from liquid_control.sim.tasks.lane_keeping import LOOK_AHEAD_TIME
from liquid_control.sim.truth import Truth

LARGEST_HEADING_ERROR = 0.6
"""The camera then sees little of what the recorded one saw [rad]."""
NEAREST_AIM = 0.25
"""The point to steer to counts as no nearer than this share of the look-ahead."""
LEAD = AHEAD
"""The expert chooses the speed of where the vehicle is this much later [s], as recorded targets
are."""
SPEED_RESERVE = 1.2
"""Set speed over the largest recorded one, so that the recording decides."""


class RecordedTaskWorld(Protocol):
    """What the task reads of a world. `command`: the driver's curvature here [1/m].
    `response_gain`: curvature that the vehicle drives per commanded one."""

    road: Road

    @property
    def truth(self) -> Truth: ...

    @property
    def command(self) -> float: ...

    @property
    def response_gain(self) -> float: ...

    def predicted(self) -> tuple[float, float, float]:
        """Station [m], offset [m] and heading error [rad] from the path when a command of now takes
        effect."""
        ...

    def middle_at(self, station: float) -> float:
        """How far to the left of the path the lane's middle is [m]."""
        ...

    def speed_at(self, station: float) -> float:
        """The driver's speed at a station [m/s]."""
        ...


class RecordedRoadTask:
    """See `Task`. The action is the path's curvature, and with `speed` the speed; else that is the
    recorded one. `inputs`: the measurements that the recording holds. `fastest` recorded speed
    [m/s]."""

    def __init__(
        self,
        scale: DrivingScale,
        vehicle: VehicleConfig,
        preprocess: PreprocessConfig,
        inputs: tuple[str, ...],
        fastest: float,
        speed: bool = False,
    ) -> None:
        largest = math.tan(vehicle.max_steering_angle) / vehicle.wheelbase
        self.scale, self.set_speed = scale, SPEED_RESERVE * fastest
        self.spec = lane_keeping(preprocess, inputs=inputs, speed=speed)
        limits = [largest, self.set_speed] if speed else [largest]
        self.action_limit = np.array(limits, np.float32)

    def speed_plan(self, road: Road, cruise: float) -> np.ndarray:
        """The recorded world has a speed of its own at each station; this is an upper limit."""
        return np.full(len(road.x), cruise)

    def command(self, action: np.ndarray, vehicle: VehicleConfig) -> tuple[float, float]:
        curvature, *chosen = np.clip(action, -self.action_limit, self.action_limit).tolist()
        cap = math.inf
        if chosen:
            cap = 0.0 if math.isnan(chosen[0]) else max(chosen[0], 0.0)
        return steering_angle(0.0 if math.isnan(curvature) else curvature, vehicle), cap

    def expert(self, world: RecordedTaskWorld) -> np.ndarray:
        """The driver's command here, and the difference between pure pursuit of the lane's middle
        and of his own line: exactly the recorded command without an error on a line in the middle.
        The error is the one that is there when the command takes effect. The speed, where it is an
        action, is the driver's at the place `LEAD` seconds ahead."""
        limit = float(self.action_limit[0])
        wanted = world.command + self._correction(world) / world.response_gain
        curvature = min(max(wanted, -limit), limit)
        if not chooses_speed(self.spec):
            return np.array([curvature])
        truth = world.truth
        return np.array([curvature, world.speed_at(truth.station + LEAD * max(truth.speed, 0.0))])

    def auxiliary(self, world: RecordedTaskWorld) -> tuple[float, float, float, float]:
        truth = world.truth
        _, _, _, ahead = world.road.at(truth.station + self.scale.curvature_ahead)
        return truth.lane_offset, truth.heading_error, truth.curvature, ahead

    def reward(self, before: Truth, after: Truth) -> float:
        """Metres of progress, weighted from 1 on the path to 0 at the departure threshold."""
        progress = after.station - before.station
        return progress * max(0.0, 1.0 - abs(after.lane_offset) / self.scale.departure)

    def is_terminated(self, truth: Truth) -> bool:
        """The vehicle is half a lane beside the path, or turned far off it."""
        return (
            abs(truth.lane_offset) > self.scale.off_road
            or abs(truth.heading_error) > LARGEST_HEADING_ERROR
        )

    def _correction(self, world: RecordedTaskWorld) -> float:
        """R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm",
        CMU-RI-TR-92-01: the arc to a point of the lane's middle from where the vehicle is, less the
        arc that the path takes from here to there."""
        station, offset, error = world.predicted()
        distance = max(self.scale.shortest_look_ahead, LOOK_AHEAD_TIME * world.truth.speed)
        x, y, heading, _ = world.road.at(station)
        aim_x, aim_y, aim_heading, _ = world.road.at(station + distance)
        least = (NEAREST_AIM * distance) ** 2
        beside = _moved(x, y, heading, offset)
        aim = _moved(aim_x, aim_y, aim_heading, world.middle_at(station + distance))
        return _arc(*beside, heading + error, *aim, least) - _arc(
            x, y, heading, aim_x, aim_y, least
        )


def _moved(x: float, y: float, heading: float, left: float) -> tuple[float, float]:
    return x - left * math.sin(heading), y + left * math.cos(heading)


def _arc(x: float, y: float, yaw: float, to_x: float, to_y: float, least: float) -> float:
    """Curvature [1/m] of the arc from a pose to a point, whose squared distance counts as no less
    than `least` [m²]."""
    dx, dy = to_x - x, to_y - y
    return 2.0 * (dy * math.cos(yaw) - dx * math.sin(yaw)) / max(dx * dx + dy * dy, least)
