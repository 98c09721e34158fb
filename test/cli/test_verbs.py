"""The settings of every verb."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from liquid_control.cli.verbs import VERBS
from liquid_control.errors import ConfigError


def settings_of(kind, found):
    """The dataclass and all that its fields hold."""
    found.add(kind)
    for hint in typing.get_type_hints(kind).values():
        if dataclasses.is_dataclass(hint) and hint not in found:
            settings_of(hint, found)
    return found


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_every_number_of_every_verb_is_held_within_its_bounds(verb):
    for kind in settings_of(verb.load().settings, set()):
        fields = dataclasses.fields(kind)
        needed = {
            field.name: "x"
            for field in fields
            if field.default is field.default_factory is dataclasses.MISSING
        }
        for field in fields:
            if "low" in field.metadata:
                with pytest.raises(ConfigError, match=field.name):
                    kind(**needed | {field.name: field.metadata["low"] - 1})
