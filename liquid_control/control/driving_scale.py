"""Lengths and speeds that tell good driving from bad, by the vehicle and its lane: the one place
where training, worlds, inspection and evaluation take them from.

All follow from the values of a passenger car (wheelbase 2.6 m) in a lane of 3.5 m: across the lane
in proportion to its width, along it to the wheelbase, since a vehicle turns within some wheelbases.
"""

from __future__ import annotations

import dataclasses

from liquid_control.config import VehicleConfig

CAR_WHEELBASE, CAR_LANE = 2.6, 3.5
LANE_PER_WHEELBASE = CAR_LANE / CAR_WHEELBASE


@dataclasses.dataclass(frozen=True)
class DrivingScale:
    """Of a vehicle in a lane of `lane_width` [m].

    `departure`: a departure begins further than this from the lane's centre [m]. `off_road`: the
    vehicle has left the lane, and is put back `put_back_ahead` [m]. `shortest_look_ahead` of the
    expert [m]. `curvature_ahead`: distance of the auxiliary target [m]. `moving`: a vehicle that is
    faster moves [m/s]. `slowest`: below this speed a recorded curvature teaches nothing [m/s].
    """

    lane_width: float
    departure: float
    off_road: float
    put_back_ahead: float
    shortest_look_ahead: float
    curvature_ahead: float
    moving: float
    slowest: float


def driving_scale(vehicle: VehicleConfig, lane_width: float = 0.0) -> DrivingScale:
    """The scale of a vehicle in a lane [m]; with 0, one as wide for it as a road's for a car."""
    size = vehicle.wheelbase / CAR_WHEELBASE
    width = lane_width or LANE_PER_WHEELBASE * vehicle.wheelbase
    return DrivingScale(
        lane_width=width,
        departure=width / CAR_LANE,
        off_road=width / 2,
        put_back_ahead=5.0 * size,
        shortest_look_ahead=4.0 * size,
        curvature_ahead=10.0 * size,
        moving=min(1.0, size),
        slowest=min(1.0, size),
    )
