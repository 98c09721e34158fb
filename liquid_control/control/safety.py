"""The safety gate: the last word before the vehicle, and a pure function of its arguments. It trusts nobody, its inputs least of all.

Order of precedence, strongest first, so that two limits never fight:
1. the steering angle stays within the largest angle;
2. it changes no faster than the largest rate, counted from the previous command (0 rad before the first one);
3. lateral acceleration at the measured speed stays within its limit. Should rule 2 not allow the angle that this needs (the speed
   reading jumped), the angle moves there as fast as rule 2 allows: a wheel that jumps is the greater danger;
4. the speed stays within 0 and the largest speed, and within what keeps lateral acceleration at the commanded angle in its limit. So the
   pair (angle, speed) of a command never asks for more than the limit, whatever rule 2 withheld.

With no usable action the angle is held, since snapping it to zero on a bend leaves the road, and the speed is taken away.
"""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.signals import Action, Command, Limit, Verdict


@dataclasses.dataclass(frozen=True)
class SafetyGate:
    """Lets an action through within `limits`, for `vehicle`."""

    limits: GateConfig = dataclasses.field(default_factory=GateConfig)
    vehicle: VehicleConfig = dataclasses.field(default_factory=VehicleConfig)

    def apply(self, action: Action | None, speed: float | None, now_ns: int, previous: Command | None) -> tuple[Command, Verdict]:
        """Turns a proposed action into a command and says which limits acted. Total: never raises, and its output is always finite.

        `speed`: measured [m/s]; None, NaN or infinite is unknown, and then lateral acceleration is judged at the largest speed that may
        have been commanded, in a safe stop at the speed that was commanded last. `now_ns`: this clock's time. `previous`: the last
        command issued; None when there is none yet, which lets the wheel start from 0 and the speed from nothing.
        """
        stamp_ns, angle_before, speed_before, elapsed = _before(previous, now_ns)
        measured = _finite(speed)
        limits = self._unusable(action, now_ns)
        safe_stop = bool(limits)
        if measured is None:
            limits |= Limit.SPEED_UNKNOWN
            # In a safe stop the angle was let through before: judging it at a speed never commanded would turn the wheels on a bend.
            measured = speed_before if safe_stop else max(self.limits.max_speed, speed_before)

        if safe_stop:
            wanted_angle = angle_before
            known = speed_before if Limit.SPEED_UNKNOWN in limits else min(speed_before, measured)
            wanted_speed = max(known - self.limits.deceleration * elapsed, 0.0)
        else:
            stamp_ns = int(action.stamp_ns)
            wanted_angle = steering_angle(float(action.curvature), self.vehicle)
            wanted_speed = float(action.speed)

        angle, acted = self._limit_angle(wanted_angle, measured, angle_before, elapsed)
        if not safe_stop and abs(float(action.curvature)) > curvature(self._largest_angle, self.vehicle):
            acted |= Limit.ANGLE
        speed, slowed = self._limit_speed(wanted_speed, angle)
        return Command(stamp_ns, _whole(now_ns, 0), angle, speed), Verdict(limits | acted | slowed, safe_stop)

    @property
    def _largest_angle(self) -> float:
        return min(self.limits.max_steering_angle, self.vehicle.max_steering_angle)

    def _unusable(self, action: Action | None, now_ns: int) -> Limit:
        """Why the action cannot be used; `Limit.NONE` when it can."""
        if action is None:
            return Limit.STALE
        stamp, now = _whole(action.stamp_ns, None), _whole(now_ns, None)
        if stamp is None or now is None or _finite(action.curvature) is None or _finite(action.speed) is None:
            return Limit.NOT_FINITE
        if now - stamp > self.limits.stale_after * 1e9:
            return Limit.STALE
        return Limit.FUTURE if stamp - now > self.limits.max_future * 1e9 else Limit.NONE

    def _limit_angle(self, wanted: float, speed: float, before: float, elapsed: float) -> tuple[float, Limit]:
        """Rules 1 to 3. Time without a command allows no more change than `stale_after` does: silence does not save up for a jump."""
        limits = Limit.NONE
        largest = self._largest_angle
        angle = _clip(wanted, -largest, largest)
        if angle != wanted:
            limits |= Limit.ANGLE
        # atan2 takes standstill (any angle) and an overflowing square (none) as they come.
        bearable = math.atan2(self.vehicle.wheelbase * self.limits.max_lateral_acceleration, speed * speed)
        if abs(angle) > bearable:
            limits |= Limit.LATERAL_ACCELERATION
            angle = math.copysign(bearable, angle)
        step = self.limits.max_steering_rate * min(elapsed, self.limits.stale_after)
        reached = _clip(angle, before - step, before + step)
        if reached != angle:
            limits |= Limit.ANGLE_RATE
        return _clip(reached, -largest, largest), limits

    def _limit_speed(self, wanted: float, angle: float) -> tuple[float, Limit]:
        """Rule 4."""
        limits = Limit.NONE
        speed = _clip(wanted, 0.0, self.limits.max_speed)
        if speed != wanted:
            limits |= Limit.SPEED
        bend = abs(curvature(angle, self.vehicle))
        bearable = math.sqrt(self.limits.max_lateral_acceleration / bend) if bend else math.inf
        if speed > bearable:
            limits |= Limit.LATERAL_ACCELERATION
            speed = bearable
        return speed, limits


def _before(previous: Command | None, now_ns: int) -> tuple[int, float, float, float]:
    """Stamp, angle, speed of the previous command and seconds since it; a clock that went back, or no command, is no time at all."""
    if previous is None:
        return 0, 0.0, 0.0, 0.0
    issued, now = _whole(previous.issued_ns, None), _whole(now_ns, None)
    elapsed = 0.0 if issued is None or now is None else min(max(now - issued, 0), 2**62) / 1e9
    angle, speed = _finite(previous.steering_angle), _finite(previous.speed)
    return _whole(previous.stamp_ns, 0), angle or 0.0, max(speed or 0.0, 0.0), elapsed


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
