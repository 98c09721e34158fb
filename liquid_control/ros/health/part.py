"""What the start-up check says of one part of the system: a sensor, a topic, or settings. Pure."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence

COLUMNS = {
    "topic": ("topic",),
    "type": ("type",),
    "other side": ("publisher", "listeners"),
    "its qos": ("qos",),
    "rate": ("rate",),
    "stamps behind": ("late",),
    "frame": ("frame",),
    "used": ("used",),
    "more": ("more",),
}
"""Columns of the table, each with the names of the facts that it shows."""


class Level(enum.IntEnum):
    """As in diagnostic_msgs."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `code` stays the same while the numbers in `text` change; `remedy`:
    what to do."""

    code: str
    level: Level
    text: str
    remedy: str


@dataclasses.dataclass(frozen=True)
class Part:
    """A line of the table: `facts` by name, in order, and what is wrong."""

    name: str
    facts: Mapping[str, str]
    problems: tuple[Problem, ...] = ()

    @property
    def level(self) -> Level:
        return max((problem.level for problem in self.problems), default=Level.OK)

    @property
    def message(self) -> str:
        """What is wrong in one line; "ok" where nothing is."""
        return "; ".join(problem.text for problem in self.problems) or "ok"

    @property
    def remedy(self) -> str:
        return "; ".join(dict.fromkeys(one.remedy for one in self.problems if one.remedy))


def renamed(parts: Iterable[Part], prefix: str) -> tuple[Part, ...]:
    """The parts with a prefix before their names."""
    return tuple(dataclasses.replace(part, name=f"{prefix}{part.name}") for part in parts)


def worst(parts: Iterable[Part]) -> Level:
    return max((part.level for part in parts), default=Level.OK)


def complaints(parts: Iterable[Part]) -> tuple[str, ...]:
    """What is wrong, one line for each part that is not right, with its name."""
    return tuple(f"{part.name}: {part.message}" for part in parts if part.problems)


def table(parts: Sequence[Part]) -> str:
    """All parts for people: name, level and the facts of COLUMNS, problem and remedy below."""
    rows = [["part", "level", *COLUMNS]]
    for part in parts:
        facts = (
            next((part.facts[name] for name in names if part.facts.get(name)), "-")
            for names in COLUMNS.values()
        )
        rows.append([part.name, part.level.name, *facts])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for index, row in enumerate(rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
        if index:
            for problem in parts[index - 1].problems:
                lines.append(f"    {problem.level.name}: {problem.text}")
                if problem.remedy:
                    lines.append(f"      -> {problem.remedy}")
    return "\n".join(lines)
