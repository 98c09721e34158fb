"""Which messages of gate and shadow mark a moment of a drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus

from liquid_control.control.engagement import COMMANDING, State
from liquid_control.ros.proposal_source import Driver
from liquid_control.signals import Limit

QUIET = 5.0
"""The gate's activity is marked where it begins: after so long without any [s]."""
USUAL = {"", Limit.ACCELERATION.name.lower()}
"""What a verdict says of a gate that changes nothing: the cap on speed rises by the acceleration
whenever a vehicle pulls away."""


class Moment(NamedTuple):
    """`kind` of a mark and the reason for it."""

    kind: str
    reason: str


class GateMarks:
    """Follows the gate's state and its verdicts, and the shadow's events. `state`: the gate's,
    None before it is known. A person who drives through the gate by hand marks nothing by it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.state: State | None = None
        self._clock = clock
        self._acted = float("-inf")

    def on_state(self, message: DiagnosticStatus) -> Moment | None:
        """A message of `safety_node/state`."""
        try:
            state = State(message.message)
        except ValueError:
            return None
        before, self.state = self.state, state
        values = {pair.key: pair.value for pair in message.values}
        if before is None or before is state or values.get("driver") == Driver.HAND.value:
            return None
        reason = values.get("reason", "")
        if state is State.DISENGAGED and before in COMMANDING and before is not State.FAULT:
            return Moment("takeover", f"{before.value}: {reason}")
        named = {State.ENGAGING: "engage", State.DEGRADED: "degraded", State.FAULT: "fault"}
        return Moment(named[state], reason) if state in named else None

    def on_verdict(self, message: DiagnosticStatus) -> Moment | None:
        """A message of `safety_node/verdict`."""
        if message.message in USUAL:
            return None
        before, self._acted = self._acted, self._clock()
        return Moment("gate", message.message) if self._acted - before > QUIET else None

    def on_disagreement(self, message: DiagnosticStatus) -> Moment:
        """A message of `shadow/disagreement`."""
        return Moment("disagreement", message.message)
