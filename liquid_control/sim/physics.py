"""The vehicle in MuJoCo: a four-wheel car with suspension, tyres in contact, steering delay and
lag. Knows no lane."""

from __future__ import annotations

import collections
import dataclasses
import math

import numpy as np

from liquid_control.sim.randomize import WHEELBASE, Body, Look
from liquid_control.sim.rendering import Renderer, mujoco

TIMESTEP = 0.005
TRACK = 1.56
MASS = 1240.0
WHEEL_RADIUS = 0.32
TO_CENTRE = 1.3
"""The vehicle's pose is that of its centre, this far ahead of the rear axle [m]."""

CAMERA_PITCH = 0.14
"""Nominal downward pitch of the front camera [rad]."""

FOG_START = 0.08
"""Fog begins at this share of the distance at which it hides everything."""

STEERING_RATE = 1.2
"""The steering motor's own limit [rad/s]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pose:
    """Planar state of the vehicle's centre."""

    x: float
    y: float
    yaw: float
    speed: float


class Physics:
    """One vehicle on one model. `step` advances TIMESTEP seconds; elements are found by name."""

    def __init__(self, model: mujoco.MjModel, look: Look, body: Body) -> None:
        self.model, self.data = model, mujoco.MjData(model)
        self._body = body
        self._renderer: Renderer | None = None
        self._pose: Pose | None = None
        self._gyro, self._accelerometer, self._velocity = (
            model.sensor(n).adr[0] for n in ("gyro", "accelerometer", "velocity")
        )
        self._steer = [model.actuator(n).id for n in ("steer_left", "steer_right")]
        self._drive = [
            model.actuator(n).id for n in ("drive_fl", "drive_fr", "drive_rl", "drive_rr")
        ]
        self._spins = [
            model.joint(n).dofadr[0] for n in ("spin_fl", "spin_fr", "spin_rl", "spin_rr")
        ]
        model.opt.timestep = TIMESTEP
        for name in ("floor", "tyre_fl", "tyre_fr", "tyre_rl", "tyre_rr"):
            model.geom_friction[model.geom(name).id, 0] = body.friction
        self._mount_camera(body)
        self._light(look)
        if body.wheelbase != WHEELBASE:
            self._stretch(body.wheelbase)
        self._steering_commands: collections.deque[float] = collections.deque(
            [0.0] * (round(body.steering_delay / TIMESTEP) + 1)
        )
        self.steering_angle = 0.0

    def place(self, x: float, y: float, yaw: float, speed: float) -> None:
        """Puts the vehicle's centre at a pose, rolling straight ahead at `speed`."""
        data = self.data
        mujoco.mj_resetData(self.model, data)
        data.qpos[:7] = (
            x - TO_CENTRE * math.cos(yaw),
            y - TO_CENTRE * math.sin(yaw),
            0.32,
            math.cos(yaw / 2),
            0,
            0,
            math.sin(yaw / 2),
        )
        data.qvel[:2] = speed * math.cos(yaw), speed * math.sin(yaw)
        data.qvel[self._spins] = speed / WHEEL_RADIUS
        mujoco.mj_forward(self.model, data)
        self._pose = None
        self.steering_angle = 0.0
        self._steering_commands.extend([0.0] * len(self._steering_commands))
        while len(self._steering_commands) > round(self._body.steering_delay / TIMESTEP) + 1:
            self._steering_commands.popleft()

    def step(self, steering_angle: float, acceleration: float) -> None:
        """Advances one time step with a commanded bicycle steering angle [rad] and longitudinal
        acceleration [m/s²]."""
        self._steering_commands.append(steering_angle)
        delayed = self._steering_commands.popleft()
        change = (delayed - self.steering_angle) * min(1.0, TIMESTEP / self._body.steering_lag)
        self.steering_angle += min(max(change, -STEERING_RATE * TIMESTEP), STEERING_RATE * TIMESTEP)
        tan = math.tan(self.steering_angle)
        half = TRACK / (2 * self._body.wheelbase) * tan
        ctrl = self.data.ctrl
        ctrl[self._steer[0]], ctrl[self._steer[1]] = (
            math.atan(tan / (1 - half)),
            math.atan(tan / (1 + half)),
        )
        ctrl[self._drive[0] : self._drive[3] + 1] = acceleration * MASS * WHEEL_RADIUS / 4
        mujoco.mj_step(self.model, self.data)
        self._pose = None

    def pose(self) -> Pose:
        if self._pose is not None:
            return self._pose
        x, y, _, w, i, j, k = self.data.qpos[:7].tolist()
        yaw = math.atan2(2 * (w * k + i * j), 1 - 2 * (j * j + k * k))
        speed = self.data.sensordata.item(self._velocity)
        self._pose = Pose(x + TO_CENTRE * math.cos(yaw), y + TO_CENTRE * math.sin(yaw), yaw, speed)
        return self._pose

    def inertial(self) -> tuple[np.ndarray, np.ndarray]:
        """Angular velocity (3,) [rad/s] and specific force (3,) [m/s²] at the body, without sensor
        errors."""
        readings = self.data.sensordata
        return readings[self._gyro : self._gyro + 3], readings[
            self._accelerometer : self._accelerometer + 3
        ]

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """A picture (height, width, 3) uint8 RGB of camera `front` (the driver's) or `chase`."""
        if self._renderer is None:
            self._renderer = Renderer(self.model, fog=self._foggy)
        return self._renderer.draw(self.data, camera, width, height)

    @property
    def focal_length(self) -> float:
        """Of the front camera, in heights of its picture."""
        return 0.5 / math.tan(math.radians(self.model.cam_fovy[self.model.camera("front").id]) / 2)

    def close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _mount_camera(self, body: Body) -> None:
        camera = self.model.camera("front").id
        self.model.cam_pos[camera] = (1.7, body.camera_left, body.camera_height - WHEEL_RADIUS)
        pitch, yaw, roll = CAMERA_PITCH + body.camera_pitch, body.camera_yaw, body.camera_roll
        forward = np.array(
            [math.cos(pitch) * math.cos(yaw), math.cos(pitch) * math.sin(yaw), -math.sin(pitch)]
        )
        right = np.array([math.sin(yaw), -math.cos(yaw), 0.0])
        up = np.cross(right, forward)
        right, up = (
            right * math.cos(roll) + up * math.sin(roll),
            up * math.cos(roll) - right * math.sin(roll),
        )
        mujoco.mju_mat2Quat(self.model.cam_quat[camera], np.stack([right, up, -forward], 1).ravel())

    def _stretch(self, wheelbase: float) -> None:
        """Moves the front axle, and the centre of mass with it by the same share."""
        model = self.model
        for name in ("front_left", "front_right"):
            model.body_pos[model.body(name).id, 0] = wheelbase
        model.body_ipos[model.body("car").id, 0] *= wheelbase / WHEELBASE
        mujoco.mj_setConst(model, self.data)

    def _light(self, look: Look) -> None:
        self.model.vis.headlight.ambient[:] = look.ambient
        self.model.vis.headlight.diffuse[:] = 0.15 * look.diffuse
        sun = self.model.light("sun").id
        elevation, azimuth = look.sun_elevation, look.sun_azimuth
        self.model.light_diffuse[sun] = look.diffuse
        level = math.cos(elevation)
        self._foggy = look.fog > 0
        if self._foggy:
            extent = self.model.stat.extent
            self.model.vis.map.fogstart, self.model.vis.map.fogend = (
                FOG_START * look.fog / extent,
                look.fog / extent,
            )
            self.model.vis.rgba.fog[:] = (*look.sky_low, 1.0)
        self.model.light_dir[sun] = (
            -level * math.cos(azimuth),
            -level * math.sin(azimuth),
            -math.sin(elevation),
        )
