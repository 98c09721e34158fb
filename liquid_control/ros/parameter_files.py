"""ROS parameter files as they are written: their sections, and what these set. Needs no ROS."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml

from liquid_control.errors import ConfigError

PARAMETERS = "ros__parameters"
WILDCARDS = {"/**": r"(/\w+)*", "/*": r"/\w+"}
"""In the name of a section, and what they match of a node's full name."""


@dataclasses.dataclass(frozen=True)
class Section:
    """What a file sets for the nodes whose full name matches `node`, by dotted name."""

    path: str
    node: str
    values: Mapping[str, object]

    @property
    def is_shared(self) -> bool:
        """Whether it is of nodes of any name."""
        return self.node.endswith("*")

    @property
    def name(self) -> str:
        """The node's name without its namespace."""
        return self.node.rpartition("/")[2]

    def matches(self, full_name: str) -> bool:
        """Whether the node of this full name reads the section, by the rules of rcl."""
        pattern = re.sub(
            r"/\*\*|/\*|[^/]+|/", lambda part: WILDCARDS.get(part[0], re.escape(part[0])), self.node
        )
        return re.fullmatch(pattern, full_name) is not None


def read_sections(path: str | Path) -> list[Section]:
    """The sections of a file, in its order. Raises ConfigError for a file that is not there, is no
    YAML, or sets one key twice."""
    try:
        loader = yaml.SafeLoader(Path(path).read_text(encoding="utf-8"))
        tree = loader.get_single_node()
        _refuse_twins(str(path), tree)
        content = None if tree is None else loader.construct_document(tree)
        return list(_sections(str(path), "", content))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(str(path), reason, "a YAML file with parameters of ROS") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(
            str(path), " ".join(str(error).split()), "a file of valid YAML"
        ) from error


def merged(sections: Sequence[Section], full_name: str) -> dict[str, object]:
    """What a node gets of sections, as rcl has it: of two values in sections of one name the later
    one, and of two in sections of different names that of the name that comes first later."""
    by_name: dict[str, dict[str, object]] = {}
    for section in sections:
        by_name.setdefault(section.node, {}).update(section.values)
    return {
        name: value
        for node, values in by_name.items()
        if Section("", node, {}).matches(full_name)
        for name, value in values.items()
    }


def _refuse_twins(path: str, tree: yaml.Node | None) -> None:
    """Raises ConfigError for a key that a mapping holds twice; ROS and PyYAML take one of them."""
    if not isinstance(tree, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in tree.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                again = f"{key.value} again in line {key.start_mark.line + 1}"
                raise ConfigError(path, again, "each key once")
            seen.add(key.value)
        _refuse_twins(path, value)


def _sections(path: str, prefix: str, content: object) -> Iterator[Section]:
    for key, value in content.items() if isinstance(content, Mapping) else ():
        if key == PARAMETERS and prefix:
            yield Section(path, prefix, dict(_flat("", value)))
        elif isinstance(value, Mapping):
            name = str(key).strip("/")
            yield from _sections(path, f"{prefix}/{name}" if name else prefix, value)


def _flat(prefix: str, values: object) -> Iterator[tuple[str, object]]:
    for key, value in values.items() if isinstance(values, Mapping) else ():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield f"{prefix}{key}", value
