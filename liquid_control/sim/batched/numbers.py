"""Lane keeping from seven numbers instead of a picture: where the car is in its lane, and what the
lane does ahead of it."""

from __future__ import annotations

from liquid_control.model.car import lane_keeping
from liquid_control.model.spec import Feature, PolicySpec

AHEAD = (5.0, 10.0, 18.0)
"""Distances ahead of the car's centre at which the lane's curvature is given [m]."""

NUMBERS = (
    Feature("lane_offset", "m", 0.0, 0.5, -1.5, 1.5, -1, "from the lane's centre"),
    Feature("heading_error", "rad", 0.0, 0.1, -0.3, 0.3, -1, "from the lane's direction"),
    *(
        Feature(f"curvature_{ahead:g}m", "1/m", 0.0, 0.04, -0.12, 0.12, -1, "of the lane ahead")
        for ahead in AHEAD
    ),
    Feature("yaw_rate", "rad/s", 0.0, 0.5, -1.5, 1.5, -1, "mean since the frame before"),
    Feature("speed", "m/s", 10.0, 4.0, -2.0, 22.0, 1, "forward"),
)
"""Positive to the left."""
NOISE = (0.05, 0.01, 0.004, 0.006, 0.008, 0.005, 0.04)
"""Standard deviation of each number, as a camera that estimates them errs: more the further
ahead."""


def lane_numbers() -> PolicySpec:
    """The spec of a policy that keeps the lane from `NUMBERS`; its action is that of the car."""
    return PolicySpec(None, NUMBERS, lane_keeping().actions)
