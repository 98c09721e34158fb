"""`liquid-control soak joystick`: a person drives the real gate with a pad on `joy`, and the pad is
lost again and again. Measured is how long the gate goes on, on one steady clock, up to the arrival
of its last command (speed 0) at the observer in this process."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from liquid_control.config import check, number, several
from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.system.verb import Verb

DRIVES_WITHIN, ENDS_WITHIN, STAYS = 60.0, 5.0, 0.5
"""A person is at the wheel within this time, the gate ends within this; and then no speed
is commanded for this long [s]."""
SPEED = 1.5
PRESET = "xbox"


class Case(NamedTuple):
    """How the pad is lost, and within which time the vehicle must be taken over [s]."""

    does: str
    within: float


CASES = {
    "repeated": Case("the driver repeats the last message, button held: pad asleep or gone", 0.2),
    "silent": Case("the driver sends nothing more: pad unplugged", 0.2),
    "driver_killed": Case("the publisher of joy goes away", 0.2),
    "node_killed": Case("SIGKILL of joystick_node: the gate's dead-man", 0.3),
    "node_frozen": Case("SIGSTOP of joystick_node", 0.3),
}


@dataclasses.dataclass(frozen=True)
class JoystickSoakSettings:
    """Lose the joystick of a person who drives, in every way, and see that the vehicle is taken
    over in time and stays so."""

    tries: int = number(20, 1, 10_000, "", "times that each case is tried")
    only: tuple[str, ...] = several((), "only these cases: " + ", ".join(CASES))

    def __post_init__(self) -> None:
        check(self)
        for name in self.only:
            if name not in CASES:
                raise ConfigError("JoystickSoakSettings.only", name, f"of {', '.join(CASES)}")


def soak_joystick(settings: JoystickSoakSettings) -> dict:
    """Facts by case; `in_time` of all. Raises DriveError when nodes do not start or a person cannot
    take the wheel, MissingDependencyError without ROS."""
    try:
        from liquid_control.stress.processes.hand_rig import HandRig
    except ImportError as error:
        remedy = "Source a ROS 2 installation, or run make soak, which brings its own"
        raise MissingDependencyError(error.name or "rclpy", remedy) from error
    names = [name for name in CASES if not settings.only or name in settings.only]
    rows: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as logs, HandRig(Path(logs), PRESET, SPEED) as rig:
        with tqdm(total=len(names) * settings.tries, unit="loss", disable=None) as bar:
            for _ in range(settings.tries):
                for name in names:
                    rows[name].append(_lose(rig, name))
                    bar.update()
    return _summary(rows)


def _lose(rig, name: str) -> float:
    """Drives, loses the pad, and returns the seconds until the vehicle was taken over; infinite
    where it never was, or was driven again."""
    rig.drive(DRIVES_WITHIN)
    lost = rig.lose(name)
    ended = rig.await_end(ENDS_WITHIN)
    again = rig.commands_within(STAYS)
    rig.restore()
    return float("inf") if ended is None or again else ended - lost


def _summary(rows: Mapping[str, list[float]]) -> dict:
    cases = {
        name: {
            "does": CASES[name].does,
            "tries": len(times),
            "within_s": CASES[name].within,
            "in_time": sum(seconds <= CASES[name].within for seconds in times),
            "median_s": _seconds(sorted(times)[len(times) // 2]),
            "slowest_s": _seconds(max(times)),
        }
        for name, times in rows.items()
    }
    tries, in_time = (sum(row[key] for row in cases.values()) for key in ("tries", "in_time"))
    load = round(os.getloadavg()[0], 1)
    return {
        "tries": tries,
        "in_time": in_time,
        "load": load,
        "cases": cases,
        "command": sys.argv[1:],
    }


def _seconds(time: float) -> float | None:
    """None where the vehicle was never taken over, or was driven again."""
    return round(time, 3) if math.isfinite(time) else None


def _lines(facts: Mapping) -> str:
    lines = [
        f"{name:14} {row['in_time']} of {row['tries']} within {row['within_s']:g} s, "
        f"median {row['median_s']}, slowest {row['slowest_s']} s: {row['does']}"
        for name, row in facts["cases"].items()
    ]
    return "\n".join(
        [*lines, f"{facts['in_time']} of {facts['tries']} in time, load {facts['load']}"]
    )


VERB = Verb(
    JoystickSoakSettings, soak_joystick, _lines, lambda facts: facts["in_time"] == facts["tries"]
)
