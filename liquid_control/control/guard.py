"""The safety gate with its states: proposals, speed and the driver's wishes in; commands, or
silence, out. Knows no ROS.

It runs on a steady clock: a proposal's age is what the stamps' clock said when it arrived plus the
steady time since, so that a clock that stands still or jumps can neither make an old proposal young
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
    Engagement,
    EngagementConfig,
    Readings,
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
"""A reading beyond this is no speed [m/s]."""
SPEED_NOISE, LARGEST_CHANGE = 2.0, 20.0
"""Two readings may differ by this [m/s] and by this a second [m/s²]; no vehicle on wheels does
more."""
AGREE_WITHIN = 1.0
"""Readings further apart than this are not compared [s]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What people want at one tick. `enabled`: the dead-man is held and fresh. `complaints`: faults
    that others found."""

    takeover: bool = False
    enabled: bool = False
    asked: bool = False
    acknowledged: bool = False
    complaints: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Decision:
    """`command` is None while the wheels are the driver's; `steady_ns` is when it was issued, on
    the clock that limits are counted by."""

    state: State
    reason: str
    command: Command | None
    verdict: Verdict
    steady_ns: int


class Guard:
    """`tick` at least as often as commands are wanted. All times in ns: `now_ns` of the stamps'
    clock, `steady_ns` of one that only goes forward. Nothing raises, whatever is pushed. `rejected`
    counts proposals by reason."""

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
        self._obeyed: Action | None = None
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
        the time between. So it takes two that agree to be believed again."""
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

    def tick(self, now_ns: int, steady_ns: int, wishes: Wishes = Wishes()) -> Decision:  # noqa: B008  frozen
        """One command, or none where the wheels are the driver's."""
        speed = self.known_speed(steady_ns)
        state = self.engagement.step(self._readings(now_ns, steady_ns, speed, wishes))
        if state not in COMMANDING or wishes.takeover:
            # Driving will start from where wheels and vehicle are then.
            self.previous = Command(
                0, steady_ns, self.steering_angle or 0.0, max(speed or 0.0, 0.0)
            )
            return Decision(
                state, self.engagement.reason, None, Verdict(Limit.NONE, False), steady_ns
            )
        driving = state in DRIVING
        if driving:
            self._obeyed = self._action
        gate = self._soft if state is State.ENGAGING else self._gate
        action, why = self._action, gate.unusable(self._action, steady_ns)
        if not driving and not why:  # a safe stop follows where the last bend was going
            action, why = self._obeyed, Limit.STALE
        self.previous, verdict = gate.limit(
            action, why, speed, steady_ns, self.previous, self.last_speed
        )
        command = dataclasses.replace(self.previous, stamp_ns=self._stamp_ns, issued_ns=now_ns)
        return Decision(
            state, self.engagement.reason, None if verdict.released else command, verdict, steady_ns
        )

    def _readings(
        self, now_ns: int, steady_ns: int, speed: float | None, wishes: Wishes
    ) -> Readings:
        unhealthy = [*self._proposal_troubles(steady_ns), *self._clock_troubles(now_ns, steady_ns)]
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
        held = wishes.enabled or not self.config.dead_man
        return Readings(
            steady_ns,
            tuple(unhealthy),
            slow,
            wishes.complaints,
            standing,
            wishes.takeover,
            held,
            wishes.asked,
            wishes.acknowledged,
        )

    def _proposal_troubles(self, steady_ns: int) -> list[str]:
        if self._action is None:
            return ["no proposal"]
        troubles = []
        if steady_ns - self._arrivals[-1] > self.config.proposal_stale_after * 1e9:
            troubles.append("proposal stale")
        age = steady_ns - self._action.stamp_ns
        if age > self.limits.stale_after * 1e9:
            troubles.append("frame stale")
        if -age > self.limits.max_future * 1e9:
            troubles.append("frame in the future")
        if not (math.isfinite(self._action.curvature) and math.isfinite(self._action.speed)):
            troubles.append("proposal not finite")
        return troubles

    def _clock_troubles(self, now_ns: int, steady_ns: int) -> list[str]:
        """A clock that stands still while time goes on is trouble as long as it does; a jump is
        counted, and proposals tell the rest."""
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
    """Whether a vehicle can have both speeds at these times; readings from too far apart say
    nothing about each other."""
    if other is None or abs(reading[1] - other[1]) > AGREE_WITHIN * 1e9:
        return False
    return (
        abs(reading[0] - other[0])
        <= SPEED_NOISE + LARGEST_CHANGE * abs(reading[1] - other[1]) / 1e9
    )
