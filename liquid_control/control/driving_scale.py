"""Lengths and speeds that tell good driving from bad, by the vehicle and its lane: the one place
where training, worlds, inspection, evaluation and the robot's nodes take them from.

All follow from the values of a passenger car (wheelbase 2.6 m) in a lane of 3.5 m: across the lane
in proportion to its width, along it to the wheelbase, since a vehicle turns within some wheelbases.
Speeds are a car's, or less in proportion to the wheelbase, but not below what small robots measure.
"""

from __future__ import annotations

import dataclasses
import functools
import math

from liquid_control.config import GateConfig, VehicleConfig

CAR_WHEELBASE, CAR_LANE, CAR_PUT_BACK_AHEAD = 2.6, 3.5, 5.0
LANE_PER_WHEELBASE = CAR_LANE / CAR_WHEELBASE
CAR_BENDS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, math.inf)  # 1/m
CAR_SPEEDS = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, math.inf)  # m/s
STEPS = (1.0, 2.0, 5.0)
"""Of round numbers within a power of ten."""
CAR_FROM = 0.5
"""Share of a car's wheelbase from which on a vehicle has a car's classes of bends and speeds."""
UNLIKE_A_CAR = 0.6
"""A drive that is never faster [m/s] is not a car's."""
SHARP = 3.0
"""Curvature [1/m] that no car drives."""
ROBOT = VehicleConfig(0.13, 0.9)
"""Stands for the vehicle of such a drive where none is given."""
_DEFAULT = VehicleConfig()
LEAST_IDLE = 0.01
"""Speed [m/s] below which nothing moves."""
FASTEST_STEERING = 5.0  # rad/s; the largest that a gate can be set to


@dataclasses.dataclass(frozen=True)
class DrivingScale:
    """Of a vehicle in a lane of `lane_width` [m].

    `departure`: a departure begins further than this from the lane's centre [m]. `off_road`: the
    vehicle has left the lane, and is put back `put_back_ahead` [m]. `shortest_look_ahead` of the
    expert [m]. `curvature_ahead`: distance of the auxiliary target [m].

    Speeds [m/s]: a vehicle faster than `moving` changes what its sensors see from one frame to the
    next; below `slowest` a recorded curvature teaches nothing, and below `compared` its wheels may
    be anywhere; one that never reaches `idle` does not move at all. `speed_ahead`: the proposed
    speed leads the measured one by at most this. `bends` [1/m] and `speeds` [m/s]: edges of the
    classes in which errors are told.
    """

    lane_width: float
    departure: float
    off_road: float
    put_back_ahead: float
    shortest_look_ahead: float
    curvature_ahead: float
    moving: float
    slowest: float
    compared: float
    idle: float
    speed_ahead: float
    bends: tuple[float, ...]
    speeds: tuple[float, ...]

    @property
    def size(self) -> float:
        """Of the vehicle; a car's is 1."""
        return self.put_back_ahead / CAR_PUT_BACK_AHEAD


@functools.lru_cache(maxsize=64)
def driving_scale(vehicle: VehicleConfig, lane_width: float = 0.0) -> DrivingScale:
    """The scale of a vehicle in a lane [m]; with 0, one as wide for it as a road's for a car."""
    size = vehicle.wheelbase / CAR_WHEELBASE
    width = lane_width or LANE_PER_WHEELBASE * vehicle.wheelbase
    slower = min(1.0, size)
    return DrivingScale(
        lane_width=width,
        departure=width / CAR_LANE,
        off_road=width / 2,
        put_back_ahead=CAR_PUT_BACK_AHEAD * size,
        shortest_look_ahead=4.0 * size,
        curvature_ahead=10.0 * size,
        moving=max(slower, 0.05),
        slowest=max(slower, 0.05),
        compared=max(0.5 * slower, 0.03),
        idle=max(0.1 * slower, LEAST_IDLE),
        speed_ahead=max(slower, 0.1),
        bends=CAR_BENDS if size >= CAR_FROM else _bends(sharpest(vehicle)),
        speeds=CAR_SPEEDS if size >= CAR_FROM else _speeds(5.0 * size),
    )


def scale_of_drive(vehicle: VehicleConfig, fastest: float, lane_width: float = 0.0) -> DrivingScale:
    """As `driving_scale`, of a recorded drive that reaches `fastest` [m/s], NaN where that is not
    known: where no vehicle is given (the default) and no car is so slow, a small robot's."""
    if vehicle == _DEFAULT and LEAST_IDLE < fastest <= UNLIKE_A_CAR:
        vehicle = ROBOT
    return driving_scale(vehicle, lane_width)


def sharpest(vehicle: VehicleConfig) -> float:
    """The largest curvature [1/m] that the vehicle can drive."""
    return math.tan(vehicle.max_steering_angle) / vehicle.wheelbase


def gate_for(vehicle: VehicleConfig) -> GateConfig:
    """The gate of a vehicle for which none is set: the default one, of which a small vehicle's
    steering uses its whole angle and turns as much faster as it is smaller."""
    gate, size = GateConfig(), vehicle.wheelbase / CAR_WHEELBASE
    if size >= CAR_FROM:
        return gate
    return dataclasses.replace(
        gate,
        max_steering_angle=vehicle.max_steering_angle,
        max_steering_rate=min(gate.max_steering_rate / size, FASTEST_STEERING),
    )


def _bends(largest: float) -> tuple[float, ...]:
    """Edges 1, 2, 5, 10, ..., of which the last is little more than half of the largest
    curvature."""
    last = 0.6 * largest
    power = math.floor(math.log10(last))
    steps = [factor * 10.0**decade for decade in (power - 2, power - 1, power) for factor in STEPS]
    kept = [float(f"{step:.6g}") for step in steps if step <= last]
    return (0.0, *kept[2 - len(CAR_BENDS) :], math.inf)


def _speeds(step: float) -> tuple[float, ...]:
    """Edges at multiples of 1, 2 or 5 of a power of ten, at most `step` [m/s]."""
    power = 10.0 ** math.floor(math.log10(step))
    step = max(factor * power for factor in STEPS if factor * power <= step)
    return (*(float(f"{step * n:.6g}") for n in range(len(CAR_SPEEDS) - 1)), math.inf)
