"""Interface of a single world that can be driven in: MuJoCo's and the recorded one. Driving,
collection, evaluation, environments and nodes use no more than this."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import DrivingScale
from liquid_control.sim.road import Road
from liquid_control.sim.tasks.task import Task
from liquid_control.sim.truth import Event, Truth

STEPS_PER_ADVANCE = 2
"""Of 5 ms each: one `advance` is one IMU period, 100 Hz."""


class DrivenBody(Protocol):
    """What users of a world read of its vehicle: `vehicle`, its nominal geometry, as a controller
    knows it; `to_rear_axle`, from the rear axle forward to the reference point [m];
    `steering_angle` of the front wheels now [rad]."""

    vehicle: VehicleConfig
    to_rear_axle: float
    steering_angle: float


class DrivenWorld(Protocol):
    """One vehicle on one road as a stream of sensor events. `scale`: lengths and speeds that tell
    good driving from bad. `frames_dropped`: those that were exposed and never arrive."""

    road: Road
    scale: DrivingScale
    body: DrivenBody
    task: Task
    frames_dropped: int

    @property
    def time_ns(self) -> int: ...

    @property
    def truth(self) -> Truth: ...

    def reset(self, seed: int, held_out: bool = False) -> None:
        """Everything that is drawn is drawn again; time starts at zero."""
        ...

    def place(self, station: float, lane_offset: float = 0.0, heading_error: float = 0.0) -> None:
        """Puts the vehicle beside a station of the road, moving at the speed limit there."""
        ...

    def advance(self, steering_angle: float, speed: float = ...) -> list[Event]:
        """Advances one IMU period with a commanded steering angle [rad] and an upper limit on the
        speed [m/s]; returns the sensor events."""
        ...

    def render(self, width: int, height: int, camera: str = "front") -> np.ndarray:
        """A picture (height, width, 3) uint8 RGB now."""
        ...

    def close(self) -> None: ...
