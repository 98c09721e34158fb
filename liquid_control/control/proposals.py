"""The policy's proposals as they arrive at the gate: the latest one, its age, and their rate."""

from __future__ import annotations

import collections
import dataclasses
import math

from liquid_control.config import GateConfig
from liquid_control.control.engagement import ANY_RATE, BY_STALENESS, EngagementConfig
from liquid_control.errors import ConfigError
from liquid_control.signals import Action

RATE_WINDOW = 1.0
"""Proposals are counted over this time [s]."""
AGES = ("proposal stale", "frame stale")
"""Problems of age."""


class Proposals:
    """`action`: the latest, stamped on the steady clock, so that a stamps' clock that stands still
    cannot make it young; `stamp_ns`: its own stamp."""

    def __init__(self) -> None:
        self.action: Action | None = None
        self.stamp_ns = 0
        self._arrivals: collections.deque[int] = collections.deque(maxlen=512)

    def push(self, action: Action, now_ns: int, steady_ns: int) -> str:
        """Takes a proposal; otherwise says why not: its stamp repeats or precedes that of the last
        one, and the clock itself did not go back."""
        if self.action is not None and action.stamp_ns <= self.stamp_ns <= now_ns:
            return "duplicate" if action.stamp_ns == self.stamp_ns else "older"
        self.stamp_ns = action.stamp_ns
        self.action = dataclasses.replace(action, stamp_ns=steady_ns - (now_ns - action.stamp_ns))
        self._arrivals.append(steady_ns)
        return ""

    def problems(self, steady_ns: int, limits: GateConfig, stale_after: float) -> list[str]:
        """What is wrong with the latest one. `stale_after`: longest time since its arrival [s]."""
        if self.action is None:
            return ["no proposal"]
        found = []
        if steady_ns - self._arrivals[-1] > stale_after * 1e9:
            found.append(AGES[0])
        age = steady_ns - self.action.stamp_ns
        if age > limits.stale_after * 1e9:
            found.append(AGES[1])
        if -age > limits.max_future * 1e9:
            found.append("frame in the future")
        if not (math.isfinite(self.action.curvature) and math.isfinite(self.action.speed)):
            found.append("proposal not finite")
        return found

    def come(self, steady_ns: int) -> bool:
        """Whether one arrived within RATE_WINDOW."""
        return bool(self._arrivals) and steady_ns - self._arrivals[-1] <= RATE_WINDOW * 1e9

    def rate(self, steady_ns: int) -> float:
        """Proposals a second, between the first and the last that arrived within RATE_WINDOW; 0
        for fewer than two."""
        recent = [at for at in self._arrivals if steady_ns - at <= RATE_WINDOW * 1e9]
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) * 1e9 / max(recent[-1] - recent[0], 1)


def lowest_rate(config: EngagementConfig, limits: GateConfig) -> float:
    """Proposals a second that are enough to engage. Raises ConfigError for a lowest rate at which
    each proposal is stale before the next one comes."""
    if config.lowest_rate == ANY_RATE:
        return 0.0
    needed = {
        "engagement.proposal_stale_after": config.proposal_stale_after,
        "gate.stale_after": limits.stale_after,
    }
    if config.lowest_rate == BY_STALENESS:
        return 1.0 / min(needed.values())
    for name, seconds in needed.items():
        if config.lowest_rate * seconds < 1.0:
            raise ConfigError(
                "engagement.lowest_rate",
                config.lowest_rate,
                f"at least {1.0 / seconds:.4g} Hz: with {name} = {seconds:g} s each proposal is "
                "stale before the next one comes. Raise one of the two, or leave lowest_rate out",
            )
    return config.lowest_rate
