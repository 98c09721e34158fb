"""Config dataclasses as ROS parameters: declared with description, unit and range, read back
checked, changed only to something valid."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter

from liquid_control.errors import ConfigError


class Changes(enum.Enum):
    """When a parameter may be set."""

    AT_START = "at start"
    UNCONFIGURED = "while unconfigured"
    ANY_TIME = "any time"


class Group(NamedTuple):
    """Parameters of a node that come from one config dataclass."""

    prefix: str
    defaults: object
    changes: Changes = Changes.AT_START


def declare_all(node: Node, groups: Sequence[Group]) -> tuple:
    """Declares the parameters of all groups and returns their configs as set."""
    return tuple(
        declare(node, group.defaults, group.prefix, group.changes is Changes.AT_START)
        for group in groups
    )


def declare(node: Node, config: object, prefix: str = "", fixed: bool = False):
    """Declares every field of `config` (its values are the defaults) as parameter `prefix`field and
    returns what was set.

    `fixed`: read-only, for what shapes the node's structure. Raises ConfigError for a value of
    another type, out of range, or NaN.
    """
    free = ParameterDescriptor(
        dynamic_typing=True
    )  # so that a value of any type reaches our own check and its clear message
    names = {field.name: prefix + field.name for field in dataclasses.fields(config)}
    given = {
        name: node.declare_parameter(names[name], getattr(config, name), free).value
        for name in names
    }
    checked = _rebuilt(config, given)
    node.set_parameters([Parameter(names[name], value=getattr(checked, name)) for name in names])
    for field in dataclasses.fields(config):
        node.set_descriptor(
            names[field.name], _descriptor(field, fixed, getattr(checked, field.name))
        )
    return checked


def read(groups: Sequence[Group], given: Mapping[str, object]) -> tuple:
    """The configs of all groups, with the values that are given by parameter name.

    Raises ConfigError for a value of another type, out of range, or NaN.
    """
    return tuple(
        _rebuilt(group.defaults, _of_group(given, group.prefix, group.defaults)) for group in groups
    )


def follow(
    node: Node, groups: Sequence[tuple[str, object]], apply: Callable[[tuple], None]
) -> None:
    """Calls `apply` with the config dataclasses, in the order of `groups` (prefix, config as set),
    when a parameter of them takes another value; refuses what breaks a bound, and what `apply`
    refuses by a ConfigError.

    A whole number is taken for a float. It is stored as a float where rclpy can change what it
    stores, which it cannot on Humble.
    """
    current = [config for _, config in groups]
    floats = {
        prefix + field.name
        for prefix, config in groups
        for field in dataclasses.fields(config)
        if field.type == "float"
    }

    def on_change(parameters: Sequence[Parameter]) -> SetParametersResult:
        given = {parameter.name: parameter.value for parameter in parameters}
        try:
            changed = tuple(
                _rebuilt(config, _of_group(given, prefix, config))
                for (prefix, _), config in zip(groups, current, strict=True)
            )
            if changed != tuple(current):
                apply(changed)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        current[:] = changed
        return SetParametersResult(successful=True)

    def as_floats(parameters: list[Parameter]) -> list[Parameter]:
        return [
            Parameter(parameter.name, value=float(parameter.value))
            if parameter.name in floats and type(parameter.value) is int
            else parameter
            for parameter in parameters
        ]

    node.add_on_set_parameters_callback(on_change)
    before_they_are_stored = getattr(node, "add_pre_set_parameters_callback", None)
    if before_they_are_stored:
        before_they_are_stored(as_floats)


def _of_group(given: Mapping[str, object], prefix: str, config: object) -> dict[str, object]:
    """Of the values by parameter name those of one group, by field name."""
    return {
        field.name: given[prefix + field.name]
        for field in dataclasses.fields(config)
        if prefix + field.name in given
    }


def _descriptor(field: dataclasses.Field, fixed: bool, value: object) -> ParameterDescriptor:
    meta = field.metadata
    unit = f" [{meta['unit']}]" if meta.get("unit") else ""
    kind = Parameter.Type.from_parameter_value(value).value
    descriptor = ParameterDescriptor(
        description=meta["doc"] + unit,
        type=kind,
        read_only=fixed,
        dynamic_typing=field.type == "float" and not fixed,  # `ros2 param set NODE speed 12`
    )
    if "options" in meta:
        descriptor.additional_constraints = "one of " + ", ".join(meta["options"])
    elif "low" in meta and field.type == "int":
        descriptor.integer_range = [
            IntegerRange(from_value=meta["low"], to_value=meta["high"], step=1)
        ]
    elif "low" in meta:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(meta["low"]), to_value=float(meta["high"]))
        ]
    return descriptor


def _rebuilt(config: object, values: dict[str, object]):
    """`config` with some values replaced, checked. A whole number will do for a float; rclpy itself
    would refuse it."""
    for field in dataclasses.fields(config):
        if field.name not in values:
            continue
        value = values[field.name]
        if field.type == "float" and type(value) is int:
            values[field.name] = float(value)
        elif field.type == "str" and not isinstance(value, str):
            raise ConfigError(f"{type(config).__name__}.{field.name}", value, "text")
    return dataclasses.replace(config, **values)
