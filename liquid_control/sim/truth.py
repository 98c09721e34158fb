"""What a simulated world emits: sensor events, and the ground truth."""

from __future__ import annotations

import dataclasses

from liquid_control.signals import Frame, ImuSample, SpeedSample

Event = Frame | ImuSample | SpeedSample


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth at one instant; a policy never gets it. Units and signs as in `signals`.

    `station` along the driven lane's centre, `curvature` of the lane there, `speed_limit` of the
    speed plan there. `finished`: the vehicle has reached the end of the road.
    """

    stamp_ns: int
    x: float
    y: float
    yaw: float
    speed: float
    steering_angle: float
    station: float
    lane_offset: float
    heading_error: float
    curvature: float
    speed_limit: float
    finished: bool
