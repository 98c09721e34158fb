"""A full-size four-wheel car: suspension, tyres in contact, Ackermann steering with delay and
lag."""

from __future__ import annotations

import collections
import math
from importlib import resources

from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.bodies.car_parameters import (
    CAMERA_FORWARD,
    CAMERA_PITCH,
    MASS,
    MAX_ACCELERATION,
    MAX_BRAKING,
    SPEED_GAIN,
    STEERING_RATE,
    TO_REAR_AXLE,
    TRACK,
    VEHICLE,
    WHEEL_RADIUS,
    WHEELBASE,
    CarParameters,
    draw_car,
)
from liquid_control.sim.bodies.mounting import mount_camera
from liquid_control.sim.rendering import mujoco

WHEELS = ("fl", "fr", "rl", "rr")


class Car:
    """See `Body`. Elements of assets/vehicle.xml are found by name."""

    vehicle, to_rear_axle = VEHICLE, TO_REAR_AXLE
    draw = staticmethod(draw_car)

    def __init__(self, parameters: CarParameters) -> None:
        self.parameters = parameters
        self.camera_pitch = CAMERA_PITCH + parameters.camera_pitch
        self.steering_angle = 0.0
        self._delay = round(parameters.steering_delay / TIMESTEP) + 1
        self._commands: collections.deque[float] = collections.deque([0.0] * self._delay)

    @staticmethod
    def model_xml() -> str:
        return resources.files("liquid_control.sim").joinpath("assets/vehicle.xml").read_text()

    def attach(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        self._data, drawn = data, self.parameters
        self._steer = [model.actuator(n).id for n in ("steer_left", "steer_right")]
        drives = [model.actuator(f"drive_{wheel}").id for wheel in WHEELS]
        self._drive = slice(drives[0], drives[-1] + 1)
        self._spins = [model.joint(f"spin_{wheel}").dofadr[0] for wheel in WHEELS]
        for name in ("floor", *(f"tyre_{wheel}" for wheel in WHEELS)):
            model.geom_friction[model.geom(name).id, 0] = drawn.friction
        position = (CAMERA_FORWARD, drawn.camera_left, drawn.camera_height - WHEEL_RADIUS)
        mount_camera(
            model, "front", position, self.camera_pitch, drawn.camera_yaw, drawn.camera_roll
        )
        if drawn.wheelbase != WHEELBASE:
            self._stretch(model, drawn.wheelbase)

    def place(self, x: float, y: float, yaw: float, speed: float) -> None:
        data = self._data
        data.qpos[:7] = (
            x - TO_REAR_AXLE * math.cos(yaw),
            y - TO_REAR_AXLE * math.sin(yaw),
            0.32,
            math.cos(yaw / 2),
            0,
            0,
            math.sin(yaw / 2),
        )
        data.qvel[:2] = speed * math.cos(yaw), speed * math.sin(yaw)
        data.qvel[self._spins] = speed / WHEEL_RADIUS
        self.steering_angle = 0.0
        self._commands = collections.deque([0.0] * self._delay)

    def command(self, steering_angle: float, speed: float, measured: float) -> None:
        """Ackermann angles of both front wheels behind delay, lag and rate limit; equal torque on
        all four wheels from a proportional speed control."""
        drawn, ctrl = self.parameters, self._data.ctrl
        self._commands.append(steering_angle)
        delayed = self._commands.popleft()
        change = (delayed - self.steering_angle) * min(1.0, TIMESTEP / drawn.steering_lag)
        self.steering_angle += min(max(change, -STEERING_RATE * TIMESTEP), STEERING_RATE * TIMESTEP)
        tan = math.tan(self.steering_angle)
        half = TRACK / (2 * drawn.wheelbase) * tan
        ctrl[self._steer[0]] = math.atan(tan / (1 - half))
        ctrl[self._steer[1]] = math.atan(tan / (1 + half))
        acceleration = min(max(SPEED_GAIN * (speed - measured), -MAX_BRAKING), MAX_ACCELERATION)
        ctrl[self._drive] = acceleration * MASS * WHEEL_RADIUS / 4

    def position(self) -> tuple[float, float, float]:
        x, y, _, w, i, j, k = self._data.qpos[:7].tolist()
        yaw = math.atan2(2 * (w * k + i * j), 1 - 2 * (j * j + k * k))
        return x + TO_REAR_AXLE * math.cos(yaw), y + TO_REAR_AXLE * math.sin(yaw), yaw

    def _stretch(self, model: mujoco.MjModel, wheelbase: float) -> None:
        """Moves the front axle, and the centre of mass with it by the same share."""
        for name in ("front_left", "front_right"):
            model.body_pos[model.body(name).id, 0] = wheelbase
        model.body_ipos[model.body("car").id, 0] *= wheelbase / WHEELBASE
        mujoco.mj_setConst(model, self._data)
