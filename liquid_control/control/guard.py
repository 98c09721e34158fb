"""The safety gate with its states: proposals, measured speed and the operator's requests in;
commands, or none, out. Knows no ROS; `control.loop` says when it ticks.

It runs on a steady clock: a proposal's age is its age by the stamps' clock at arrival plus the
steady time since. A stamps' clock that stands still or jumps can neither make an old proposal young
nor open a limit.
"""

from __future__ import annotations

import collections
import dataclasses
import math

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import (
    COMMANDING,
    DRIVING,
    Answer,
    Engagement,
    EngagementConfig,
    Readings,
    Request,
    State,
)
from liquid_control.control.safety import SafetyGate
from liquid_control.signals import Action, Command, Limit, SpeedSample, Verdict

RATE_WINDOW = 1.0
"""Proposals are counted over this time [s]."""
CLOCK_TOLERANCE = 0.5
"""The stamps' clock may differ from the steady one by this much between two ticks before it counts
as jumped or stopped [s]."""
LARGEST_SPEED = 100.0
"""A larger reading is not a speed [m/s]."""
SPEED_NOISE, LARGEST_CHANGE = 2.0, 20.0
"""Two readings may differ by this [m/s], and by this per second [m/s²]: more than any vehicle on
wheels reaches."""
AGREE_WITHIN = 1.0
"""Readings further apart than this are not compared [s]."""


@dataclasses.dataclass(frozen=True, slots=True)
class OperatorRequest:
    """What the operator requests at one tick. `takeover` lasts; `engage_requested` and
    `acknowledged` are edges since the last tick; `enabled`: the dead-man is held and fresh.
    `faults`: an emergency stop, and faults found outside of the gate."""

    takeover: bool = False
    enabled: bool = False
    engage_requested: bool = False
    acknowledged: bool = False
    faults: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """`command` is None while the driver steers; `steady_ns` is when it was issued, on the clock
    that limits are counted by."""

    state: State
    reason: str
    command: Command | None
    verdict: Verdict
    steady_ns: int


