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
from typing import NamedTuple

from liquid_control.config import check, choice, number, switch
from liquid_control.errors import ConfigError


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


class Request(enum.Enum):
    """What an operator can request."""

    ENGAGE = "engage"
    ACKNOWLEDGE = "acknowledge"
    EMERGENCY_STOP = "emergency stop"


class Answer(NamedTuple):
    """Whether a request is accepted, and the reason."""

    accepted: bool
    reason: str


DRIVING = (State.ENGAGING, State.ENGAGED)
BY_STALENESS, ANY_RATE = -1.0, 0.0
"""Values of `EngagementConfig.lowest_rate`."""
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
        BY_STALENESS,
        -1.0,
        200.0,
        "Hz",
        "proposals per second below which inputs are not healthy enough to engage; -1: at which "
        "none is stale before the next one comes; 0: any",
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
    request_valid_for: float = number(
        3.0,
        0.1,
        60.0,
        "s",
        "a request to engage waits so long for inputs that fail, and healthy_for more; then it is "
        "forgotten",
    )
    soft_time: float = number(
        1.0, 0.0, 30.0, "s", "time after engaging with reduced steering rate and lateral jerk"
    )
    soft_share: float = number(
        0.5, 0.05, 1.0, "", "share of the steering rate and lateral jerk allowed in that time"
    )
    standstill: float = number(
        0.1,
        0.01,
        2.0,
        "m/s",
        "below this speed the vehicle counts as standing; it does not engage while it rolls "
        "backwards faster",
    )
    largest_roll_back: float = number(
        0.5,
        0.01,
        5.0,
        "m/s",
        "rolling backwards faster than this, and than standstill, while engaged leads to the "
        "degraded state",
    )
    angle_stale_after: float = number(
        0.2, 0.01, 5.0, "s", "a measured steering angle older than this counts as unknown"
    )
    without_angle: str = choice(
        "proposal",
        ("proposal", "standstill"),
        "while the steering angle is unknown, engage from the angle that the policy proposes, or "
        "only at standstill",
    )
    last_command: str = choice(
        "stop",
        ("stop", "none"),
        "what is issued once when commands cease: a speed of 0 at the angle held, or nothing",
    )
    dead_man: bool = switch(False, "drive only while `enable` is held true and fresh")
    enable_stale_after: float = number(
        0.5, 0.02, 5.0, "s", "an `enable` that arrived longer ago counts as released"
    )

    def __post_init__(self) -> None:
        check(self)
        if BY_STALENESS < self.lowest_rate < ANY_RATE:
            raise ConfigError(
                "EngagementConfig.lowest_rate",
                self.lowest_rate,
                f"{BY_STALENESS:g}, {ANY_RATE:g} or more",
            )


@dataclasses.dataclass(frozen=True, slots=True)
class Readings:
    """What is known at one tick. `unhealthy` and `faults` name what is wrong. `unready`: problems
    of the inputs that prevent a start but not driving on; `forbidding`: those of the vehicle.
    `engage_requested` and `acknowledged`: since the last tick. `held`: the dead-man is held, or
    there is none.
    """

    steady_ns: int
    unhealthy: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()
    forbidding: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    standing: bool = False
    takeover: bool = False
    held: bool = True
    engage_requested: bool = False
    acknowledged: bool = False

    @property
    def wrong(self) -> tuple[str, ...]:
        """All that prevents a start, each once."""
        return tuple(dict.fromkeys((*self.unhealthy, *self.unready, *self.forbidding)))


