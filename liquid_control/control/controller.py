"""The controller: samples in, proposed actions out. The policy node, simulation, replay and the
golden test use this one class; a safety gate follows it.
"""

from __future__ import annotations

import math

import numpy as np

from liquid_control.config import TimelineConfig, VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.deploy.runtime import Runtime, State, is_sound
from liquid_control.errors import ConfigError
from liquid_control.model.car import SPEED, chooses_speed
from liquid_control.model.spec import PolicySpec, names
from liquid_control.perception.observer import Observer
from liquid_control.signals import Action, Observation, Reason, Rejected

COMFORT = 2.5
"""Lateral acceleration [m/s²] that bends lower the speed to, where no other is set."""


class Controller:
    """Joins observer and policy. After construction nothing raises, whatever the samples hold.

    `runtime`: the policy. `speed`: set speed [m/s], which a policy that chooses the speed itself
    may lower; approached from the measured one, which the
    proposed one leads by `DrivingScale.speed_ahead` of the `vehicle` (None: a car) at most, so that
    it rises with the vehicle and a stop begins near it; bends lower it so that lateral acceleration
    stays within `comfort_lateral_acceleration` [m/s²]; keep that below the gate's limit, or the
    gate acts in every bend. `state`: the policy's. `observation`: the latest, preprocessed.
    `action`: the latest; None in a new drive. `chosen_speed` [m/s]: the policy's own answer to the
    latest frame, inf where it gives no speed. Raises ConfigError for a policy without an image or a
    curvature, and for a set speed or comfort value that is not a finite number in range.
    """

    def __init__(
        self,
        runtime: Runtime,
        timeline: TimelineConfig | None = None,
        speed: float = 15.0,
        comfort_lateral_acceleration: float = COMFORT,
        vehicle: VehicleConfig | None = None,
    ) -> None:
        if runtime.preprocess is None:
            raise ConfigError("runtime.preprocess", None, "a policy with an image: frames drive it")
        self.runtime = runtime
        self._steering, self._chosen = _find_steering(runtime.spec), _find_speed(runtime.spec)
        self.set_cruise(speed, comfort_lateral_acceleration)
        scale = driving_scale(vehicle or VehicleConfig())
        self._speed_ahead = scale.speed_ahead
        self.observer = Observer(
            runtime.preprocess, timeline, names(runtime.spec.measurements), scale.moving
        )
        self.frames_used, self.chosen_speed = 0, math.inf
        self._runtime_failures = 0
        self.reset()

    def reset(self) -> None:
        """Starts a new drive without samples, state and action of the last one. Counts go on."""
        self.observer.reset()
        self.state: State = self.runtime.initial_state()
        self.observation: Observation | None = None
        self.action: Action | None = None

    def set_cruise(self, speed: float, comfort_lateral_acceleration: float) -> None:
        """Set speed [m/s] and comfort [m/s²] from now on. Raises ConfigError."""
        _check("speed", speed, 0.0, 100.0, "m/s")
        _check("comfort_lateral_acceleration", comfort_lateral_acceleration, 0.05, 20.0, "m/s²")
        self.speed = speed
        self.comfort_lateral_acceleration = comfort_lateral_acceleration

    def push(self, sample: object, now_ns: int | None = None) -> Action | Rejected | None:
        """Takes any sample that `Observer.push` takes, and steps the policy on a usable frame.

        Returns the action of a frame; Rejected for a sample that is not used; None for a
        measurement that was taken. `now_ns`: the receiver's clock, to refuse frames stamped far in
        the future.

        A policy that raises or answers NaN loses its state and the frame is rejected
        (`Reason.RUNTIME`); the previous action then becomes stale, and the gate takes the speed
        away.
        """
        observation = self.observer.push(sample, now_ns)
        return self.step(observation) if isinstance(observation, Observation) else observation

    def step(self, observation: Observation) -> Action | Rejected:
        """Steps the policy on an observation: its observer's, or one that another controller made
        for the same picture size and measurements."""
        self.observation = observation
        stepped = self._step(observation)
        if stepped is None:
            self.state = self.runtime.initial_state()
            self._runtime_failures += 1
            return Rejected(observation.stamp_ns, Reason.RUNTIME)
        action, self.state = stepped
        self.frames_used += 1
        self.action = self._propose(observation.stamp_ns, action)
        return self.action

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

    def _step(self, observation: Observation) -> tuple[np.ndarray, State] | None:
        """One step of the policy: action (A,) and next state; None where it raises or answers what
        is not finite or has another shape."""
        spec = self.runtime.spec
        try:
            state = self.runtime.initial_state() if observation.is_first else self.state
            action, state = self.runtime.step(observation, state)
            usable = action.shape == (len(spec.actions),) and bool(np.isfinite(action).all())
            usable = usable and is_sound(state, spec)
        except Exception:  # noqa: BLE001  a backend may raise anything; the gate then brakes
            return None
        return (action, state) if usable else None

    def _propose(self, stamp_ns: int, action: np.ndarray) -> Action:
        """What a policy's action (A,) means to this vehicle: its path curvature, and the speed for
        it. A vehicle with other outputs differs here."""
        curvature = float(action[self._steering])
        if self._chosen is not None:
            self.chosen_speed = max(float(action[self._chosen]), 0.0)
        return Action(stamp_ns, curvature, self._speed_for(curvature))

    def _speed_for(self, curvature: float) -> float:
        """The speed proposed with a curvature [m/s]."""
        comfortable = (
            math.sqrt(self.comfort_lateral_acceleration / abs(curvature)) if curvature else math.inf
        )
        measured = self.observer.latest_speed
        reachable = math.inf if measured is None else max(measured, 0.0) + self._speed_ahead
        return float(min(self.speed, comfortable, reachable, self.chosen_speed))


def _find_steering(spec: PolicySpec) -> int:
    """The place of the path curvature among a policy's actions. Raises ConfigError without one."""
    actions = names(spec.actions)
    if "curvature" not in actions:
        raise ConfigError("runtime.spec.actions", actions, "curvature, which this vehicle drives")
    return actions.index("curvature")


def _find_speed(spec: PolicySpec) -> int | None:
    """The place of the speed among a policy's actions, None without one. Raises ConfigError for
    another unit."""
    if not chooses_speed(spec):
        return None
    place = names(spec.actions).index(SPEED.name)
    if spec.actions[place].unit != SPEED.unit:
        raise ConfigError("runtime.spec.actions.speed", spec.actions[place].unit, SPEED.unit)
    return place


def _check(name: str, value: object, low: float, high: float, unit: str) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ConfigError(f"Controller.{name}", value, f"{low} to {high} {unit}")