class Guard:
    """One `tick` is one decision; a `Loop` says when. All times in ns: `now_ns` of the stamps'
    clock, `steady_ns` of one that only goes forward. Nothing raises, whatever is pushed. `rejected`
    counts proposals and measurements by reason."""

    def __init__(
        self,
        limits: GateConfig | None = None,
        vehicle: VehicleConfig | None = None,
        config: EngagementConfig | None = None,
    ):
        self.vehicle, self.config = vehicle or VehicleConfig(), config or EngagementConfig()
        self.engagement = Engagement(self.config)
        self.limits = limits or GateConfig()
        self.rejected: collections.Counter[str] = collections.Counter()
        self.clock_jumps = 0
        self.previous: Command | None = None
        self.steering_angle: float | None = None
        self._action: Action | None = None  # stamped on the steady clock
        self._followed: Action | None = None
        self._stamp_ns = 0
        self._arrivals: collections.deque[int] = collections.deque(maxlen=512)
        self._speed: tuple[float, int] | None = None  # [m/s], when on the steady clock [ns]
        self._reading: tuple[float, int] | None = None
        self._clocks: tuple[int, int] | None = None
        self._stopped_since: int | None = None

    @property
    def limits(self) -> GateConfig:
        return self._gate.limits

    @limits.setter
    def limits(self, limits: GateConfig) -> None:
        """New limits; not while the policy drives."""
        self._gate = SafetyGate(limits, self.vehicle)
        share = self.config.soft_share
        rate, jerk = (
            max(limits.max_steering_rate * share, 0.01),
            max(limits.max_lateral_jerk * share, 0.1),
        )
        self._soft = SafetyGate(
            dataclasses.replace(limits, max_steering_rate=rate, max_lateral_jerk=jerk), self.vehicle
        )

    @property
    def last_speed(self) -> float | None:
        """The speed measured last [m/s], however long ago."""
        return None if self._speed is None else self._speed[0]

    def push_proposal(self, action: Action, now_ns: int, steady_ns: int) -> bool:
        """Takes a proposal; False when its stamp repeats or precedes that of the last one (unless
        the clock itself went back)."""
        if (
            self._action is not None
            and action.stamp_ns <= self._stamp_ns
            and now_ns >= self._stamp_ns
        ):
            self.rejected["duplicate" if action.stamp_ns == self._stamp_ns else "older"] += 1
            return False
        self._stamp_ns = action.stamp_ns
        self._action = dataclasses.replace(action, stamp_ns=steady_ns - (now_ns - action.stamp_ns))
        self._arrivals.append(steady_ns)
        return True

    def push_speed(self, sample: SpeedSample, now_ns: int, steady_ns: int) -> bool:
        """Takes a measured speed; False when its stamp is further from now than the limit allows,
        or it is not finite, impossible, or further from the reading before than any vehicle gets in
        the time between. Two consistent readings are needed to recover."""
        reading = sample.speed, steady_ns - max(now_ns - sample.stamp_ns, 0)
        stale = abs(now_ns - sample.stamp_ns) > self.limits.speed_stale_after * 1e9
        possible = not stale and abs(sample.speed) <= LARGEST_SPEED
        believed = possible and _agree(reading, self._reading)
        self._reading = reading if possible else None
        if not believed:
            self.rejected["speed"] += 1
            return False
        self._speed = reading
        return True

    def push_steering_angle(self, angle: float) -> bool:
        """Takes a measured front-wheel angle [rad], which driving starts from; False when it is not
        finite."""
        if not math.isfinite(angle):
            self.rejected["steering_angle"] += 1
            return False
        self.steering_angle = angle
        return True

    def answer(self, request: Request) -> Answer:
        """Whether an operator's request can be followed, as of the last tick. Changes nothing: the
        request itself comes with the next `tick`."""
        return self.engagement.answer(request)

    def tick(
        self,
        now_ns: int,
        steady_ns: int,
        request: OperatorRequest = OperatorRequest(),  # noqa: B008  frozen
    ) -> Decision:
        """One command, or none while the driver steers."""
        speed = self.known_speed(steady_ns)
        state = self.engagement.step(self._readings(now_ns, steady_ns, speed, request))
        if state not in COMMANDING or request.takeover:
            # Driving starts from where wheels and vehicle are then.
            self.previous = Command(
                0, steady_ns, self.steering_angle or 0.0, max(speed or 0.0, 0.0)
            )
            return Decision(
                state, self.engagement.reason, None, Verdict(Limit.NONE, False), steady_ns
            )
        driving = state in DRIVING
        if driving:
            self._followed = self._action
        gate = self._soft if state is State.ENGAGING else self._gate
        action, why = self._action, gate.unusable(self._action, steady_ns)
        if not driving and not why:  # a safe stop may follow the last bend that was driven
            action, why = self._followed, Limit.STALE
        self.previous, verdict = gate.limit(
            action, why, speed, steady_ns, self.previous, self.last_speed
        )
        command = dataclasses.replace(self.previous, stamp_ns=self._stamp_ns, issued_ns=now_ns)
        return Decision(
            state, self.engagement.reason, None if verdict.released else command, verdict, steady_ns
        )

    def _readings(
        self, now_ns: int, steady_ns: int, speed: float | None, request: OperatorRequest
    ) -> Readings:
        unhealthy = [*self._proposal_problems(steady_ns), *self._clock_problems(now_ns, steady_ns)]
        if speed is None and self.config.needs_speed:
            unhealthy.append("no speed")
        rate = (
            sum(steady_ns - arrival <= RATE_WINDOW * 1e9 for arrival in self._arrivals)
            / RATE_WINDOW
        )
        slow = () if rate >= self.config.lowest_rate else ("proposals too slow",)
        standing = (
            self.previous is not None
            and self.previous.speed == 0.0
            and (speed is None or abs(speed) <= self.config.standstill)
        )
        held = request.enabled or not self.config.dead_man
        return Readings(
            steady_ns,
            tuple(unhealthy),
            slow,
            (),
            request.faults,
            standing,
            request.takeover,
            held,
            request.engage_requested,
            request.acknowledged,
        )

    def _proposal_problems(self, steady_ns: int) -> list[str]:
        if self._action is None:
            return ["no proposal"]
        problems = []
        if steady_ns - self._arrivals[-1] > self.config.proposal_stale_after * 1e9:
            problems.append("proposal stale")
        age = steady_ns - self._action.stamp_ns
        if age > self.limits.stale_after * 1e9:
            problems.append("frame stale")
        if -age > self.limits.max_future * 1e9:
            problems.append("frame in the future")
        if not (math.isfinite(self._action.curvature) and math.isfinite(self._action.speed)):
            problems.append("proposal not finite")
        return problems

    def _clock_problems(self, now_ns: int, steady_ns: int) -> list[str]:
        """A clock that stands still is unhealthy for as long as it does. A jump is only counted:
        the proposals' stamps show its effect."""
        if self._clocks is not None:
            moved, passed = now_ns - self._clocks[0], steady_ns - self._clocks[1]
            self.clock_jumps += moved != 0 and abs(moved - passed) > CLOCK_TOLERANCE * 1e9
            if moved:
                self._stopped_since = None
            elif self._stopped_since is None:
                self._stopped_since = self._clocks[1]
        self._clocks = now_ns, steady_ns
        stopped = (
            self._stopped_since is not None
            and steady_ns - self._stopped_since > CLOCK_TOLERANCE * 1e9
        )
        return ["clock stands still"] if stopped else []

    def known_speed(self, steady_ns: int) -> float | None:
        """The measured speed [m/s] while it is fresh."""
        if self._speed is None or steady_ns - self._speed[1] > self.limits.speed_stale_after * 1e9:
            return None
        return self._speed[0]


def _agree(reading: tuple[float, int], other: tuple[float, int] | None) -> bool:
    """Whether a vehicle can have both speeds at these times; False for readings too far apart to
    be compared."""
    if other is None or abs(reading[1] - other[1]) > AGREE_WITHIN * 1e9:
        return False
    return (
        abs(reading[0] - other[0])
        <= SPEED_NOISE + LARGEST_CHANGE * abs(reading[1] - other[1]) / 1e9
    )
