"""The privileged expert: pure pursuit of the lane's centre with knowledge of the road. Its
curvature is the training target.

R. C. Coulter, "Implementation of the Pure Pursuit Path Tracking Algorithm", CMU-RI-TR-92-01.
"""

from __future__ import annotations

import math

from liquid_control.sim.physics import TO_CENTRE, Pose
from liquid_control.sim.road import Road

LOOK_AHEAD_TIME = 0.65
SHORTEST_LOOK_AHEAD = 4.0


def pursue(road: Road, pose: Pose, station: float) -> float:
    """Curvature [1/m] of the arc from the rear axle to the lane centre ahead of it."""
    distance = max(SHORTEST_LOOK_AHEAD, LOOK_AHEAD_TIME * pose.speed)
    cos, sin = math.cos(pose.yaw), math.sin(pose.yaw)
    x, y = pose.x - TO_CENTRE * cos, pose.y - TO_CENTRE * sin
    target_x, target_y, _, _ = road.at(station - TO_CENTRE + distance)
    ahead, left = (
        (target_x - x) * cos + (target_y - y) * sin,
        (target_y - y) * cos - (target_x - x) * sin,
    )
    return 2.0 * left / max(ahead * ahead + left * left, 1.0)
