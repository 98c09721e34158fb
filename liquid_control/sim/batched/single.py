"""One world of the twin behind the interfaces of MuJoCo's: the engine that `World` is given."""

from __future__ import annotations

import collections
import math

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.sim.batched import motion
from liquid_control.sim.batched.camera_cpu import draw
from liquid_control.sim.batched.looks import looks_of
from liquid_control.sim.batched.places import car_rows
from liquid_control.sim.batched.roads import road_table
from liquid_control.sim.batched.views import VIEW, focal_length, mounts, views
from liquid_control.sim.bodies.body import Pose
from liquid_control.sim.bodies.car_parameters import (
    CAMERA_PITCH,
    TO_REAR_AXLE,
    VEHICLE,
    CarParameters,
)
from liquid_control.sim.drawn import Drawn

_ROAD = np.zeros(1, np.int64)


class TwinCar:
    """What a world reads of its body, see `sim.bodies.body.Body`."""

    vehicle, to_rear_axle = VEHICLE, TO_REAR_AXLE

    def __init__(self, parameters: CarParameters, state: np.ndarray) -> None:
        self.parameters, self._state = parameters, state
        self.camera_pitch = CAMERA_PITCH + parameters.camera_pitch

    @property
    def steering_angle(self) -> float:
        """Of the steering motor, as that of `sim.bodies.car`."""
        return self._state.item(0, motion.STEERING)


class TwinPhysics:
    """As `sim.physics.Physics`, without MuJoCo. It draws the front camera alone."""

    focal_length = focal_length(1)

    def __init__(self, drawn: Drawn, trees: int) -> None:
        parameters = drawn.parameters
        self._state = np.zeros((1, motion.STATE))
        self._car = car_rows([parameters]).astype(np.float64)
        self._mount, self._view = mounts([parameters]), np.zeros((1, VIEW), np.float32)
        self.body = TwinCar(parameters, self._state)
        self._table = road_table([drawn.road], [drawn.plan])
        self._looks = looks_of([drawn], trees)
        self._acceleration = 0.0
        self._asked: collections.deque[float] = collections.deque()

    def place(self, x: float, y: float, yaw: float, speed: float) -> None:
        """See `Physics.place`."""
        motion.placed(self._state[0], x, y, yaw, speed)
        self._asked = collections.deque([0.0] * int(self._car[0, motion.DELAY]))

    def step(self, steering_angle: float, speed: float) -> None:
        """See `Physics.step`."""
        self._asked.append(float(steering_angle))
        before = self._state.item(0, motion.SPEED)
        motion.move(self._state, 0, self._car, self._asked.popleft(), float(speed))
        self._acceleration = (self._state.item(0, motion.SPEED) - before) / motion.STEP

    def bank(self, angle: float) -> None:
        """See `Physics.bank`."""
        self._car[0, motion.BANK] = angle

    def pose(self) -> Pose:
        """See `Physics.pose`."""
        x, y, yaw, speed = self._state[0, : motion.SPEED + 1].tolist()
        ahead = TO_REAR_AXLE
        return Pose(x + ahead * math.cos(yaw), y + ahead * math.sin(yaw), yaw, speed)

    def inertial(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Physics.inertial`."""
        state = self._state[0]
        turning = state[[motion.ROLL_RATE, motion.PITCH_RATE, motion.YAW_RATE]]
        ahead = self._acceleration - motion.GRAVITY * math.sin(state.item(motion.PITCH))
        return turning, np.array([ahead, state.item(motion.LATERAL), motion.GRAVITY])

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """See `Physics.render`. Raises ConfigError for another camera than `front`."""
        if camera != "front":
            raise ConfigError("camera", camera, "front: the twin draws no car")
        size = (1, height, width)
        image, depth = np.empty((*size, 3), np.uint8), np.empty(size, np.float32)
        table = self._table
        views(0, 1, self._state, self._mount, self._view)
        road = (_ROAD, table.rows, table.samples, table.stations, table.width)
        draw(0, 1, self._view, *road, self._looks, focal_length(height), depth, image)
        return image[0]

    def close(self) -> None:
        """See `Physics.close`."""


def twin_engine(drawn: Drawn, config: WorldConfig) -> TwinPhysics:
    """The engine of a world that MuJoCo does not compute. Raises ConfigError for shadows on the
    road, which the twin does not draw."""
    if drawn.appearance.shadows:
        raise ConfigError("condition", "shadows", "another one: the twin draws no shadows")
    return TwinPhysics(drawn, config.trees)
