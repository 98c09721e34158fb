"""The safety gate with its states: proposals, measured speed and the operator's requests in;
commands, or none, out. Knows no ROS; `control.loop` says when it ticks.

It runs on a steady clock: a proposal's age is its age by the stamps' clock at arrival plus the
steady time since. A stamps' clock that stands still or jumps can neither make an old proposal young
nor open a limit.
"""

from __future__ import annotations

import collections
import dataclasses
import enum

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
from liquid_control.control.measured import Measured
from liquid_control.control.proposals import AGES, Proposals, lowest_rate
from liquid_control.control.safety import SafetyGate
from liquid_control.control.start import Start
from liquid_control.signals import Action, Command, Limit, SpeedSample, SteeringSample, Verdict

CLOCK_TOLERANCE = 0.5
"""The stamps' clock may differ from the steady one by this much between two ticks before it counts
as jumped or stopped [s]."""
LARGEST_SPEED = 100.0
"""A larger reading is not a speed [m/s]."""
SPEED_NOISE, LARGEST_CHANGE = 2.0, 20.0
"""Two readings may differ by this [m/s], and by this per second [m/s²]: more than any vehicle on
wheels reaches."""


@dataclasses.dataclass(frozen=True, slots=True)
class OperatorRequest:
    """What the operator requests at one tick. `takeover` lasts; `engage_requested` and
    `acknowledged` are edges since the last tick; `enabled`: the dead-man is held and fresh.
    `faults`: an emergency stop, and faults found outside of the gate; `unready`: what is found
    there that prevents a start but not driving on."""

    takeover: bool = False
    enabled: bool = False
    engage_requested: bool = False
    acknowledged: bool = False
    faults: tuple[str, ...] = ()
    unready: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """`command` is None while the driver steers; `steady_ns` is when it was issued, on the clock
    that limits are counted by. `closing`: the last command before silence, at the tick with which
    commands cease."""

    state: State
    reason: str
    command: Command | None
    verdict: Verdict
    steady_ns: int
    closing: Command | None = None


class Wheels(enum.Enum):
    """What they follow since the last tick: the gate's commands, the driver, or what the vehicle
    does with them in a safe stop that releases them."""

    GATE = "gate"
    DRIVER = "driver"
    RELEASED = "released"


