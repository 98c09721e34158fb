"""Joins observer, policy and safety gate. Robot, simulation, replay and golden test use this one
class."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.errors import ConfigError
from liquid_control.perception.observer import Observer
from liquid_control.signals import Action, Command, Observation, Reason, Rejected, Verdict

if TYPE_CHECKING:
    from liquid_control.deploy.runtime import Runtime


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
        self.observer = Observer(runtime.preprocess, timeline)
        self.frames_used = 0
        self._runtime_failures = 0
        self.reset()

    def reset(self) -> None:
        """Starts a new drive: forgets samples, memory, action and command. Counts go on."""
        self.observer.reset()
        self.state: np.ndarray = self.runtime.initial_state()
        self.observation: Observation | None = None
        self.action: Action | None = None
        self.previous: Command | None = None

    def push(self, sample: object, now_ns: int | None = None) -> Action | Rejected | None:
        """Takes any sample that `Observer.push` takes, and steps the policy on a usable frame.

        Returns the action of a frame; Rejected for a sample that is not used; None for a
        measurement that was taken. `now_ns`: the receiver's clock, to refuse frames stamped far in
        the future.

        A policy that raises or answers NaN loses its memory and the frame is rejected
        (`Reason.RUNTIME`); the previous action then goes stale, and the gate takes the speed away.
        """
        observation = self.observer.push(sample, now_ns)
        if not isinstance(observation, Observation):
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
            self._runtime_failures += 1
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
        """Frames that led to no action since construction, by reason."""
        return {**self.observer.rejected, Reason.RUNTIME: self._runtime_failures}

    @property
    def counts(self) -> dict[str, int]:
        """Everything counted since construction, by name, for diagnostics."""
        refused = self.observer.rejected.items()
        return {
            "frames_used": self.frames_used,
            **{f"rejected_{reason.value}": count for reason, count in refused},
            "runtime_failures": self._runtime_failures,
            "inertial_rejected": self.observer.measurements_rejected,
        }

    def _speed_for(self, curvature: float) -> float:
        bearable = (
            math.sqrt(self.comfort_lateral_acceleration / abs(curvature)) if curvature else math.inf
        )
        measured = self.observer.latest_speed
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
