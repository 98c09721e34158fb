"""Limit violations in a sequence of commands, computed independently of the gate's code.

This check sees what a vehicle receives: commands, their times and the measured speeds of a drive,
also of real processes. `soak.gate_judge` judges single steps and reads each verdict, so it also
checks the rules of a safe stop and of an unknown speed. Both stay: their inputs differ.
"""

from __future__ import annotations

import math

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.stress.faults.course import Tick

TOLERANCE = 1e-9


def violations(ticks: list[Tick], limits: GateConfig, vehicle: VehicleConfig) -> list[str]:
    """One line for every limit that a command broke. Two commands are judged as a pair only where
    no decision without a command lies between them."""
    found = []
    for before, after in zip([None, *ticks], ticks, strict=False):
        if after.command is None:
            continue
        broken = _single(after, limits, vehicle)
        if before is not None and before.command is not None:
            broken += _pair(before, after, limits, vehicle)
        for name, value, limit in broken:
            if not value <= limit + TOLERANCE:
                found.append(f"{after.seconds:.2f} s: {name} {value:.6g} > {limit:.6g}")
    return found


def _single(
    tick: Tick, limits: GateConfig, vehicle: VehicleConfig
) -> list[tuple[str, float, float]]:
    angle, speed = tick.command.steering_angle, tick.command.speed
    sideways = speed * speed * abs(math.tan(angle)) / vehicle.wheelbase
    return [
        ("steering angle", abs(angle), min(limits.max_steering_angle, vehicle.max_steering_angle)),
        ("lateral acceleration", sideways, limits.max_lateral_acceleration),
        ("speed", speed, limits.max_speed),
        ("speed below zero", -speed, 0.0),
    ]


def _pair(
    before: Tick, after: Tick, limits: GateConfig, vehicle: VehicleConfig
) -> list[tuple[str, float, float]]:
    elapsed = min((after.steady_ns - before.steady_ns) / 1e9, limits.stale_after)
    bends = [math.tan(tick.command.steering_angle) / vehicle.wheelbase for tick in (before, after)]
    rows = [
        (
            "steering step",
            abs(after.command.steering_angle - before.command.steering_angle),
            limits.max_steering_rate * elapsed,
        ),
        (
            "rise of speed",
            after.command.speed - before.command.speed,
            limits.max_acceleration * elapsed,
        ),
    ]
    slower = (
        before.command.speed
        if after.last_speed is None
        else min(before.command.speed, max(after.last_speed, 0.0))
    )
    if after.known_speed is not None:
        rows.append(
            (
                "lateral jerk step",
                after.known_speed**2 * abs(bends[1] - bends[0]),
                limits.max_lateral_jerk * elapsed,
            )
        )
    return [
        *rows,
        ("fall of speed", slower - after.command.speed, limits.max_deceleration * elapsed),
    ]
