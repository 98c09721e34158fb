"""A driver who takes over without need and steers wrong: the worst teacher of a policy that learns
from takeovers."""

from __future__ import annotations

import numpy as np

from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.model.spec import names
from liquid_control.signals import Observation
from liquid_control.sim.truth import Truth

EVERY, LASTS = (3.0, 9.0), (1.0, 1.5)
"""Times between his takeovers and of driving [s], drawn uniformly."""
ASIDE = 0.01
"""He steers this much further left than the policy [1/m], or the policy's bend mirrored."""


class Adversary:
    """`drives`, `takeovers`: as of `Person`. `mirrors`: he steers the policy's bend mirrored, and
    else always too far left."""

    def __init__(self, rng: np.random.Generator, mirrors: bool) -> None:
        self._rng, self.mirrors = rng, mirrors
        self.drives, self.takeovers = False, 0
        self._due_ns: int | None = None

    def watch(self, truth: Truth) -> bool:
        """Once in each period of the drive; whether he drives from now."""
        if self._due_ns is None:
            self._due_ns = truth.stamp_ns + self._drawn(EVERY)
        elif truth.stamp_ns >= self._due_ns:
            self.drives = not self.drives
            self.takeovers += self.drives
            self._due_ns = truth.stamp_ns + self._drawn(LASTS if self.drives else EVERY)
        return self.drives

    def _drawn(self, between: tuple[float, float]) -> int:
        return round(self._rng.uniform(*between) * 1e9)


class AgainstRuntime(Wrapped):
    """A policy whose vehicle an adversary drives at times."""

    def __init__(self, runtime: Runtime, adversary: Adversary) -> None:
        super().__init__(runtime)
        self._adversary = adversary
        self._steering = names(runtime.spec.actions).index("curvature")

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        action, state = self.runtime.step(observation, state)
        if self._adversary.drives:
            action = action.copy()
            mine = action[self._steering]
            action[self._steering] = -mine if self._adversary.mirrors else mine + ASIDE
        return action, state
