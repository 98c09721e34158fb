"""What a verb of the command line is made of: settings, a function, and how its facts are shown.

Each `Verb` stands in the module of its function; the table in `cli.verbs` names it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence


def as_lines(facts: Mapping) -> str:
    """A line per fact; lists of mappings (one row per road, for example) are left out."""
    rows = list(_rows(facts))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(
        f"{name.ljust(width)}  {round(value, 4) if isinstance(value, float) else value}"
        for name, value in rows
    )


def always(facts: Mapping) -> bool:
    """A verb that ends without an error has succeeded."""
    return True


@dataclasses.dataclass(frozen=True)
class Verb:
    """One verb.

    `settings`: frozen dataclass, read from flags. `run` takes the settings and returns facts, plain
    data for JSON; it may raise `Interrupted`. `show` makes the facts text for people. `succeeded`
    decides between exit codes 0 and 1. With `tests_commands`, `run` is also given the `EntryPoint`.
    """

    settings: type
    run: Callable[..., Mapping]
    show: Callable[[Mapping], str] = as_lines
    succeeded: Callable[[Mapping], bool] = always
    tests_commands: bool = False


class Interrupted(Exception):
    """Ctrl-C ended a verb early; `facts` are what it has to report."""

    def __init__(self, facts: Mapping) -> None:
        super().__init__("interrupted")
        self.facts = facts


@dataclasses.dataclass(frozen=True)
class EntryPoint:
    """The command line itself, for what tests it. `main` takes arguments and returns an exit code;
    `settings` gives the settings class of every verb by its words. Both can be pickled."""

    main: Callable[[Sequence[str]], int]
    settings: Callable[[], Mapping[str, type]]


def _rows(facts: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name}.")
        elif not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield f"{prefix}{name}", value
