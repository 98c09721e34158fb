"""Flags to settings dataclasses. Name, help and layout of each flag stand in the metadata that the
field functions of `config` write."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping, Sequence

import tyro
from tyro.constructors import ConstructorRegistry, StructConstructorSpec, StructFieldSpec

from liquid_control.config import flags, switch
from liquid_control.errors import ConfigError

STYLE = (
    tyro.conf.PositionalRequiredArgs,
    tyro.conf.PositionalMetavarFromFieldName,
    tyro.conf.FlagCreatePairsOff,
    tyro.conf.DisallowNone,
    tyro.conf.HelptextFromCommentsOff,
)

Settings = typing.TypeVar("Settings")


@dataclasses.dataclass(frozen=True)
class Request(typing.Generic[Settings]):
    """A verb's settings, and the form of its answer."""

    settings: typing.Annotated[Settings, tyro.conf.arg(name="")]
    json: typing.Annotated[bool, tyro.conf.arg(help_behavior_hint="")] = switch(
        False, "print the result as one line of JSON"
    )


def parse(
    settings: type[Settings], program: str, summary: str, arguments: Sequence[str]
) -> Request[Settings]:
    """Reads flags; fields without a default are positional.

    Leaves with code 2 on a wrong flag, 0 on --help. Raises ConfigError for a switch with a value,
    because tyro would ignore the value of --no-video=false, and for an unknown variant (see
    `config.variant`).
    """
    arguments, chosen = _choose_variants(settings, arguments)
    switches = {"--json", *_switches(settings)}
    for flag, equals, value in (argument.partition("=") for argument in arguments):
        if equals and flag.replace("_", "-") in switches:
            raise ConfigError(flag, value, "no value: the flag alone switches")
    return tyro.cli(
        Request[settings],
        args=arguments,
        prog=program,
        description=f"{summary[0].upper()}{summary[1:]}.",
        config=STYLE,
        registry=_registry(chosen),
    )


def _switches(settings: type) -> Iterator[str]:
    """Flags of all fields that are true or false."""
    for flag in flags(settings):
        if flag.kind is bool:
            yield from (f"--{flag.name}", f"--no-{flag.name}")


def _choose_variants(
    settings: type, arguments: Sequence[str]
) -> tuple[list[str], dict[type, object]]:
    """The arguments with short forms of variants' flags (--core.units) written out, and the
    default that each variant's flag (--core) puts in the place of a settings class."""
    arguments, chosen = list(arguments), {}
    for flag in flags(settings):
        meta = flag.field.metadata
        if "variants" not in meta:
            continue
        full, short = f"--{flag.name}", meta["alias"]
        for place, argument in enumerate(arguments):
            if argument.startswith(f"{short}."):
                arguments[place] = full + argument.removeprefix(short)
            name, equals, value = argument.partition("=")
            if name in (full, short) and (equals or place + 1 < len(arguments)):
                value, known = value if equals else arguments[place + 1], meta["variants"]()
                if value not in known:
                    raise ConfigError(name, value, "one of " + ", ".join(known))
                chosen[known[flag.field.default]] = known[value]()
    return arguments, chosen


def _registry(chosen: Mapping[type, object]) -> ConstructorRegistry:
    """Tells tyro how to read settings classes. `chosen`: see `_choose_variants`."""
    registry = ConstructorRegistry()

    @registry.struct_rule
    def rule(info) -> StructConstructorSpec | None:
        kind = typing.get_origin(info.type) or info.type
        if not dataclasses.is_dataclass(kind) or kind is Request:
            return None
        default = chosen.get(type(info.default), info.default)
        return _read_metadata(type(default) if _is_settings(default) else kind, default)

    return registry


def _read_metadata(kind: type, whole: object) -> StructConstructorSpec:
    """How tyro reads a settings class; `whole`: its default instance, if it is in another class."""
    hints = typing.get_type_hints(kind, include_extras=True)
    fields = []
    for field in dataclasses.fields(kind):
        options, meta, hint = {}, field.metadata, hints[field.name]
        default = _default(field, whole)
        if default is None or isinstance(default, bool) or default in ("", ()):
            options["help_behavior_hint"] = ""  # no "(default: None)"
        if meta.get("flat"):
            options["name"] = ""
        elif meta.get("flag"):
            options["name"] = meta["flag"]
        if meta.get("alias"):
            options["aliases"] = (meta["alias"],)
        if options:
            hint = typing.Annotated[hint, tyro.conf.arg(**options)]
        if meta.get("positional"):
            hint = tyro.conf.Positional[hint]
        fields.append(StructFieldSpec(field.name, hint, default, _help(meta)))
    return StructConstructorSpec(kind, tuple(fields))


def _default(field: dataclasses.Field, whole: object) -> object:
    """The default of a field; `whole`: the default of the dataclass that has it, if there is
    one."""
    if _is_settings(whole):
        return getattr(whole, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return tyro.constructors.MISSING_NONPROP


def _help(meta: Mapping) -> str | None:
    if "variants" in meta:
        return f"{meta['help']}; {' or '.join(meta['variants']())}"
    return meta.get("help")


def _is_settings(value: object) -> bool:
    return isinstance(getattr(type(value), "__dataclass_fields__", None), dict)
