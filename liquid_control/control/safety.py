"""The safety gate: the last stage before the vehicle, and a pure function of its arguments. It
assumes nothing about its inputs.

Each command is judged against the one before it and the time between them, so that limits hold for
every pair of commands under any irregular timing. Hard limits, which hold for any input, since the
command before satisfies all of them and repeating it does too:

1. the steering angle stays within the largest angle;
2. it changes no faster than the largest rate;
3. lateral jerk by steering, measured speed² x change of curvature per second, stays within its
limit;
4. the commanded speed stays within 0 and the largest speed, rises no faster than the largest
   acceleration and falls no faster than the largest deceleration (counted from the measured speed
   where that is lower);
5. the commanded pair of angle and speed never means more lateral acceleration than allowed.

One limit needs time when the speed reading jumps, because a jump of the steering angle is more
dangerous: lateral acceleration at the measured speed stays within its limit, or the angle falls as
fast as 2 and 3 allow.

Without a usable action the speed is taken away and the wheels hold their angle (or follow
`GateConfig.safe_behaviour`): an angle set to zero in a bend leaves the road.
"""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.signals import Action, Command, Limit, Verdict

_FOREVER_NS = 2**62
"""A longer time counts as this: an integer may be too large for a float."""


@dataclasses.dataclass(frozen=True)
class SafetyGate:
    """Lets an action through within `limits`, for `vehicle`."""

    limits: GateConfig = dataclasses.field(default_factory=GateConfig)
    vehicle: VehicleConfig = dataclasses.field(default_factory=VehicleConfig)

    def apply(
        self,
        action: Action | None,
        speed: float | None,
        now_ns: int,
        previous: Command | None,
        last_speed: float | None = None,
    ) -> tuple[Command, Verdict]:
        """Turns a proposed action into a command and says which limits acted. Total: never raises,
        and its output is always finite.

        `speed`: measured [m/s]; None, NaN or infinite is unknown, and then lateral limits are
        judged at the largest speed that may have been commanded, in a safe stop at the speed that
        was commanded last. `now_ns`: this clock's time. `previous`: the last command issued; None
        when there is none yet, which lets the wheel start from 0 and the speed from the measured
        one. `last_speed`: the one measured last, however long ago, from which the speed is taken
        away while `speed` is unknown.
        """
        why = self.unusable(action, now_ns)
        return self.limit(action, why, speed, now_ns, previous, last_speed)

    def limit(
        self,
        action: Action | None,
        why: Limit,
        speed: float | None,
        now_ns: int,
        previous: Command | None,
        last_speed: float | None = None,
    ) -> tuple[Command, Verdict]:
        """As `apply`, where it is known `why` the action cannot be used: the answer of `unusable`,
        or a reason not to use a usable action."""
        measured = _finite(speed)
        before = _before(previous, now_ns, _finite(last_speed) if measured is None else measured)
        # Time without a command allows no more change than `stale_after` does, so that a long
        # silence does not allow a jump.
        elapsed = min(before.elapsed, self.limits.stale_after)
        limits, safe_stop = why, bool(why)
        if measured is None:
            limits |= Limit.SPEED_UNKNOWN
            # In a safe stop the angle was let through before: judging it at a speed never commanded
            # would turn the wheels on a bend.
            measured = before.speed if safe_stop else max(self.limits.max_speed, before.speed)
        slowest = max(before.slower - self.limits.max_deceleration * elapsed, 0.0)

        if safe_stop:
            stamp_ns, wanted_angle = (
                before.stamp_ns,
                self._angle_without_action(action, limits, before.angle),
            )
            wanted_speed = max(before.slower - self.limits.deceleration * before.elapsed, slowest)
        else:
            stamp_ns, wanted_angle = (
                int(action.stamp_ns),
                steering_angle(float(action.curvature), self.vehicle),
            )
            wanted_speed = float(action.speed)
            if abs(float(action.curvature)) > curvature(self.largest_angle, self.vehicle):
                limits |= Limit.ANGLE

        angle, steered = self._limit_angle(wanted_angle, measured, before.angle, elapsed)
        fastest = before.speed + self.limits.max_acceleration * elapsed
        commanded, paced = self._limit_speed(wanted_speed, angle, slowest, fastest)
        released = safe_stop and self.limits.safe_behaviour == "release"
        return Command(stamp_ns, _whole(now_ns, 0), angle, commanded), Verdict(
            limits | steered | paced, safe_stop, released
        )

    @property
    def largest_angle(self) -> float:
        """Of the gate or of the vehicle, whichever is smaller [rad]."""
        return min(self.limits.max_steering_angle, self.vehicle.max_steering_angle)

    def lasting_angle(self, bend: float, speed: float | None) -> float:
        """The front-wheel angle nearest to that of a curvature `bend` [1/m] that is allowed for any
        time at a measured speed [m/s]; None: at the largest speed that may be commanded."""
        bearable = self._bearable(self.limits.max_speed if speed is None else speed)
        bound = min(self.largest_angle, bearable)
        return _clip(steering_angle(bend, self.vehicle), -bound, bound)

    def unusable(self, action: Action | None, now_ns: int) -> Limit:
        """Why the action cannot be used; `Limit.NONE` when it can."""
        if action is None:
            return Limit.STALE
        stamp, now = _whole(action.stamp_ns, None), _whole(now_ns, None)
        if (
            stamp is None
            or now is None
            or _finite(action.curvature) is None
            or _finite(action.speed) is None
        ):
            return Limit.NOT_FINITE
        if now - stamp > self.limits.stale_after * 1e9:
            return Limit.STALE
        return Limit.FUTURE if stamp - now > self.limits.max_future * 1e9 else Limit.NONE

    def _angle_without_action(self, action: Action | None, why: Limit, before: float) -> float:
        """The wanted angle of a safe stop. Only a stale action is still followed, where configured;
        another unusable one is not."""
        if self.limits.safe_behaviour == "follow" and why is Limit.STALE and action is not None:
            return steering_angle(float(action.curvature), self.vehicle)
        return before

    def _limit_angle(
        self, wanted: float, speed: float, before: float, elapsed: float
    ) -> tuple[float, Limit]:
        """The angle nearest to `wanted` within all limits. It lies between the one before and one
        that is bearable at the measured speed, so a speed that may be commanded is never too fast
        for it."""
        largest = self.largest_angle
        target = _clip(wanted, -largest, largest)
        limits = Limit.NONE if target == wanted else Limit.ANGLE
        if abs(target) > self._bearable(speed):
            limits |= Limit.LATERAL_ACCELERATION
            target = math.copysign(self._bearable(speed), target)

        step = self.limits.max_steering_rate * elapsed
        angle = _clip(target, before - step, before + step)
        if angle != target:
            limits |= Limit.ANGLE_RATE
        low, high = self._within_jerk(before, speed, elapsed)
        smooth = _clip(angle, low, high)
        if smooth != angle:
            limits |= Limit.LATERAL_JERK
        return _clip(smooth, -largest, largest), limits

    def _bearable(self, speed: float) -> float:
        """Largest angle whose lateral acceleration at a speed is allowed; atan2 takes standstill
        (any angle) and an overflow (none)."""
        return math.atan2(
            self.vehicle.wheelbase * self.limits.max_lateral_acceleration, speed * speed
        )

    def _within_jerk(self, before: float, speed: float, elapsed: float) -> tuple[float, float]:
        """Lowest and highest angle that lateral jerk allows."""
        square = speed * speed
        change = self.limits.max_lateral_jerk * elapsed / square if square else math.inf
        bend = curvature(before, self.vehicle)
        return min(steering_angle(bend - change, self.vehicle), before), max(
            steering_angle(bend + change, self.vehicle), before
        )

    def _limit_speed(
        self, wanted: float, angle: float, slowest: float, fastest: float
    ) -> tuple[float, Limit]:
        """The speed nearest to `wanted` within all limits, given the angle that was let through."""
        speed = _clip(wanted, 0.0, self.limits.max_speed)
        limits = Limit.NONE if speed == wanted else Limit.SPEED
        bend = abs(curvature(angle, self.vehicle))
        bearable = math.sqrt(self.limits.max_lateral_acceleration / bend) if bend else math.inf
        if speed > bearable:
            limits |= Limit.LATERAL_ACCELERATION
            speed = bearable
        if speed > fastest:
            limits |= Limit.ACCELERATION
            speed = fastest
        if speed < slowest:
            limits |= Limit.DECELERATION
            # A previous command of another source, or issued under other limits, may leave no speed
            # that keeps all of them.
            speed = min(slowest, bearable, self.limits.max_speed)
        return speed, limits


@dataclasses.dataclass(frozen=True)
class _Before:
    """The last command with finite values: stamp, angle [rad], speed [m/s], the slower of commanded
    and measured speed, seconds since it."""

    stamp_ns: int
    angle: float
    speed: float
    slower: float
    elapsed: float


def _before(previous: Command | None, now_ns: int, measured: float | None) -> _Before:
    """No time has passed where there is no command or the clock went back."""
    rolling = None if measured is None else max(measured, 0.0)
    if previous is None:
        return _Before(0, 0.0, rolling or 0.0, rolling or 0.0, 0.0)
    issued, now = _whole(previous.issued_ns, None), _whole(now_ns, None)
    elapsed = 0.0 if issued is None or now is None else min(max(now - issued, 0), _FOREVER_NS) / 1e9
    angle, speed = _finite(previous.steering_angle) or 0.0, max(_finite(previous.speed) or 0.0, 0.0)
    return _Before(
        _whole(previous.stamp_ns, 0),
        angle,
        speed,
        speed if rolling is None else min(speed, rolling),
        elapsed,
    )


def _finite(value: object) -> float | None:
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def _whole(value: object, otherwise: int | None) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return otherwise


def _clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
