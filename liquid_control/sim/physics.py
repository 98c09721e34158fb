"""One vehicle body on one MuJoCo model: stepping, sensing, light and rendering. Knows no lane."""

from __future__ import annotations

import math

import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.bodies.body import TIMESTEP, Body, Pose
from liquid_control.sim.rendering import Renderer, mujoco

GRAVITY = 9.81
"""[m/s²]."""
FOG_START = 0.08
"""Fog begins at this share of the distance at which it hides everything."""


class Physics:
    """`step` advances `TIMESTEP` seconds. Sensors and cameras are found by name, see `Body`."""

    def __init__(self, model: mujoco.MjModel, appearance: Appearance, body: Body) -> None:
        self.model, self.data, self.body = model, mujoco.MjData(model), body
        self._renderer: Renderer | None = None
        self._pose: Pose | None = None
        self._gyro, self._accelerometer, self._velocity = (
            model.sensor(n).adr[0] for n in ("gyro", "accelerometer", "velocity")
        )
        model.opt.timestep = TIMESTEP
        self._light(appearance)
        body.attach(model, self.data)

    def __getstate__(self) -> dict:
        """For copies, which draw into a buffer of their own."""
        return {**self.__dict__, "_renderer": None}

    def place(self, x: float, y: float, yaw: float, speed: float) -> None:
        """Puts the vehicle's centre at a pose, moving straight ahead at `speed`."""
        mujoco.mj_resetData(self.model, self.data)
        self.body.place(x, y, yaw, speed)
        mujoco.mj_forward(self.model, self.data)
        self._pose = None

    def step(self, steering_angle: float, speed: float) -> None:
        """Advances one time step with a commanded front-wheel angle [rad] and speed [m/s]."""
        self.body.command(steering_angle, speed, self.pose().speed)
        mujoco.mj_step(self.model, self.data)
        self._pose = None

    def bank(self, angle: float) -> None:
        """Tilts the road under the vehicle to the right of its heading by an angle [rad], which is
        gravity to its right, until the next call."""
        yaw, down = self.pose().yaw, GRAVITY * math.cos(angle)
        aside = GRAVITY * math.sin(angle)
        self.model.opt.gravity[:] = (aside * math.sin(yaw), -aside * math.cos(yaw), -down)

    def pose(self) -> Pose:
        if self._pose is None:
            self._pose = Pose(*self.body.position(), self.data.sensordata.item(self._velocity))
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

    def _light(self, appearance: Appearance) -> None:
        visual = self.model.vis
        visual.headlight.ambient[:] = appearance.ambient
        visual.headlight.diffuse[:] = 0.15 * appearance.diffuse
        sun = self.model.light("sun").id
        elevation, azimuth = appearance.sun_elevation, appearance.sun_azimuth
        self.model.light_diffuse[sun] = appearance.diffuse
        level = math.cos(elevation)
        self._foggy = appearance.fog > 0
        if self._foggy:
            extent = self.model.stat.extent
            visual.map.fogstart = FOG_START * appearance.fog / extent
            visual.map.fogend = appearance.fog / extent
            visual.rgba.fog[:] = (*appearance.sky_low, 1.0)
        self.model.light_dir[sun] = (
            -level * math.cos(azimuth),
            -level * math.sin(azimuth),
            -math.sin(elevation),
        )
