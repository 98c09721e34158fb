"""YAML of unknown origin: plain values, in bounded time."""

from __future__ import annotations

import re

import yaml

DEEPEST = 100  # brackets open at once
NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, RecursionError)
"""What PyYAML raises on a text that is none: `!!int ''`, `!!bool x` and `!!timestamp x` get past
its own errors."""


def load_yaml(data: bytes) -> object:
    """YAML of unknown origin as plain values. Raises one of `NOT_YAML`."""
    depth = 0
    for bracket in re.findall(
        rb"[\[\]{}]", data
    ):  # PyYAML's time grows with the square of the depth
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            raise ValueError(f"nested more than {DEEPEST} deep")
    return yaml.safe_load(data)
