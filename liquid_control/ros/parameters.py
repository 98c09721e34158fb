"""Config dataclasses as ROS parameters: declared with description, unit and range, read back
checked, changed only to something valid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
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


class Group(NamedTuple):
    """Parameters of a node that come from one config dataclass. `fixed`: read-only, for what shapes
    the node's structure."""

    prefix: str
    defaults: object
    fixed: bool = True


def declare_all(node: Node, groups: Sequence[Group]) -> tuple:
    """Declares the parameters of all groups and returns their configs as set."""
    return tuple(declare(node, group.defaults, group.prefix, group.fixed) for group in groups)


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


def follow(
    node: Node, groups: dict[str, object], apply: Callable[[dict[str, object]], None]
) -> None:
    """Calls `apply` with the new config dataclasses by prefix whenever parameters of `groups`
    change; refuses what breaks a bound."""

    def on_change(parameters) -> SetParametersResult:
        changed = dict(groups)
        try:
            for prefix, config in groups.items():
                names = {prefix + field.name: field.name for field in dataclasses.fields(config)}
                values = {
                    names[parameter.name]: parameter.value
                    for parameter in parameters
                    if parameter.name in names
                }
                changed[prefix] = _rebuilt(config, values)
            apply(changed)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        groups.update(changed)
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_change)


def _descriptor(field: dataclasses.Field, fixed: bool, value: object) -> ParameterDescriptor:
    meta = field.metadata
    unit = f" [{meta['unit']}]" if meta.get("unit") else ""
    kind = Parameter.Type.from_parameter_value(value).value
    descriptor = ParameterDescriptor(description=meta["doc"] + unit, type=kind, read_only=fixed)
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
