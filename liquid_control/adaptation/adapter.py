"""A policy whose output adapts to its vehicle: the gain of the steering, and a correction that is
learnt from takeovers. Never its weights, leaks or reversal potentials.

curvature = policy's / gain + correction, each only while it is in use. The gate judges the result
as it judges any proposal.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping

import numpy as np

from liquid_control.adaptation.gain import SETTLED, VehicleGain
from liquid_control.adaptation.output import REACH, OutputCorrection
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.adaptation.steering import SteeringLog
from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale, gate_for
from liquid_control.control.vehicle import curvature
from liquid_control.deploy.runtime import Runtime, State, Wrapped, to_vector
from liquid_control.errors import ConfigError
from liquid_control.model.spec import names
from liquid_control.signals import Observation

NEEDED = ("yaw_rate", "speed")
FRAMES_APART = 600_000_000
"""A label spans two frames that are no further apart than this [ns]."""
SETTLED_NS = round(SETTLED * 1e9)
"""A frame is undisturbed from so long after the policy began to drive [ns]."""


class Driver(enum.Enum):
    """Who steers. `NONE`: it is not known, or the gate performs a safe stop."""

    POLICY = "policy"
    PERSON = "person"
    NONE = "none"


class AdaptedRuntime(Wrapped):
    """See `Runtime`. After construction nothing raises that the inner runtime does not raise.

    `assumed`: the names of the measurements of the latest frame that are not measured, as
    `Observer.assumed`; to be set when the controller is made. `gain`, `output`: None where they do
    not adapt. Raises ConfigError for a policy without curvature, yaw rate or speed.
    """

    def __init__(self, runtime: Runtime, config: AdaptationConfig, vehicle: VehicleConfig) -> None:
        super().__init__(runtime)
        spec = runtime.spec
        measured = names(spec.measurements)
        if any(name not in measured for name in NEEDED) or "curvature" not in names(spec.actions):
            raise ConfigError(
                "adaptation.adapts",
                f"{config.adapts}, of a policy with {', '.join(measured) or 'no measurement'}",
                f"a policy with {' and '.join(NEEDED)} that steers a curvature, or off",
            )
        self.config, self.vehicle = config, vehicle
        self.assumed: Callable[[], tuple[str, ...]] = tuple
        self._steering = names(spec.actions).index("curvature")
        self._yaw, self._speed = (measured.index(name) for name in NEEDED)
        self._centre = np.array([one.centre for one in spec.measurements], np.float64)
        self._scale = np.array([one.scale for one in spec.measurements], np.float64)
        self._unit = spec.actions[self._steering].scale
        self._slowest = driving_scale(vehicle).speeds[1]
        gate = gate_for(vehicle)
        angle = min(config.gate_angle or gate.max_steering_angle, vehicle.max_steering_angle)
        largest = config.largest_correction * curvature(angle, vehicle)
        features = spec.state_size + len(measured) + 2
        self.gain = (
            VehicleGain(vehicle, config.largest_gain, config.better_by, config.lateral_acceleration)
            if config.gain
            else None
        )
        self.output = (
            OutputCorrection(features, largest, config.better_by) if config.output else None
        )
        self.log = SteeringLog()
        self.failures = 0
        self._begin()

    @property
    def parts(self) -> dict[str, VehicleGain | OutputCorrection]:
        """What adapts, by name."""
        both = {"gain": self.gain, "output": self.output}
        return {name: part for name, part in both.items() if part is not None}

    def reset(self) -> None:
        """Forgets all that was learnt; who drives is kept."""
        for part in self.parts.values():
            part.reset()
        self.correction, self._last = 0.0, None

    def restart(self) -> None:
        """A drive begins anew; what was learnt is kept."""
        for part in self.parts.values():
            part.interrupt()
        self.log.reset()
        self._begin()

    def steered(self, stamp_ns: int, bend: float) -> None:
        """A path curvature `bend` [1/m] in effect from then on: the gate's command while the policy
        drives, and what a person steers while he does."""
        self.log.push(stamp_ns, bend)

    def drives(self, driver: Driver, now_ns: int) -> None:
        """Who steers from now on; call it at least when that changes."""
        if driver is self.driver:
            return
        before, self.driver, self._since_ns = self.driver, driver, now_ns
        self.log.reset()
        if self.gain is not None:
            self.gain.interrupt()
        if self.output is None:
            return
        if before is Driver.POLICY and driver is Driver.PERSON:
            self.output.take_over(now_ns / 1e9)
        elif driver is not Driver.PERSON:
            self.output.interrupt()

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, state = self.runtime.step(observation, state)
        try:
            if not all(map(math.isfinite, action.tolist())):
                return action, state
            change = self._frame(observation, float(action[self._steering]), state)
        except Exception:  # noqa: BLE001  whatever it is, the policy goes on without it
            self.failures += 1
            self.reset()
            return action, state
        if change != 0.0:
            action = action.copy()
            action[self._steering] += change
        return action, state

    def state(self) -> dict[str, object]:
        """What was learnt, as `restore` takes it."""
        return {name: part.state() for name, part in self.parts.items()}

    def restore(self, values: Mapping) -> None:
        """Goes on from an earlier `state`; a part that it does not hold begins anew. Raises
        ConfigError, and is then as after `reset`."""
        try:
            for name, part in self.parts.items():
                if name in values:
                    if not isinstance(values[name], Mapping):
                        raise ConfigError(name, values[name], "a mapping")
                    part.restore(values[name])
        except ConfigError:
            self.reset()
            raise

    def facts(self) -> dict[str, object]:
        """What there is to say, by name: for diagnostics and recordings."""
        found: dict[str, object] = {
            "adaptation": self.config.adapts,
            "adaptation driver": self.driver.value,
        }
        if self.gain is not None:
            found |= {
                "adaptation gain": self.gain.gain,
                "adaptation gain used": self.gain.used,
                "adaptation gain why": self.gain.why,
                "adaptation gain frames by class": str(self.gain.counts),
            }
        if self.output is not None:
            found |= {
                "adaptation output [1/m]": self.correction,
                "adaptation output used": self.output.used,
                "adaptation output why": self.output.why,
                "adaptation takeovers": self.output.takeovers,
            }
        return found | {"adaptation failures": self.failures}

    def _begin(self) -> None:
        self.driver, self._since_ns = Driver.NONE, 0
        self.correction = 0.0
        self._last: tuple[int, np.ndarray, float] | None = None

    def _frame(self, observation: Observation, base: float, state: State) -> float:
        """What is added to the policy's curvature `base` [1/m] on a frame."""
        stamp, speed = observation.stamp_ns, float(observation.measurements[self._speed])
        if observation.is_first:
            self._last = None
            for part in self.parts.values():
                part.interrupt()
        measured = not set(NEEDED) & set(self.assumed())
        if self.gain is not None and self.driver is Driver.POLICY and measured:
            yaw_rate = float(observation.measurements[self._yaw])
            self.gain.frame(stamp, yaw_rate, speed, self.log, self._since_ns)
        wanted = base if self.gain is None else base * self.gain.factor
        self.correction = 0.0
        if self.output is not None and measured and speed >= self._slowest:
            self._correct(self.output, stamp, wanted, self._features(observation, base, state))
        else:
            self._last = None
        return wanted + self.correction - base

    def _correct(
        self, output: OutputCorrection, stamp: int, wanted: float, phi: np.ndarray
    ) -> None:
        """Sets `correction` while the policy drives, and learns from who drives."""
        last, self._last = self._last, (stamp, phi, wanted)
        if not math.isfinite(float(phi.sum())):
            self._last = None
        elif self.driver is Driver.POLICY:
            if stamp - self._since_ns > SETTLED_NS:
                output.undisturbed(stamp / 1e9, phi)
            self.correction = output.correction(phi) if output.used else 0.0
        elif self.driver is Driver.PERSON and last is not None:
            then_ns, seen, would = last
            near = 0 < stamp - then_ns <= FRAMES_APART and then_ns >= self._since_ns
            steered = self.log.mean(then_ns, stamp) if near else None
            if steered is not None:  # since the last frame: the person's answer to it
                output.label(then_ns / 1e9, seen, steered - would)

    def _features(self, observation: Observation, base: float, state: State) -> np.ndarray:
        """Neurons, measurements by their scales, the policy's curvature by its scale, 1: (F,)."""
        measured = (np.asarray(observation.measurements, np.float64) - self._centre) / self._scale
        phi = np.concatenate((to_vector(state), measured, (base / self._unit, 1.0)))
        return np.clip(phi, -REACH, REACH)
