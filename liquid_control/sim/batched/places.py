"""The places of a batch: roads with their appearance, and cars, drawn as single worlds draw them,
from which each episode takes one of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.sim.batched.motion import CAR, STEP
from liquid_control.sim.batched.roads import RoadTable, road_table
from liquid_control.sim.bodies.car_parameters import CarParameters, draw_car
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.drawn import Drawn, draw
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.task import Task

BATCHED = (
    "name",
    "family",
    "summary",
    "frame_rate",
    "frame_jitter",
    "drop_share",
    "latency",
    "patience",
    "camera_left",
    "camera_up",
    "camera_pitch",
    "camera_roll",
    "wheelbase",
    "wheelbase_known",
    "friction",
    "cruise",
    "gyro_bias",
    "accelerometer_bias",
    "steering_offset",
    "bank",
    "gentlest_curvature",
    "sharpest_curvature",
)
"""Fields of a condition that a batch has. Single worlds of the twin have more."""


@dataclasses.dataclass(frozen=True, eq=False)
class Places:
    """`drawn`: R of them. `cars` (R, CAR) and `biases` (R, 2) of yaw rate and lateral acceleration,
    float32."""

    drawn: tuple[Drawn, ...]
    table: RoadTable
    cars: np.ndarray
    biases: np.ndarray


def draw_places(
    config: WorldConfig, seed: int, count: int, held_out: bool, condition: Condition, task: Task
) -> Places:
    """The places of `count` roads of the set that `seed` names. Raises ConfigError for a condition
    that a batch does not have."""
    _refuse(condition)
    config = condition.world(config)
    drawn = [
        draw(config, road_seed(seed, index), held_out, condition, task, draw_car)
        for index in range(count)
    ]
    cars = [one.parameters for one in drawn]
    return Places(
        tuple(drawn),
        road_table([one.road for one in drawn], [one.plan for one in drawn]),
        car_rows(cars, condition.bank),
        np.array([(car.gyro_bias[2], car.accelerometer_bias[1]) for car in cars], np.float32),
    )


def car_rows(cars: Sequence[CarParameters], bank: float = 0.0) -> np.ndarray:
    """Cars on a road that falls to the right by `bank` [rad], as `motion` reads them: (R, CAR)
    float32."""
    rows = np.empty((len(cars), CAR), np.float32)
    for row, car in zip(rows, cars, strict=True):
        delay = round(car.steering_delay / STEP) + 1
        row[:] = delay, car.steering_lag, car.wheelbase, car.friction, bank
    return rows


def _refuse(condition: Condition) -> None:
    for field in dataclasses.fields(condition):
        if field.name not in BATCHED and getattr(condition, field.name) != field.default:
            raise ConfigError(
                "condition",
                condition.name,
                f"one without {field.name} in a batch; single worlds of the twin have it",
            )
