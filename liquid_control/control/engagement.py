"""The states of the safety gate and their transitions. Pure: no messages and no clock.

    disengaged ───────── engage requested, healthy for a while ──► engaging
    engaging ─────────── ramp over ──► engaged
    engaging, engaged ── unhealthy ──► degraded
    degraded ─────────── healthy again ──► engaged
    degraded ─────────── standing ──► stopped
    stopped ──────────── as from disengaged ──► engaging
    any ──────────────── takeover, dead-man released ──► disengaged
    any ──────────────── emergency stop or another fault ──► fault
    fault ────────────── acknowledged, no cause left ──► disengaged

A takeover has priority over every state, a fault included: while it lasts no command is issued, and
the fault stays latched.
"""

from __future__ import annotations

import dataclasses
import enum

from liquid_control.config import check, choice, number, switch


class State(enum.Enum):
    """`disengaged`: no commands, the driver steers. `engaging`: drives with reduced steering rate
    and jerk. `degraded`: safe behaviour until the inputs are healthy again. `stopped`: standing
    after that. `fault`: safe behaviour, latched."""

    DISENGAGED = "disengaged"
    ENGAGING = "engaging"
    ENGAGED = "engaged"
    DEGRADED = "degraded"
    STOPPED = "stopped"
    FAULT = "fault"


DRIVING = (State.ENGAGING, State.ENGAGED)
COMMANDING = (*DRIVING, State.DEGRADED, State.STOPPED, State.FAULT)


@dataclasses.dataclass(frozen=True)
class EngagementConfig:
    """When the gate lets the policy drive."""

    engage: str = choice(
        "automatic",
        ("automatic", "manual"),
        "automatic: once inputs are healthy, the first time and after a stop; manual: on request. "
        "After a takeover or a fault it takes a request either way",
    )
    healthy_for: float = number(
        1.0, 0.0, 60.0, "s", "how long all inputs must be healthy before engaging"
    )
    lowest_rate: float = number(
        5.0,
        0.0,
        200.0,
        "Hz",
        "proposals per second below which inputs are not healthy enough to engage",
    )
    proposal_stale_after: float = number(
        0.17,
        0.02,
        5.0,
        "s",
        "a proposal that arrived longer ago is not used, whatever its stamp says",
    )
    needs_speed: bool = switch(
        True, "a measured speed is needed to engage; its loss leads to the degraded state"
    )
    soft_time: float = number(
        1.0, 0.0, 30.0, "s", "time after engaging with reduced steering rate and lateral jerk"
    )
    soft_share: float = number(
        0.5, 0.05, 1.0, "", "share of the steering rate and lateral jerk allowed in that time"
    )
    standstill: float = number(
        0.1, 0.01, 2.0, "m/s", "below this speed the vehicle counts as standing"
    )
    dead_man: bool = switch(False, "drive only while `enable` is held true and fresh")
    enable_stale_after: float = number(
        0.5, 0.02, 5.0, "s", "an `enable` that arrived longer ago counts as released"
    )

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Readings:
    """What is known at one tick. `unhealthy` and `faults` name what is wrong. `unready`: problems
    that prevent a start but not driving on. `engage_requested` and `acknowledged`: since the last
    tick. `held`: the dead-man is held, or there is none.
    """

    steady_ns: int
    unhealthy: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    standing: bool = False
    takeover: bool = False
    held: bool = True
    engage_requested: bool = False
    acknowledged: bool = False


class Engagement:
    """`state`, `reason` for it, and `since_ns` on the steady clock; `step` once a tick."""

    def __init__(self, config: EngagementConfig | None = None) -> None:
        self.config = config or EngagementConfig()
        self.state, self.reason, self.since_ns = State.DISENGAGED, "not engaged yet", 0
        self._may_start = self.config.engage == "automatic"
        self._healthy_since: int | None = None

    def step(self, readings: Readings) -> State:
        """The state after this tick; `reason` says why it is so."""
        if readings.faults:
            return self._enter(State.FAULT, ", ".join(readings.faults), readings)
        if self.state is State.FAULT and not readings.acknowledged:
            return self.state
        if self.state is State.FAULT:
            self._may_start = False
            return self._enter(State.DISENGAGED, "fault acknowledged", readings)
        if readings.takeover or not readings.held:
            if self.state is not State.DISENGAGED:
                self._may_start = False
            self._healthy_since = None
            return self._enter(
                State.DISENGAGED, "taken over" if readings.takeover else "enable released", readings
            )
        self._note_health(readings)
        if self.state in DRIVING:
            return self._while_driving(readings)
        return self._while_not_driving(readings)

    def _while_driving(self, readings: Readings) -> State:
        if readings.unhealthy:
            return self._enter(State.DEGRADED, ", ".join(readings.unhealthy), readings)
        if (
            self.state is State.ENGAGING
            and readings.steady_ns - self.since_ns >= self.config.soft_time * 1e9
        ):
            return self._enter(State.ENGAGED, "engaged", readings)
        return self.state

    def _while_not_driving(self, readings: Readings) -> State:
        self._may_start |= readings.engage_requested
        if self.state is State.DEGRADED:
            if not readings.unhealthy:
                return self._enter(State.ENGAGED, "inputs are back", readings)
            if readings.standing:
                self._may_start = self.config.engage == "automatic"
                return self._enter(State.STOPPED, self.reason, readings)
            return self.state
        if self._may_start and self._ready(readings):
            return self._enter(
                State.ENGAGING,
                "engage requested" if self.config.engage == "manual" else "inputs are healthy",
                readings,
            )
        if self.state is State.DISENGAGED:
            wrong = (*readings.unhealthy, *readings.unready)
            waiting = (
                ", ".join(wrong)
                if wrong
                else "healthy for too short a time"
                if self._may_start
                else "waits for an engage request"
            )
            return self._enter(State.DISENGAGED, waiting, readings)
        return self.state

    def _note_health(self, readings: Readings) -> None:
        if readings.unhealthy or readings.unready:
            self._healthy_since = None
        elif self._healthy_since is None:
            self._healthy_since = readings.steady_ns

    def _ready(self, readings: Readings) -> bool:
        since = self._healthy_since
        return since is not None and readings.steady_ns - since >= self.config.healthy_for * 1e9

    def _enter(self, state: State, reason: str, readings: Readings) -> State:
        if state is not self.state:
            self.since_ns = readings.steady_ns
        self.state, self.reason = state, reason
        return state
