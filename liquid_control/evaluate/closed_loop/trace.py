"""Where a vehicle was in the recorded world, in few numbers: for maps, charts and worst moments."""

from __future__ import annotations

import dataclasses
from array import array

import numpy as np

from liquid_control.sim.drive import Step
from liquid_control.sim.recorded.world import RecordedWorld

EVERY = 5
"""IMU periods between two rows."""


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """Rows of a drive, (T,) each: `seconds`, `station`, `x`, `y` [m], `yaw` [rad], `speed` [m/s],
    `driver_speed` recorded there, `offset` [m], policy's and driver's `curvature` and `command`
    [1/m], `unseen` share of the latest picture, `put_back`: 1 where the vehicle was put back after
    this row."""

    seconds: np.ndarray
    station: np.ndarray
    x: np.ndarray
    y: np.ndarray
    yaw: np.ndarray
    speed: np.ndarray
    driver_speed: np.ndarray
    offset: np.ndarray
    curvature: np.ndarray
    command: np.ndarray
    unseen: np.ndarray
    put_back: np.ndarray


class Tracer:
    """Collects a `Trace`, and the mean share of unseen picture over the frames that were used."""

    def __init__(self, world: RecordedWorld) -> None:
        self._world = world
        self._columns = {field.name: array("d") for field in dataclasses.fields(Trace)}
        self._periods, self._frames, self._unseen = 0, 0, 0.0
        self._curvature = float("nan")

    def __call__(self, step: Step, put_back: bool) -> None:
        world, truth = self._world, step.truth
        if step.action is not None:
            self._frames += 1
            self._unseen += world.unseen
            self._curvature = step.action.curvature
        self._periods += 1
        if not put_back and self._periods % EVERY:
            return
        row = (
            truth.stamp_ns * 1e-9,
            truth.station,
            truth.x,
            truth.y,
            truth.yaw,
            truth.speed,
            truth.speed_limit,
            truth.lane_offset,
            self._curvature,
            world.command,
            world.unseen,
            float(put_back),
        )
        for column, value in zip(self._columns.values(), row, strict=True):
            column.append(value)

    @property
    def unseen_share(self) -> float:
        return self._unseen / max(self._frames, 1)

    def trace(self) -> Trace:
        return Trace(**{name: np.array(column) for name, column in self._columns.items()})
