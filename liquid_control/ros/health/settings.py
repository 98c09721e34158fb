"""Limits and dimensions that two nodes hold for the same vehicle. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.ros.health.part import Level, Part, Problem

NAME, CHECKED = "settings", "checked"
SAME = 1e-6  # relative
FASTEST = 100.0
"""Wheelbases per second beyond which a largest speed is not the vehicle's: a small robot under the
limits of a car."""


@dataclasses.dataclass(frozen=True)
class DrivingSettings:
    """What the policy node drives with: set speed [m/s], lateral acceleration in bends [m/s²]."""

    vehicle: VehicleConfig
    speed: float
    comfort_lateral_acceleration: float


def settings_part(settings: DrivingSettings, checked: bool) -> Part:
    """The policy's settings, for the gate. `checked`: its sensors were judged for long enough."""
    return Part(
        NAME,
        {
            "vehicle.wheelbase": repr(settings.vehicle.wheelbase),
            "vehicle.max_steering_angle": repr(settings.vehicle.max_steering_angle),
            "speed": repr(settings.speed),
            "comfort_lateral_acceleration": repr(settings.comfort_lateral_acceleration),
            CHECKED: str(checked),
        },
    )


def parameter_parts(warnings: Sequence[str]) -> tuple[Part, ...]:
    """The part of parameters that were given and that no node of ours declares; none without."""
    remedy = "correct the name, or move another package's into the section of its node"
    problems = tuple(
        Problem(f"undeclared {number}", Level.WARN, warning, remedy)
        for number, warning in enumerate(warnings)
    )
    return (Part("parameters", {}, problems),) if problems else ()


def judge_settings(
    facts: Mapping[str, str], vehicle: VehicleConfig, limits: GateConfig
) -> Iterator[Problem]:
    """Where the policy's settings, the facts of its `settings_part`, disagree with those of the
    gate."""
    ours = dataclasses.asdict(vehicle)
    for name, unit in (("wheelbase", "m"), ("max_steering_angle", "rad")):
        theirs = _number(facts, f"vehicle.{name}")
        if theirs is not None and abs(theirs - ours[name]) > SAME * ours[name]:
            yield Problem(
                name,
                Level.WARN,
                f"vehicle.{name} is {theirs:g} {unit} in the policy, {ours[name]:g} in the gate",
                "give both nodes the same vehicle file",
            )
    for name, limit, unit in (
        ("speed", "max_speed", "m/s"),
        ("comfort_lateral_acceleration", "max_lateral_acceleration", "m/s²"),
    ):
        theirs, most = _number(facts, name), getattr(limits, limit)
        if theirs is not None and theirs > most * (1 + SAME):
            yield Problem(
                name,
                Level.WARN,
                f"{name} is {theirs:g} {unit} in the policy, gate.{limit} {most:g} {unit}: "
                "the gate acts all the time",
                f"lower {name}, or raise gate.{limit}",
            )
    if limits.max_speed > FASTEST * vehicle.wheelbase:
        bend = limits.max_lateral_acceleration / limits.max_speed**2
        yield Problem(
            "max_speed",
            Level.WARN,
            f"gate.max_speed is {limits.max_speed:g} m/s with a wheelbase of "
            f"{vehicle.wheelbase:g} m: while the speed is not known, bends are limited to "
            f"{bend:.2g} 1/m",
            "set the gate's limits for this vehicle, as in config/vehicles",
        )


def _number(facts: Mapping[str, str], name: str) -> float | None:
    try:
        return float(facts[name])
    except (KeyError, ValueError):
        return None
