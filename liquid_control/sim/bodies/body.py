"""Interface of all vehicle bodies in MuJoCo. A body knows its own model file, and no road."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol

import numpy as np

from liquid_control.config import VehicleConfig

if TYPE_CHECKING:
    from liquid_control.sim.rendering import mujoco

TIMESTEP = 0.005
"""Period of the physics [s]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pose:
    """Planar state of the vehicle's centre: x, y [m], yaw [rad], forward speed [m/s]."""

    x: float
    y: float
    yaw: float
    speed: float


class Parameters(Protocol):
    """The values of a body that are drawn for each episode, in a frozen dataclass with at least
    these fields, which driving conditions change: camera pose [m], [rad], tyres' friction,
    wheelbase [m], sensor biases [rad/s], [m/s²]."""

    camera_left: float
    camera_height: float
    camera_pitch: float
    camera_roll: float
    friction: float
    wheelbase: float
    gyro_bias: tuple[float, float, float]
    accelerometer_bias: tuple[float, float, float]


class Body(Protocol):
    """One vehicle. Its MJCF has the cameras `front` and `chase`, the sensors `gyro`,
    `accelerometer` and `velocity`, the light `sun` and a floor to stand on; the scene adds the
    road. A class of bodies is constructed with its `Parameters`.

    `parameters`: as drawn for this episode. `vehicle`: its nominal geometry, as a controller knows
    it. `to_rear_axle`: distance from the rear axle forward to the centre [m]. `camera_pitch`:
    downward pitch of the front camera [rad]. `steering_angle`: front-wheel angle now [rad].
    """

    parameters: Parameters
    vehicle: VehicleConfig
    to_rear_axle: float
    camera_pitch: float
    steering_angle: float

    @staticmethod
    def draw(rng: np.random.Generator) -> Parameters: ...

    @staticmethod
    def model_xml() -> str:
        """The vehicle's MJCF."""
        ...

    def attach(self, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Finds the body's elements in a compiled model and applies the parameters to them."""
        ...

    def place(self, x: float, y: float, yaw: float, speed: float) -> None:
        """Puts the centre at a pose, moving straight ahead at `speed`; `data` was reset before."""
        ...

    def command(self, steering_angle: float, speed: float, measured: float) -> None:
        """Sets the actuators for one time step: commanded front-wheel angle [rad] and speed [m/s],
        `measured` the present speed [m/s]."""
        ...

    def position(self) -> tuple[float, float, float]:
        """x, y [m] and yaw [rad] of the centre."""
        ...
