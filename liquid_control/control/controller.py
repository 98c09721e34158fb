"""Joins time line, preprocessing, policy and safety gate. Robot, simulation, replay and golden test
all drive this one object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.errors import ConfigError, ImageError
from liquid_control.perception.preprocess import preprocess
from liquid_control.perception.timeline import Timeline
from liquid_control.signals import (
    Action,
    Command,
    Frame,
    ImuSample,
    Observation,
    Reason,
    Rejected,
    SpeedSample,
    Verdict,
)

if TYPE_CHECKING:
    from liquid_control.deploy.runtime import Runtime


SAME_PICTURES = 3
"""So many equal pictures in a row, bit for bit, are refused while the vehicle moves: a camera's
noise alone tells two apart."""
MOVING = 1.0
"""Faster than this the road must look different from one frame to the next [m/s]."""
SPEED_AHEAD = 1.0
"""The speed asked for leads the measured one by no more than this, so that it rises with the
vehicle and a stop begins near it [m/s]."""


class Controller:
    """Frames and inertial samples in, actions and gated commands out. After construction nothing
    raises, whatever comes in.

    `runtime`: the policy. `speed`: set speed [m/s], approached from the measured one; bends lower
    it so that lateral acceleration stays within `comfort_lateral_acceleration` [m/s²]; keep that
    below the gate's limit, or the gate acts in every bend. `state`: (U,) float32, the memory of the
    policy. `observation`: the latest, preprocessed. `action`: the latest. `previous`: the latest
    command. Raises ConfigError for a set speed or comfort value that is not a finite number in
    range.
    """

    def __init__(
        self,
        runtime: Runtime,
        timeline: TimelineConfig | None = None,
        gate: SafetyGate | None = None,
        speed: float = 15.0,
        comfort_lateral_acceleration: float = 2.5,
    ) -> None:
        _check("speed", speed, 0.0, 100.0, "m/s")
        _check("comfort_lateral_acceleration", comfort_lateral_acceleration, 0.05, 20.0, "m/s²")
        self.runtime = runtime
        self.gate = gate or SafetyGate()
        self.speed = speed
        self.comfort_lateral_acceleration = comfort_lateral_acceleration
        self.timeline = Timeline(timeline)
        self.frames_used = 0
        self.reset()

    def reset(self) -> None:
        """Starts a new drive: forgets samples, memory, action and command. Counts go on."""
        self.timeline.reset()
        self.state: np.ndarray = self.runtime.initial_state()
        self.observation: Observation | None = None
        self._picture: np.ndarray | None = None
        self._repeats = 0
        self.action: Action | None = None
        self.previous: Command | None = None

    def push_imu(self, sample: ImuSample) -> bool:
        """Takes an IMU sample; False when the time line dropped it."""
        return self.timeline.push_imu(sample)

    def push_speed(self, sample: SpeedSample) -> bool:
        """Takes a speed sample; False when the time line dropped it."""
        return self.timeline.push_speed(sample)

    def push_frame(self, frame: Frame, now_ns: int | None = None) -> Action | Rejected:
        """One step of the policy on a frame of the camera's size. `now_ns`: the receiver's clock,
        to refuse far-future stamps.

        A policy that raises or answers NaN loses its memory and the frame is rejected
        (`Reason.RUNTIME`); the previous action then goes stale, and the gate takes the speed away.
        """
        try:
            image = preprocess(frame.image, self.runtime.preprocess)
        except ImageError:
            image = None  # the time line refuses and counts it
        if self._is_stuck(image):
            self.timeline.rejected[Reason.REPEATED] += 1
            return Rejected(frame.stamp_ns, Reason.REPEATED)
        observation = self.timeline.push_frame(Frame(frame.stamp_ns, image), now_ns)
        if isinstance(observation, Rejected):
            return observation
        self.observation = observation
        try:
            state = self.runtime.initial_state() if observation.is_first else self.state
            curvature, state = self.runtime.step(observation, state)
            curvature = float(curvature)
            sound = (
                math.isfinite(curvature)
                and state.shape == self.state.shape
                and bool(np.isfinite(state).all())
            )
        except Exception:  # noqa: BLE001  whatever a backend throws, the loop goes on and the gate brakes
            sound = False
        if not sound:
            self.state = self.runtime.initial_state()
            self.timeline.rejected[Reason.RUNTIME] += 1
            return Rejected(observation.stamp_ns, Reason.RUNTIME)
        self.state = state
        self.frames_used += 1
        self.action = Action(observation.stamp_ns, curvature, self._speed_for(curvature))
        return self.action

    def command(self, speed: float | None, now_ns: int) -> tuple[Command, Verdict]:
        """The safety gate on the latest action; `speed` measured [m/s] or None."""
        command, verdict = self.gate.apply(self.action, speed, now_ns, self.previous)
        # Until the first action nobody obeys: the vehicle rolls as its driver wants, and the gate
        # starts from there.
        self.previous = None if self.action is None else command
        return command, verdict

    @property
    def rejected(self) -> dict[Reason, int]:
        """How many frames led to no action, by reason."""
        return dict(self.timeline.rejected)

    @property
    def counts(self) -> dict[str, int]:
        """Everything counted since construction, by name, for diagnostics."""
        refused = {
            f"rejected_{reason.value}": count
            for reason, count in self.rejected.items()
            if reason is not Reason.RUNTIME
        }
        return {
            "frames_used": self.frames_used,
            **refused,
            "runtime_failures": self.timeline.rejected[Reason.RUNTIME],
            "inertial_rejected": self.timeline.inertial_rejected,
        }

    def _is_stuck(self, image: np.ndarray | None) -> bool:
        """Whether the camera repeats itself although the vehicle is known to move."""
        same = (
            image is not None and self._picture is not None and np.array_equal(image, self._picture)
        )
        self._picture, self._repeats = image, self._repeats + 1 if same else 0
        return self._repeats >= SAME_PICTURES and abs(self.timeline.latest_speed or 0.0) > MOVING

    def _speed_for(self, curvature: float) -> float:
        bearable = (
            math.sqrt(self.comfort_lateral_acceleration / abs(curvature)) if curvature else math.inf
        )
        measured = self.timeline.latest_speed
        return float(
            min(
                self.speed,
                bearable,
                math.inf if measured is None else max(measured, 0.0) + SPEED_AHEAD,
            )
        )


def _check(name: str, value: object, low: float, high: float, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"Controller.{name}", value, f"{low} to {high} {unit}")
