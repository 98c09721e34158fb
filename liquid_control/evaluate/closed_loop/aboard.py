"""What goes with a policy from road to road: its adaptation, and a person who takes over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from liquid_control.adaptation.adapter import AdaptedRuntime, Driver
from liquid_control.adaptation.settings import AdaptationConfig
from liquid_control.control.vehicle import curvature
from liquid_control.deploy.runtime import Runtime
from liquid_control.sim.adversary import Adversary, AgainstRuntime
from liquid_control.sim.drive import Step
from liquid_control.sim.person import Person, PersonSettings, SharedRuntime
from liquid_control.sim.world import World

PERSONS = ("none", "expert", "adversary")
"""Who takes over: no person, the expert when the vehicle is about to leave its lane, or a driver
who does so without need and steers wrong."""


class Aboard:
    """`adaptation`, `person`: as in `EvaluationSettings`. What is learnt is kept between roads."""

    def __init__(self, adaptation: str, person: str) -> None:
        self._config, self._who = AdaptationConfig(adaptation), person
        self._adapted: AdaptedRuntime | None = None
        self._person: Person | Adversary | None = None
        self._frames = self._used = 0

    def begin(self, world: World, runtime: Runtime, road: int, seed: int) -> Runtime:
        """The runtime to drive a road with."""
        condition, self._frames, self._used = world.condition, 0, 0
        if self._config.adapts != "off":
            if self._adapted is None:
                self._adapted = AdaptedRuntime(runtime, self._config, condition.vehicle)
            self._adapted.runtime = runtime
            self._adapted.restart()
            runtime = self._adapted
        rng = np.random.default_rng([seed, 3])
        if self._who == "expert":
            self._person = Person(PersonSettings(), world.scale, rng)
            return SharedRuntime(runtime, world, self._person)
        if self._who == "adversary":
            self._person = Adversary(rng, mirrors=road % 2 == 1)
            return AgainstRuntime(runtime, self._person)
        return runtime

    def watching(self, world: World, assumed: Callable[[], tuple[str, ...]]) -> Callable:
        """What `examine` calls with each step. `assumed`: see `AdaptedRuntime`."""
        adapted, person, vehicle = self._adapted, self._person, world.condition.vehicle
        if adapted is not None:
            adapted.assumed = assumed

        def watch(step: Step, put_back: bool) -> None:
            by_person = person is not None and person.watch(step.truth)
            if adapted is None:
                return
            adapted.drives(Driver.PERSON if by_person else Driver.POLICY, step.truth.stamp_ns)
            command = step.command
            if command is not None:
                adapted.steered(command.issued_ns, curvature(command.steering_angle, vehicle))
            if step.action is not None:
                self._frames += 1
                self._used += any(part.used for part in adapted.parts.values())
            if put_back:
                adapted.restart()

        return watch

    def facts(self) -> dict[str, object]:
        """Of the road that was driven last: takeovers; the share of frames on which something
        adapted was in use; the gain."""
        found: dict[str, object] = {}
        if self._person is not None:
            found["takeovers"] = self._person.takeovers
        if self._adapted is not None:
            found["adapted_share"] = self._used / max(self._frames, 1)
            found["adaptation_failures"] = self._adapted.failures
            if self._adapted.gain is not None:
                found["gain"] = self._adapted.gain.gain
            for name, part in self._adapted.parts.items():
                found[f"{name}_used"] = part.used
        return found
