"""A person who watches a policy drive, takes over when it is about to leave its lane, and hands
back when the vehicle is in the lane's middle again. In simulation the task's expert steers for
him, past the safety gate, as with hands on the wheel."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from liquid_control.config import check, number
from liquid_control.control.driving_scale import DrivingScale
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import curvature
from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.signals import Action, Command, Observation, Verdict
from liquid_control.sim.driven_world import DrivenWorld
from liquid_control.sim.truth import Truth


@dataclasses.dataclass(frozen=True)
class PersonSettings:
    """When he takes over and hands back. Offsets are shares of the offset at which a departure
    begins, 1 m of a car."""

    alarm: float = number(
        0.8, 0.1, 2.0, "", "expected offset at which he decides to take over, as such a share"
    )
    calm: float = number(0.3, 0.01, 1.0, "", "offset within which he worries no longer")
    ahead: float = number(0.7, 0.0, 5.0, "s", "how far ahead he expects the offset")
    reaction_low: float = number(0.3, 0.0, 5.0, "s", "shortest reaction time")
    reaction_high: float = number(1.0, 0.0, 5.0, "s", "longest reaction time; drawn uniformly")
    settled: float = number(
        2.0, 0.0, 60.0, "s", "how long the vehicle is in the middle before he hands back"
    )

    def __post_init__(self) -> None:
        check(self)


class Person:
    """`drives`: whether he does now; the policy drives first. `takeovers`: how often he took over.
    `rng`: for his reaction times."""

    def __init__(
        self, settings: PersonSettings, scale: DrivingScale, rng: np.random.Generator
    ) -> None:
        self._settings, self._rng = settings, rng
        self._alarm, self._calm = settings.alarm * scale.departure, settings.calm * scale.departure
        self.drives, self.takeovers = False, 0
        self._due_ns: int | None = None
        self._calm_since_ns: int | None = None

    def watch(self, truth: Truth) -> bool:
        """Looks at the vehicle, once in each period of the drive; whether he drives from now."""
        expected = truth.lane_offset + (
            self._settings.ahead * truth.speed * math.sin(truth.heading_error)
        )
        calm = max(abs(truth.lane_offset), abs(expected)) < self._calm
        if self.drives:
            self._hand_back(truth.stamp_ns, calm)
        else:
            worried = max(abs(truth.lane_offset), abs(expected)) > self._alarm
            self._take_over(truth.stamp_ns, worried, calm)
        return self.drives

    def _take_over(self, now_ns: int, worried: bool, calm: bool) -> None:
        if calm:
            self._due_ns = None
        elif worried and self._due_ns is None:
            low, high = self._settings.reaction_low, self._settings.reaction_high
            self._due_ns = now_ns + round(self._rng.uniform(low, max(low, high)) * 1e9)
        if self._due_ns is not None and now_ns >= self._due_ns:
            self.drives, self._due_ns, self._calm_since_ns = True, None, None
            self.takeovers += 1

    def _hand_back(self, now_ns: int, calm: bool) -> None:
        if not calm:
            self._calm_since_ns = None
        elif self._calm_since_ns is None:
            self._calm_since_ns = now_ns
        elif now_ns - self._calm_since_ns >= self._settings.settled * 1e9:
            self.drives = False


class SharedRuntime(Wrapped):
    """A policy whose vehicle a person drives at times. The policy sees every frame, and its state
    goes on while it does not drive."""

    def __init__(self, runtime: Runtime, world: DrivenWorld, person: Person) -> None:
        super().__init__(runtime)
        self._world, self._person = world, person

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, state = self.runtime.step(observation, state)
        if self._person.drives:
            action = self._world.task.expert(self._world)
        return action, state


class SharedGate:
    """A safety gate that a person who drives steers past: as soon as he drives the wheels follow
    him, no further than the gate allows lastingly at that speed; and when he hands back the gate
    goes on from the angle that he held."""

    def __init__(self, gate: SafetyGate, world: DrivenWorld, person: Person) -> None:
        self._gate, self._world, self._person = gate, world, person

    def apply(
        self, action: Action | None, speed: float | None, now_ns: int, previous: Command | None
    ) -> tuple[Command, Verdict]:
        """See `SafetyGate.apply`."""
        command, verdict = self._gate.apply(action, speed, now_ns, previous)
        if self._person.drives:
            task, vehicle = self._world.task, self._world.body.vehicle
            angle, _ = task.command(task.expert(self._world), vehicle)
            lasting = self._gate.lasting_angle(curvature(angle, vehicle), speed)
            command = dataclasses.replace(command, steering_angle=lasting)
        return command, verdict
