"""Rules that a step of the gate breaks, computed independently of the gate's code.

It reads the verdict of every step and any object as a speed, which a recorded drive does not have;
`faults.limit_check` judges the commands of a drive.
"""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.signals import Command, Limit, Verdict

RELATIVE, TINY = 1e-9, 1e-12
"""What rounding may add to a quantity, as a share of it and absolute."""
UNUSABLE = Limit.STALE | Limit.FUTURE | Limit.NOT_FINITE


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One answer of the gate and its inputs: `speed` as given, any object; `last_speed`, the last
    known one [m/s]."""

    command: Command
    verdict: Verdict
    speed: object
    last_speed: float | None

    @property
    def known_speed(self) -> float | None:
        """The measured speed [m/s], None when it is no finite number."""
        return as_number(self.speed)


def as_number(value: object) -> float | None:
    """The value as a finite float, None for anything else."""
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


def broken_alone(step: Step, limits: GateConfig, vehicle: VehicleConfig) -> list[str]:
    """Rules that a single command breaks, without the one before."""
    command, verdict = step.command, step.verdict
    sideways = command.speed**2 * abs(math.tan(command.steering_angle)) / vehicle.wheelbase
    kept = {
        "stamps": type(command.stamp_ns) is int and type(command.issued_ns) is int,
        "steering angle": abs(command.steering_angle)
        <= min(limits.max_steering_angle, vehicle.max_steering_angle),
        "speed": 0.0 <= command.speed <= limits.max_speed,
        "lateral acceleration of the pair": sideways
        <= limits.max_lateral_acceleration * (1 + RELATIVE),
        "verdict": verdict.safe_stop == bool(verdict.limits & UNUSABLE)
        and verdict.released == (verdict.safe_stop and limits.safe_behaviour == "release")
        and (step.known_speed is None) == (Limit.SPEED_UNKNOWN in verdict.limits),
    }
    return [name for name, holds in kept.items() if not holds]


def broken_between(
    before: Command | None, now_ns: int, step: Step, limits: GateConfig, vehicle: VehicleConfig
) -> list[str]:
    """Rules that a command breaks against the one before it (None: the first); `now_ns`: its time
    of issue."""
    command, verdict = step.command, step.verdict
    rolling = step.known_speed if step.known_speed is not None else step.last_speed
    rolling = None if rolling is None else max(float(rolling), 0.0)
    angle_before = 0.0 if before is None else before.steering_angle
    speed_before = (rolling or 0.0) if before is None else before.speed
    elapsed = (
        0.0 if before is None else min(max(now_ns - before.issued_ns, 0) / 1e9, limits.stale_after)
    )

    if step.known_speed is not None:
        judged = abs(step.known_speed)
    else:
        judged = speed_before if verdict.safe_stop else max(limits.max_speed, speed_before)
    square = judged * judged
    bend, bend_before = (
        math.tan(angle) / vehicle.wheelbase for angle in (command.steering_angle, angle_before)
    )
    turned_back = abs(command.steering_angle) <= abs(angle_before) and verdict.limits & (
        Limit.ANGLE_RATE | Limit.LATERAL_JERK
    )
    swing = limits.max_lateral_jerk * elapsed / square if square else math.inf
    kept = {
        "steering rate": abs(command.steering_angle - angle_before)
        <= limits.max_steering_rate * elapsed + TINY,
        "lateral jerk": abs(bend - bend_before) <= swing + RELATIVE * (1 + abs(bend_before)),
        "lateral acceleration": not command.steering_angle
        or bool(turned_back)
        or square * abs(bend) <= limits.max_lateral_acceleration * (1 + RELATIVE),
    }
    slower = speed_before if rolling is None else min(speed_before, rolling)
    if (
        speed_before <= limits.max_speed
    ):  # the first command may start from a speed above what this gate allows
        kept["acceleration"] = (
            command.speed <= speed_before + limits.max_acceleration * elapsed + RELATIVE
        )
        kept["deceleration"] = (
            command.speed
            >= slower - limits.max_deceleration * elapsed - RELATIVE * max(slower, 1.0)
        )
    if verdict.safe_stop:
        kept["safe stop takes speed away"] = command.speed <= slower
        if limits.safe_behaviour != "follow":
            kept["safe stop holds the angle"] = abs(command.steering_angle) <= abs(angle_before)
    return [name for name, holds in kept.items() if not holds]
