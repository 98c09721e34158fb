"""The spec of a car that keeps its lane: path curvature, and the speed where the policy chooses it,
from a picture, yaw rate, lateral acceleration and speed. Models saved without a spec are this
car's, and give curvature alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

from liquid_control.config import PreprocessConfig, check, number
from liquid_control.model.spec import Feature, PolicySpec, names

MEAN = "positive to the left; mean since the frame before"
MEASUREMENTS = (
    Feature("yaw_rate", "rad/s", 0.0, 0.5, -1.5, 1.5, mirror=-1, doc=MEAN),
    Feature("lateral_acceleration", "m/s²", 0.0, 4.0, -12.0, 12.0, mirror=-1, doc=MEAN),
    Feature("speed", "m/s", 10.0, 4.0, -2.0, 22.0, mirror=1, doc="forward, the latest"),
)
"""Centres and scales of a car on a road. Bounds are three scales from the centre, so that a faulty
sensor stays one input among many."""
AUXILIARY = (
    Feature("lane_offset", "m", scale=0.5, mirror=-1, doc="from the lane's centre"),
    Feature("heading_error", "rad", scale=0.1, mirror=-1, doc="from the lane's direction"),
    Feature("curvature", "1/m", scale=0.04, mirror=-1, doc="of the road here"),
    Feature("curvature_ahead", "1/m", scale=0.04, mirror=-1, doc="of the road further on"),
)
"""Scales are about the spread of each target, so that the head starts at the right size. Positive
to the left."""

SPEED = Feature("speed", "m/s", scale=6.0, low=0.0, high=20.0, doc="to drive at; set speed caps it")
"""The action. Its scale is twice the spread of a car's speed on winding roads."""


@dataclasses.dataclass(frozen=True)
class CarConfig:
    """Settings of the car's spec."""

    curvature_scale: float = number(0.04, 1e-4, 10.0, "1/m", "curvature at network output 1")

    def __post_init__(self) -> None:
        check(self)


def lane_keeping(
    image: PreprocessConfig | None = None,
    curvature_scale: float = CarConfig.curvature_scale,
    inputs: Collection[str] = names(MEASUREMENTS),
    speed: bool = False,
) -> PolicySpec:
    """The car's spec; `image` None is the default preprocessing. `inputs`: the measurements that
    the car has; a policy does without the others. `speed`: the policy chooses it, too."""
    doc = "of the path, positive to the left"
    steering = Feature("curvature", "1/m", scale=curvature_scale, mirror=-1, doc=doc)
    measurements = tuple(feature for feature in MEASUREMENTS if feature.name in inputs)
    actions = (steering, SPEED) if speed else (steering,)
    return PolicySpec(image or PreprocessConfig(), measurements, actions, AUXILIARY)


def chooses_speed(spec: PolicySpec) -> bool:
    """Whether a policy gives the speed to drive at in addition to the curvature."""
    return SPEED.name in names(spec.actions)


def read_first_format(policy: Mapping, image: PreprocessConfig) -> tuple[dict, PolicySpec]:
    """The "policy" of a model.json of the first format without what is now in the spec, and that
    spec. Raises ConfigError."""
    config = {name: value for name, value in policy.items() if name != "curvature_scale"}
    car = CarConfig(policy.get("curvature_scale", CarConfig.curvature_scale))
    return config, lane_keeping(image, car.curvature_scale)
