"""Parts of the start-up check as statuses of /diagnostics, and back."""

from __future__ import annotations

from collections.abc import Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from liquid_control.ros.health.part import Level, Part, Problem

HARDWARE = "liquid_control"
BETWEEN = ": "
"""Between the name of a node and that of a part, as diagnostic_updater writes it."""
REMEDY = "remedy "


def part_status(node: str, part: Part) -> DiagnosticStatus:
    """The facts as values; each problem as the values `LEVEL code` and `remedy code`."""
    values = dict(part.facts)
    for problem in part.problems:
        values[f"{problem.level.name} {problem.code}"] = problem.text
        values[f"{REMEDY}{problem.code}"] = problem.remedy
    return DiagnosticStatus(
        level=bytes([part.level]),
        name=f"{node}{BETWEEN}{part.name}",
        message=part.message,
        hardware_id=HARDWARE,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def owner(status: DiagnosticStatus) -> str:
    """Name of the node of this package whose status or whose part's this is; empty for others."""
    return status.name.partition(BETWEEN)[0] if status.hardware_id == HARDWARE else ""


def parts_in(message: DiagnosticArray, node: str | None = None) -> tuple[Part, ...]:
    """The parts in a message, of one node or of all."""
    return tuple(_parts(message.status, node))


def _parts(statuses: Iterable[DiagnosticStatus], node: str | None) -> Iterable[Part]:
    for status in statuses:
        name = status.name.partition(BETWEEN)[2]
        if not name or not owner(status) or node not in (None, owner(status)):
            continue
        facts = {pair.key: pair.value for pair in status.values}
        problems = []
        for key in list(facts):
            level, space, code = key.partition(" ")
            if space and level in Level.__members__:
                remedy = facts.pop(f"{REMEDY}{code}", "")
                problems.append(Problem(code, Level[level], facts.pop(key), remedy))
        yield Part(name, facts, tuple(problems))