class Engagement:
    """`state`, `reason` for it, and `since_ns` on the steady clock; `step` once a tick.

    A request to engage is accepted where it can be followed soon: all inputs were healthy within
    `request_valid_for`. It is forgotten after that time, and by a takeover or a fault. One while
    the policy drives changes nothing, then or later.
    """

    def __init__(self, config: EngagementConfig | None = None) -> None:
        self.config = config or EngagementConfig()
        self.state, self.reason, self.since_ns = State.DISENGAGED, "not engaged yet", 0
        self._by_itself = self.config.engage == "automatic"
        self._requested_until: int | None = None
        self._healthy_since: int | None = None
        self._last_healthy: int | None = None
        self._latest = Readings(0, unhealthy=("no input yet",))

    def step(self, readings: Readings) -> State:
        """The state after this tick; `reason` says why it is so."""
        self._latest = readings
        self._note_health(readings)
        new = readings.engage_requested and self.state not in DRIVING
        if new and self.answer(Request.ENGAGE).accepted:
            patience = self.config.request_valid_for + self.config.healthy_for
            self._requested_until = readings.steady_ns + round(patience * 1e9)
        if readings.faults:
            return self._enter(State.FAULT, ", ".join(readings.faults), readings)
        if self.state is State.FAULT and not readings.acknowledged:
            return self.state
        if self.state is State.FAULT:
            self._by_itself, self._requested_until = False, None
            return self._enter(State.DISENGAGED, "fault acknowledged", readings)
        if readings.takeover or not readings.held:
            if readings.takeover or self.state is not State.DISENGAGED:
                self._by_itself = False
            self._requested_until = self._healthy_since = None
            return self._enter(
                State.DISENGAGED, "taken over" if readings.takeover else "enable released", readings
            )
        if self.state in DRIVING:
            return self._while_driving(readings)
        return self._while_not_driving(readings)

    @property
    def missing(self) -> tuple[str, ...]:
        """What of the inputs prevents a start as of the last tick; empty unless disengaged for
        that."""
        latest = self._latest
        waits = self.state is State.DISENGAGED and latest.held and not latest.takeover
        return (*latest.unhealthy, *latest.unready) if waits else ()

    def answer(self, request: Request) -> Answer:
        """Whether a request can be followed, as of the last tick. Changes nothing."""
        if request is Request.EMERGENCY_STOP:
            return Answer(True, self._stop_reason())
        if request is Request.ACKNOWLEDGE:
            if self.state is not State.FAULT:
                return Answer(False, f"no fault to acknowledge: {self.state.value}")
            if self._latest.faults:
                return Answer(False, f"the cause is still there: {', '.join(self._latest.faults)}")
            return Answer(True, "acknowledged; engage again when ready")
        return self._engage_answer(self._latest)

    def _stop_reason(self) -> str:
        if self.state is State.FAULT:
            return f"already in the fault state, for: {self.reason}; latched until acknowledged"
        if self._latest.takeover:
            return "latched until acknowledged; no command is issued during the takeover"
        return "stopping; latched until acknowledged"

    def _engage_answer(self, readings: Readings) -> Answer:
        if self.state is State.FAULT:
            return Answer(False, f"fault: {self.reason}; acknowledge it first")
        if readings.takeover:
            return Answer(False, "taken over; end the takeover first")
        if not readings.held:
            return Answer(False, "enable released; hold the dead-man switch first")
        if self.state in DRIVING:
            return Answer(True, f"already {self.state.value}")
        wrong = ", ".join(readings.wrong)
        if self.state is State.DEGRADED:
            return Answer(False, f"degraded: {wrong}; it drives on when the inputs are back")
        if readings.forbidding or (wrong and not self._recently_healthy(readings)):
            return Answer(False, f"cannot engage: {wrong}")
        now = f" (now: {wrong})" if wrong else ""
        return Answer(
            True,
            f"engages once all inputs have been healthy for {self.config.healthy_for:g} s{now}; "
            f"forgotten if they are not within {self.config.request_valid_for:g} s",
        )

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
        if self.state is State.DEGRADED:
            if not readings.unhealthy:
                return self._enter(State.ENGAGED, "inputs are back", readings)
            if not any(problem in self.reason for problem in readings.unhealthy):
                self.reason = ", ".join(readings.unhealthy)
            if readings.standing:
                self._by_itself = self.config.engage == "automatic"
                return self._enter(State.STOPPED, self.reason, readings)
            return self.state
        requested = self._requested_until is not None
        if requested and readings.steady_ns > self._requested_until:
            requested, self._requested_until = False, None
        may_start = self._by_itself or requested
        if may_start and self._ready(readings):
            self._requested_until = None
            return self._enter(
                State.ENGAGING, "engage requested" if requested else "inputs are healthy", readings
            )
        waiting = ", ".join(readings.wrong) or (
            "healthy for too short a time" if may_start else "waits for an engage request"
        )
        return self._enter(self.state, waiting, readings)

    def _note_health(self, readings: Readings) -> None:
        if readings.wrong:
            self._healthy_since = None
            return
        self._last_healthy = readings.steady_ns
        if self._healthy_since is None:
            self._healthy_since = readings.steady_ns

    def _recently_healthy(self, readings: Readings) -> bool:
        last, within = self._last_healthy, self.config.request_valid_for * 1e9
        return last is not None and readings.steady_ns - last <= within

    def _ready(self, readings: Readings) -> bool:
        since = self._healthy_since
        return since is not None and readings.steady_ns - since >= self.config.healthy_for * 1e9

    def _enter(self, state: State, reason: str, readings: Readings) -> State:
        if state is not self.state:
            self.since_ns = readings.steady_ns
        self.state, self.reason = state, reason
        return state
