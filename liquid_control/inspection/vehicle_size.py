"""What a drive says of the size of its vehicle: steering that the vehicle cannot do, and speeds and
bends that are not a car's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import SHARP, UNLIKE_A_CAR, sharpest
from liquid_control.inspection.findings import FAULT, WARNING, Finding, warning
from liquid_control.recordings.settings import RecordingSettings

WITHIN = 1.01
"""Of the largest angle: rounding of messages and of curvatures is none of the driver's."""
SOME, MOST = 0.001, 0.05
"""Shares of the steering beyond the vehicle from which on it is mentioned, and is a fault of
training."""
USUAL = 0.95
"""Share of the steering that is not sharper than the curvature by which a vehicle is judged."""
NAMES = "donkey, duckiebot, f1tenth, jetracer, turtlebot"
SAY = f"say which vehicle it is: --vehicle NAME ({NAMES}), or a file with its wheelbase and"


@dataclasses.dataclass
class Sharpness:
    """Steering angles, one after the other: how many, how many beyond the vehicle's largest one,
    and the largest of all [rad]."""

    vehicle: VehicleConfig
    count: int = 0
    beyond: int = 0
    largest: float = 0.0

    def push(self, angle: float) -> None:
        size = abs(angle)
        if size <= math.pi / 2:  # NaN is not
            self.count += 1
            self.beyond += size > WITHIN * self.vehicle.max_steering_angle
            self.largest = max(self.largest, size)


def judge_sharpness(steering: Sharpness, is_curvature: bool) -> Iterator[Finding]:
    """Steering beyond what the vehicle can do, which is cut there wherever a curvature or a command
    is made of it. `is_curvature`: it is recorded as a yaw rate, which says the curvature itself."""
    if steering.beyond <= SOME * steering.count:
        return
    vehicle = steering.vehicle
    if is_curvature:
        reached = math.tan(steering.largest) / vehicle.wheelbase
        sizes = f"up to {reached:.3g} 1/m, where it drives {sharpest(vehicle):.3g} 1/m at most"
    else:
        sizes = f"up to {steering.largest:.3g} rad of {vehicle.max_steering_angle:.3g} rad"
    yield Finding(
        "beyond_vehicle",
        "steering",
        f"{steering.beyond} of {steering.count} samples steer sharper than the vehicle can, "
        f"{sizes}: what is learned, compared and driven is cut there",
        f"{SAY} its largest curvature or angle",
        WARNING,
        FAULT if steering.beyond > MOST * steering.count else WARNING,
    )


def judge_size(settings: RecordingSettings, fastest: float, usual_bend: float) -> Iterator[Finding]:
    """A drive that is not a car's, where no vehicle is given. `fastest`: speed that it reaches;
    `usual_bend`: curvature beyond which few of its bends are; NaN where they are not known."""
    if settings.vehicle_file or settings.vehicle != VehicleConfig():
        return
    slow, sharp = fastest <= UNLIKE_A_CAR, usual_bend >= SHARP
    if not (slow or sharp):
        return
    words = [f"never faster than {fastest:.2g} m/s"] if slow else []
    words += [f"in bends of {usual_bend:.2g} 1/m"] if sharp else []
    yield warning(
        "not_a_car",
        "speed" if slow else "steering",
        f"it drives {' and '.join(words)}: no car of {settings.vehicle.wheelbase:g} m wheelbase, "
        "which is assumed where no vehicle is given",
        f"{SAY} lane",
    )
