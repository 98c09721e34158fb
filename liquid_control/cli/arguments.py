"""Flags to settings dataclasses, and facts to an answer: one line of JSON for programs, lines of
text for people."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tyro

from liquid_control.errors import ConfigError

STYLE = (
    tyro.conf.PositionalRequiredArgs,
    tyro.conf.PositionalMetavarFromFieldName,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.DisallowNone,
    tyro.conf.HelptextFromCommentsOff,
)
PLACES = ("out", "record", "cache", "folder", "work")
"""Fields of settings that name where a verb writes: a folder, or with metadata `file` a file."""
SHORT = {"--memory": "--policy.memory"}
"""Flags that are asked for so often that they have a short form, in every verb that has the long
one and no other of the short name."""

Settings = typing.TypeVar("Settings")


@dataclasses.dataclass(frozen=True)
class Asked(typing.Generic[Settings]):
    """A verb's settings, and how to answer."""

    settings: typing.Annotated[Settings, tyro.conf.arg(name="")]
    json: bool = False
    """answer with one line of JSON"""


def parse(
    kind: type, whole: type[Settings], program: str, summary: str, arguments: Sequence[str]
) -> Settings:
    """`whole`, which is or holds settings of `kind`, from flags; fields without a default are
    positional.

    Leaves with code 2 on a wrong flag, 0 on --help. Raises ConfigError for a switch with a value:
    tyro would take it for given, and the value for the next positional.
    """
    _document(kind)
    arguments = _spelled_out(kind, arguments)
    switches = {"--json", *_switches(kind)}
    for flag, equals, value in (argument.partition("=") for argument in arguments):
        if equals and flag.replace("_", "-") in switches:
            raise ConfigError(flag, value, "no value: the flag alone switches")
    return tyro.cli(
        whole,
        args=arguments,
        prog=program,
        description=f"{summary[0].upper()}{summary[1:]}.",
        config=STYLE,
    )


def refuse_impossible_places(settings: object) -> None:
    """Raises ConfigError where results of a verb could not be written, before it has worked for
    hours."""
    for field in dataclasses.fields(settings):
        place = getattr(settings, field.name)
        if field.name in PLACES and isinstance(place, Path):
            problem = _problem(place, field.metadata.get("file", False))
            if problem:
                raise ConfigError(
                    f"--{field.name}", str(place), f"a place that can be written, but {problem}"
                )


def _problem(place: Path, is_file: bool) -> str:
    """Why a folder (or file) cannot be made or written there; "" where nothing speaks against
    it."""
    for each in (place, *place.absolute().parents):
        try:
            mode = each.stat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            if each.is_symlink():
                return f"{each} is a link to nothing"
            continue
        except (OSError, ValueError) as error:
            return getattr(error, "strerror", None) or str(error)
        if each == place and is_file and stat.S_ISREG(mode):
            return ""
        if not stat.S_ISDIR(mode) or (each == place and is_file):
            return f"{each} is {'a folder' if stat.S_ISDIR(mode) else 'no folder'}"
        return "" if os.access(each, os.W_OK | os.X_OK) else f"{each} may not be written"
    return "it is nowhere"


def as_json(facts: Mapping) -> str:
    return json.dumps(facts)


def as_lines(facts: Mapping) -> str:
    """A line per fact; lists of mappings (a row per road, say) are left out."""
    rows = list(_rows(facts))
    width = max((len(name) for name, _ in rows), default=0)
    return "\n".join(
        f"{name.ljust(width)}  {round(value, 4) if isinstance(value, float) else value}"
        for name, value in rows
    )


def _spelled_out(kind: type, arguments: Sequence[str]) -> list[str]:
    """The arguments with `SHORT` forms written as the long ones."""
    known = {
        short: long for short, long in SHORT.items() if _has(kind, long) and not _has(kind, short)
    }
    parted = (argument.partition("=") for argument in arguments)
    return ["".join((known.get(name, name), *rest)) for name, *rest in parted]


def _switches(kind: type, prefix: str = "") -> Iterator[str]:
    """Flags of all fields that are true or false, those of settings within settings too."""
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name = field.name.replace("_", "-")
        if dataclasses.is_dataclass(hints[field.name]):
            yield from _switches(hints[field.name], f"{prefix}{name}.")
        elif hints[field.name] is bool:
            yield from (f"--{prefix}{name}", f"--{prefix}no-{name}")


def _has(kind: type, flag: str) -> bool:
    """Whether settings of `kind` have the field of a flag such as --policy.memory."""
    for name in flag.removeprefix("--").split("."):
        hints = typing.get_type_hints(kind) if dataclasses.is_dataclass(kind) else {}
        if name not in hints:
            return False
        kind = hints[name]
    return True


def _document(kind: type) -> None:
    """Config fields carry their one line of documentation, unit and bounds as metadata; tyro reads
    docstrings."""
    hints = typing.get_type_hints(kind)
    lines = []
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            _document(hints[field.name])
        elif "doc" in field.metadata:
            lines.append(f"    {field.name}: {field.metadata['doc']}{_bounds(field.metadata)}")
    if lines and "\nAttributes:\n" not in (kind.__doc__ or ""):
        kind.__doc__ = "\n".join([kind.__doc__ or "", "", "Attributes:", *lines])


def _bounds(metadata: Mapping) -> str:
    if "options" in metadata:
        return "; " + " or ".join(metadata["options"])
    return (
        f"; {metadata['low']} to {metadata['high']} {metadata['unit']}".rstrip()
        if "low" in metadata
        else ""
    )


def _rows(facts: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{prefix}{name}.")
        elif not (isinstance(value, list) and value and isinstance(value[0], Mapping)):
            yield f"{prefix}{name}", value