class Guard:
    """One `tick` is one decision; a `Loop` says when. All times in ns: `now_ns` of the stamps'
    clock, `steady_ns` of one that only goes forward. Nothing raises, whatever is pushed. `rejected`
    counts proposals and measurements by reason. `previous`: the last command; while the driver
    steers, where driving would start from. Raises ConfigError for limits and settings that
    contradict each other.
    """

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
        self._wheels = Wheels.DRIVER
        self._start = Start(self.vehicle)
        self._proposals = Proposals()
        self._followed: Action | None = None
        self._speed = Measured(LARGEST_SPEED, SPEED_NOISE, LARGEST_CHANGE)
        self._clocks: tuple[int, int] | None = None
        self._stopped_since: int | None = None

    @property
    def limits(self) -> GateConfig:
        return self._gate.limits

    @limits.setter
    def limits(self, limits: GateConfig) -> None:
        """New limits; not while the policy drives."""
        self._lowest_rate = lowest_rate(self.config, limits)
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
        return self._speed.last

    def push_proposal(self, action: Action, now_ns: int, steady_ns: int) -> bool:
        """Takes a proposal; False when its stamp repeats or precedes that of the last one (unless
        the clock itself went back)."""
        refused = self._proposals.push(action, now_ns, steady_ns)
        if refused:
            self.rejected[refused] += 1
        return not refused

    def push_speed(self, sample: SpeedSample, now_ns: int, steady_ns: int) -> bool:
        """Takes a measured speed; False when its stamp is further from now than the limit allows,
        or it is not finite, impossible, or further from the reading before than any vehicle gets in
        the time between. Two consistent readings are needed to recover."""
        age_ns = now_ns - sample.stamp_ns
        fresh = abs(age_ns) <= self.limits.speed_stale_after * 1e9
        believed = self._speed.push(sample.speed, steady_ns - max(age_ns, 0), fresh)
        if not believed:
            self.rejected["speed"] += 1
        return believed

    def push_steering_angle(self, sample: SteeringSample, now_ns: int, steady_ns: int) -> bool:
        """Takes a measured front-wheel angle, which driving starts from; False as for a speed. One
        far beyond the vehicle's largest is in another unit, and no angle is believed for a while
        after it."""
        believed = self._start.push(
            sample.steering_angle,
            steady_ns,
            now_ns - sample.stamp_ns,
            self.config.angle_stale_after,
        )
        if not believed:
            self.rejected["steering_angle"] += 1
        return believed

    def known_speed(self, steady_ns: int) -> float | None:
        """The measured speed [m/s] while it is fresh."""
        return self._speed.known(steady_ns, self.limits.speed_stale_after)

    def known_angle(self, steady_ns: int) -> float | None:
        """The measured front-wheel angle [rad] while it is fresh and not in doubt."""
        return self._start.known_angle(steady_ns, self.config.angle_stale_after)

    def angle_problem(self, steady_ns: int) -> str:
        """Why measured angles that arrive are not believed; empty where they are."""
        return self._start.problem(steady_ns, self.config.angle_stale_after)

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
        if self._wheels is Wheels.DRIVER:
            self.previous = self._where(steady_ns, speed)
        state = self.engagement.step(self._readings(now_ns, steady_ns, speed, request))
        if state not in COMMANDING or request.takeover:
            closing = self.closing_command(now_ns)
            self.previous = dataclasses.replace(self.previous, issued_ns=steady_ns)
            self._wheels, self._followed = Wheels.DRIVER, None
            return Decision(
                state, self.engagement.reason, None, Verdict(Limit.NONE, False), steady_ns, closing
            )
        driving = state in DRIVING
        if driving:
            self._followed = self._proposals.action
            if self._wheels is Wheels.RELEASED:
                self.previous = self._where(steady_ns, speed)
        gate = self._soft if state is State.ENGAGING else self._gate
        action = self._proposals.action
        why = gate.unusable(action, steady_ns)
        if not driving and not why:  # a safe stop may follow the last bend that was driven
            action, why = self._followed, Limit.STALE
        self.previous, verdict = gate.limit(
            action, why, speed, steady_ns, self.previous, self.last_speed
        )
        command = None
        self._wheels = Wheels.RELEASED
        if not verdict.released:
            self._wheels = Wheels.GATE
            self._start.obeyed(steady_ns)
            command = dataclasses.replace(
                self.previous, stamp_ns=self._proposals.stamp_ns, issued_ns=now_ns
            )
        return Decision(state, self.engagement.reason, command, verdict, steady_ns)

    def closing_command(self, now_ns: int) -> Command | None:
        """The last command before silence: standstill at the angle held, for a vehicle that would
        go on obeying the one before. None where no command was issued at the last tick, or none is
        wanted."""
        if self._wheels is not Wheels.GATE or self.config.last_command == "none":
            return None
        return Command(self._proposals.stamp_ns, now_ns, self.previous.steering_angle, 0.0)

    def _where(self, steady_ns: int, speed: float | None) -> Command:
        """Where driving starts from, while the wheels do not follow the gate."""
        usable = not self._proposal_problems(steady_ns)
        proposed = self._proposals.action if usable else None
        angle = self.known_angle(steady_ns)
        return self._start.command(self._gate, angle, proposed, speed, steady_ns, self.previous)

    def _readings(
        self, now_ns: int, steady_ns: int, speed: float | None, request: OperatorRequest
    ) -> Readings:
        problems, unready = self._proposal_problems(steady_ns), [*request.unready]
        if self._proposals.rate(steady_ns) < self._lowest_rate:
            unready.insert(0, f"proposals too slow: below {self._lowest_rate:.3g} Hz")
            if self._proposals.come(steady_ns) and self.engagement.state not in COMMANDING:
                # Each one is stale before the next comes: a consequence that comes and goes.
                problems = [problem for problem in problems if problem not in AGES]
        angle = self.known_angle(steady_ns)
        if angle is None and self.config.without_angle == "standstill" and not self._stands(speed):
            unready.append("no steering angle while moving")
        unhealthy = [*problems, *self._clock_problems(now_ns, steady_ns)]
        if speed is None and self.config.needs_speed:
            unhealthy.append("no speed")
        roll_back = max(self.config.largest_roll_back, self.config.standstill)
        if speed is not None and speed < -roll_back:
            unhealthy.append("rolling backwards")
        return Readings(
            steady_ns,
            tuple(unhealthy),
            tuple(unready),
            self._forbidding(angle, speed),
            request.faults,
            self.previous.speed == 0.0 and (speed is None or self._stands(speed)),
            request.takeover,
            request.enabled or not self.config.dead_man,
            request.engage_requested,
            request.acknowledged,
        )

    def _forbidding(self, angle: float | None, speed: float | None) -> tuple[str, ...]:
        """What the vehicle does that forbids to engage."""
        found = []
        if speed is not None and speed < -self.config.standstill:
            found.append("rolling backwards")
        if angle is not None and abs(angle) > self._gate.largest_angle:
            found.append("wheels beyond the largest angle")
        return tuple(found)

    def _stands(self, speed: float | None) -> bool:
        return speed is not None and abs(speed) <= self.config.standstill

    def _proposal_problems(self, steady_ns: int) -> list[str]:
        return self._proposals.problems(steady_ns, self.limits, self.config.proposal_stale_after)

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
