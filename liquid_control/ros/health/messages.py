"""Parts of the start-up check as values of their node's status on /diagnostics, and back.

A node keeps one status of its own name: aggregators and scripts count on that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from liquid_control.ros.health.part import Level, Part, Problem

HARDWARE = "liquid_control"
BETWEEN = ": "
"""Between the name of a part and that of one of its facts."""
REMEDY = "remedy "


def part_values(parts: Iterable[Part]) -> dict[str, str]:
    """For each part `NAME`: its level and what is wrong, `NAME: fact`, and for each problem
    `NAME: LEVEL code` and `NAME: remedy code`."""
    values = {}
    for part in parts:
        wrong = f"{BETWEEN}{part.message}" if part.problems else ""
        values[part.name] = f"{part.level.name}{wrong}"
        for name, fact in part.facts.items():
            values[f"{part.name}{BETWEEN}{name}"] = fact
        for problem in part.problems:
            values[f"{part.name}{BETWEEN}{problem.level.name} {problem.code}"] = problem.text
            values[f"{part.name}{BETWEEN}{REMEDY}{problem.code}"] = problem.remedy
    return values


def statuses(message: DiagnosticArray) -> tuple[DiagnosticStatus, ...]:
    """Those of nodes of this package."""
    return tuple(status for status in message.status if status.hardware_id == HARDWARE)


def parts_in(status: DiagnosticStatus) -> tuple[Part, ...]:
    """The parts in a node's status."""
    return tuple(_parts({pair.key: pair.value for pair in status.values}))


def _parts(values: Mapping[str, str]) -> Iterator[Part]:
    for name, said in values.items():
        if BETWEEN in name or said.partition(BETWEEN)[0] not in Level.__members__:
            continue
        facts = {
            key.partition(BETWEEN)[2]: value
            for key, value in values.items()
            if key.startswith(f"{name}{BETWEEN}")
        }
        problems = []
        for key in list(facts):
            level, space, code = key.partition(" ")
            if space and level in Level.__members__:
                remedy = facts.pop(f"{REMEDY}{code}", "")
                problems.append(Problem(code, Level[level], facts.pop(key), remedy))
        yield Part(name, facts, tuple(problems))
