"""Two policies on the same frames: how far apart they steer, and how far from what was driven."""

from __future__ import annotations

import dataclasses
import math
from collections import deque

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.controller import Controller
from liquid_control.control.vehicle import steering_angle
from liquid_control.model.spec import names
from liquid_control.signals import Action

FRAMES_SCORED = 1800
"""The running score is over so many frames, a minute at 30 Hz."""


@dataclasses.dataclass(frozen=True, slots=True)
class Disagreement:
    """Two policies that steer apart: since which frame, for how long [s] by now, and the largest
    difference until now, candidate minus driving policy [rad at the front wheels]."""

    since_ns: int
    seconds: float
    largest: float


class DisagreementDetector:
    """Notices a difference above `bound` [rad] for at least `seconds`, once until it is over.
    `count`: how often."""

    def __init__(self, bound: float, seconds: float) -> None:
        self._bound, self._seconds = bound, seconds
        self.count = 0
        self.reset()

    def reset(self) -> None:
        """Forgets the present difference."""
        self._since_ns: int | None = None
        self._largest, self._said = 0.0, False

    def push(self, stamp_ns: int, difference: float) -> Disagreement | None:
        """A frame's difference [rad]; the disagreement at the frame at which it has lasted for long
        enough. A difference that changes its sign begins anew."""
        if self._since_ns is not None and (
            stamp_ns < self._since_ns or difference * self._largest < 0
        ):
            self.reset()
        if not abs(difference) > self._bound:
            self.reset()
            return None
        if self._since_ns is None:
            self._since_ns = stamp_ns
        if abs(difference) > abs(self._largest):
            self._largest = difference
        lasted = (stamp_ns - self._since_ns) / 1e9
        if self._said or lasted < self._seconds:
            return None
        self._said, self.count = True, self.count + 1
        return Disagreement(self._since_ns, lasted, self._largest)


class RunningScore:
    """Candidate and driving policy against what the vehicle did, over the last `FRAMES_SCORED`
    frames on which it moved faster than `moving` [m/s]. Where the driving policy drives, it is
    compared with its own steering; where a person does, the comparison is fair."""

    def __init__(self, vehicle: VehicleConfig, moving: float) -> None:
        self._vehicle, self._moving = vehicle, moving
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=FRAMES_SCORED)

    def push(self, candidate: Action, driving: Action, driven: float | None) -> float:
        """A frame on which both propose, and the curvature that was driven on it [1/m], None where
        it is not known. Returns candidate minus driving policy [rad]."""
        angle = steering_angle(candidate.curvature, self._vehicle)
        other = steering_angle(driving.curvature, self._vehicle)
        known = math.nan if driven is None else steering_angle(driven, self._vehicle)
        self._rows.append((angle, other, known))
        return angle - other

    def driven(self, controller: Controller) -> float | None:
        """The curvature [1/m] that the vehicle drove up to the controller's latest frame, by its
        yaw rate and speed; None where it is too slow or one of them is not known."""
        measured = names(controller.runtime.spec.measurements)
        speed = controller.observer.latest_speed
        if speed is None or abs(speed) <= self._moving or "yaw_rate" not in measured:
            return None
        if "yaw_rate" in controller.observer.assumed:
            return None
        return float(controller.observation.measurements[measured.index("yaw_rate")]) / speed

    @property
    def figures(self) -> dict[str, float]:
        """RMS [rad]: of the difference between both, and of each to what was driven; NaN where
        nothing is known."""
        rows = np.array(self._rows, float).reshape(-1, 3)
        candidate, driving, driven = rows.T
        return {
            "shadow to policy rms [rad]": _rms(candidate - driving),
            "shadow to driven rms [rad]": _rms(candidate - driven),
            "policy to driven rms [rad]": _rms(driving - driven),
        }


def _rms(values: np.ndarray) -> float:
    values = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(values**2))) if len(values) else math.nan
