"""Parameters that were given to a node and that no node declares. ROS ignores them, so that a limit
whose name is misspelt would not act."""

from __future__ import annotations

import dataclasses
import difflib
import re
import sys
from collections.abc import Iterable, Sequence

from rclpy.node import Node

from liquid_control.errors import ConfigError
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.parameter_files import Section, read_sections

OF_ANY_NODE = ("use_sim_time", "start_type_description_service", "qos_overrides.")
"""Parameters of rclpy, or what they begin with; not every release declares each."""

OWN = {
    kind: {
        group.prefix + field.name
        for group in groups
        for field in dataclasses.fields(group.defaults)
    }
    for kind, groups in NODES.items()
}
"""The parameters of each of our nodes."""

DECLARED = {name: kind for kind in reversed(OWN) for name in sorted(OWN[kind])}
"""Every parameter of our nodes, with a node that declares it."""

OURS_ALONE = ("gate.", "engagement.", "timeline.")
"""Groups whose names no other package is expected to use."""

RENAMED = {"rivals_are_faults": "conflicts_are_faults"}
"""Parameters of earlier releases, and their names now."""

POSSIBLE, SLIP, SLIP_OF_SHORT, SHORT = 0.6, 0.8, 0.9, 8
"""Likeness of two names [0, 1] from which one is suggested, and from which it is taken for a slip;
the last is for names of fewer letters than `SHORT` and for names of nodes."""


def refuse_undeclared(node: Node, kind: str, words: Sequence[str] | None = None) -> tuple[str, ...]:
    """Holds the parameters that a node of ours was given, after it declared its own, against those
    of all our nodes, by `judge`. `kind`: its name in `NODES`. `words`: the command line, by default
    that of the process. Logs the warnings and returns them. Raises ConfigError."""
    given = getattr(node, "_parameter_overrides", ())  # rclpy has no public way to them
    names = [name for name in given if not node.has_parameter(name)]
    sections = _given_sections(sys.argv[1:] if words is None else words)
    warnings = judge(kind, node.get_fully_qualified_name(), names, sections)
    for warning in warnings:
        node.get_logger().warning(warning)
    return tuple(warnings)


def judge(
    kind: str, full_name: str, names: Iterable[str], sections: Sequence[Section]
) -> list[str]:
    """Warnings of parameters that a node is given. `sections`: of its parameter files.

    Raises ConfigError for a name that is meant for this node alone and that it does not declare;
    for one of a section for all nodes (`/**`) that is a slip of one of ours; for a section whose
    node is a slip of this one, or is this one in another namespace. Other names of a section for
    all nodes may be another package's: they are a warning.
    """
    _refuse_missed_sections(kind, full_name, sections)
    shared = {
        name
        for section in sections
        if section.is_shared and section.matches(full_name)
        for name in section.values
    }
    warnings = []
    for name in names:
        if name in OWN[kind] or name.startswith(OF_ANY_NODE):
            continue
        if name in RENAMED:
            raise ConfigError("parameter", name, f"its new name, {RENAMED[name]}")
        owner, near = DECLARED.get(name), nearest(name)
        hint = f"; did you mean {near} of {DECLARED[near]}?" if near else ""
        if name in shared and owner:
            continue
        if name not in shared or is_slip(name):
            expected = f"one that {kind if owner else 'a node of ours'} declares"
            expected += f"; {owner} declares it" if owner else hint
            raise ConfigError("parameter", name, f"{expected} (doc/nodes.md lists them)")
        warnings.append(f"no node of ours declares the parameter {name}{hint}")
    return warnings


def nearest(name: str) -> str | None:
    """The declared name that a name may be meant for."""
    group = next((prefix for prefix in OURS_ALONE if name.startswith(prefix)), "")
    among = [known for known in DECLARED if known.startswith(group)]
    best = max(among, key=lambda known: _likeness(name, known))
    return best if is_slip(name) or _likeness(name, best) >= POSSIBLE else None


def is_slip(name: str) -> bool:
    """Whether a name is so near to a declared one that it is meant for it."""
    if name.startswith(OURS_ALONE):
        return True
    likeness = max(_likeness(name, known) for known in DECLARED)
    return likeness >= (SLIP if len(name) >= SHORT else SLIP_OF_SHORT)


def _likeness(name: str, known: str) -> float:
    """0 to 1. A name without a dot may be meant for one whose group was left out."""
    likeness = difflib.SequenceMatcher(None, name, known).ratio()
    if "." in name or DECLARED[known] == "sim_node":
        return likeness
    return max(likeness, difflib.SequenceMatcher(None, name, known.rpartition(".")[2]).ratio())


def _given_sections(words: Sequence[str]) -> list[Section]:
    """The sections of all parameter files of a command line, and one for each parameter of a node
    that it names (`-p NODE:NAME:=VALUE`)."""
    sections = []
    for word, value in zip(words, words[1:], strict=False):
        named = re.fullmatch("([^:]+):([^:]+):=(.*)", value, re.DOTALL)
        if word == "--params-file":
            sections += read_sections(value)
        elif word in ("-p", "--param") and named:
            sections.append(
                Section(f"-p {value}", f"/{named[1].lstrip('/')}", {named[2]: named[3]})
            )
    return sections


def _refuse_missed_sections(kind: str, full_name: str, sections: Sequence[Section]) -> None:
    """Refuses a file with a section that is meant for this node and that it does not read, and with
    no other of its own."""
    own = [section for section in sections if not section.is_shared]
    served = {section.path for section in own if section.matches(full_name)}
    names = (kind, full_name.rpartition("/")[2])
    for section in own:
        if section.path in served:
            continue
        likeness = max(difflib.SequenceMatcher(None, section.name, name).ratio() for name in names)
        if section.name in names or (likeness >= SLIP_OF_SHORT and section.name not in NODES):
            raise ConfigError(
                f"section of {section.path}",
                section.node,
                f"{full_name}, the name of this node, or /** for all nodes",
            )
