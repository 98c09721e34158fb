"""What driving well means: departures, the end of an episode, and a reward. Knows no MuJoCo and no
loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from liquid_control.sim.road import LANE_WIDTH

if TYPE_CHECKING:
    from liquid_control.sim.world import Truth

DEPARTURE = 1.0
"""A lane departure begins when the vehicle's centre is further than this from the lane's centre
[m]."""

OFF_ROAD = LANE_WIDTH / 2
"""And here the vehicle's centre leaves the lane for good [m]."""


def is_departing(truth: Truth) -> bool:
    """Whether the vehicle's centre is over the departure threshold; `truth.departed` is the harder
    one."""
    return abs(truth.lane_offset) > DEPARTURE


def reward(truth: Truth, progress: float) -> float:
    """Metres of progress, weighted from 1 on the lane's centre to 0 at the departure threshold."""
    return progress * max(0.0, 1.0 - abs(truth.lane_offset) / DEPARTURE)
