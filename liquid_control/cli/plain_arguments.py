"""Flags to settings with the standard library alone, where tyro is not installed, as on a robot.

The same flags as `arguments` reads, without the settings of variants (--core).
"""

from __future__ import annotations

import argparse
import dataclasses
import typing
from collections.abc import Mapping, Sequence

from liquid_control.config import Flag, flags

ABSENT = argparse.SUPPRESS
"""A flag that is not given leaves its default to the settings class."""


@dataclasses.dataclass(frozen=True)
class PlainRequest:
    """A verb's settings, and the form of its answer."""

    settings: typing.Any
    json: bool


def parse_plainly(
    settings: type, program: str, summary: str, arguments: Sequence[str]
) -> PlainRequest | None:
    """As `arguments.parse`; None for settings that have variants."""
    known = list(flags(settings))
    if any("variants" in flag.field.metadata for flag in known):
        return None
    parser = argparse.ArgumentParser(
        program, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    parser.add_argument("--json", action="store_true", help="print the result as one line of JSON")
    for flag in known:
        _add(parser, flag)
    given = vars(parser.parse_args(arguments))
    return PlainRequest(_build(settings, given), given["json"])


def _add(parser: argparse.ArgumentParser, flag: Flag) -> None:
    options: dict = {"help": (flag.field.metadata.get("help") or "").replace("%", "%%")}
    kinds = [kind for kind in typing.get_args(flag.kind) if kind not in (type(None), ...)]
    if flag.kind is bool:
        on = flag.field.default is True
        options |= {"action": "store_const", "const": not on, "dest": flag.name, "default": ABSENT}
        parser.add_argument(f"--no-{flag.name}" if on else f"--{flag.name}", **options)
        return
    options["type"] = kinds[0] if kinds else flag.kind
    required = flag.field.default is flag.field.default_factory is dataclasses.MISSING
    if typing.get_origin(flag.kind) is tuple:
        options["nargs"] = "*"
    elif flag.positional and not required:
        options["nargs"] = "?"
    if flag.positional:
        parser.add_argument(flag.name, **options, **({} if required else {"default": ABSENT}))
    else:
        parser.add_argument(f"--{flag.name}", dest=flag.name, **options, default=ABSENT)


def _build(settings: type | object, given: Mapping[str, object], prefix: str = ""):
    """Settings from values by the names of their flags. `settings`: the class, or for settings in
    others their default, whose values stay where none is given."""
    values = {}
    for field in dataclasses.fields(settings):
        name = prefix + (field.metadata.get("flag") or field.name.replace("_", "-"))
        default = field.default if isinstance(settings, type) else getattr(settings, field.name)
        if dataclasses.is_dataclass(default):
            inner = prefix if field.metadata.get("flat") else f"{name}."
            values[field.name] = _build(default, given, inner)
        elif name in given:
            value = given[name]
            values[field.name] = tuple(value) if isinstance(value, list) else value
    if isinstance(settings, type):
        return settings(**values)
    return dataclasses.replace(settings, **values)
