"""The settings of every verb."""

from __future__ import annotations

import dataclasses
import typing

import pytest

from liquid_control.cli.verbs import VERBS, settings_by_words
from liquid_control.config import REQUIRED, flags
from liquid_control.errors import ConfigError
from liquid_control.stress.soak.command_cases import sort_verbs

verbs = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)


def settings_of(kind, found):
    """The dataclass and all that its fields hold, in every variant."""
    found.add(kind)
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        variants = field.metadata.get("variants", dict)()
        for held in (hints[field.name], type(field.default), *variants.values()):
            if dataclasses.is_dataclass(held) and held not in found:
                settings_of(held, found)
    return found


@verbs
def test_every_number_of_every_verb_is_held_within_its_bounds(verb):
    for kind in settings_of(verb.load().settings, set()):
        fields = dataclasses.fields(kind)
        hints = typing.get_type_hints(kind)
        needed = {
            field.name: "x"
            for field in fields
            if field.default is field.default_factory is dataclasses.MISSING
        }
        for field in fields:
            if hints[field.name] in (int, float):
                for beyond in (field.metadata["low"] - 1, field.metadata["high"] + 1, float("nan")):
                    with pytest.raises(ConfigError, match=field.name):
                        kind(**needed | {field.name: beyond})


@verbs
def test_every_flag_of_every_verb_is_explained(verb):
    for flag in flags(verb.load().settings):
        assert len(flag.field.metadata["help"]) > 2, flag.name


@verbs
def test_no_flag_of_a_verb_means_two_fields(verb):
    names = [flag.name for flag in flags(verb.load().settings)]
    assert len(set(names)) == len(names) and "json" not in names


def test_the_fuzzer_of_command_lines_knows_every_verb():
    known = sort_verbs(settings_by_words())
    assert {verb.words for verb in VERBS} <= set(known.words)
    assert {"bench train", "soak processes", "train recordings"} <= set(known.out)
    assert {"drive", "faults", "soak", "soak processes"} <= set(known.model_by_flag)
    assert {"evaluate", "explain", "export", "inspect"} <= set(known.reads_model)
    assert "--fit.batch" in known.numbers["train simulation"]
    assert {"doctor", "sign", "inspect"} <= known.quick
    for words, kind in settings_by_words().items():
        for flag in flags(kind):
            if flag.kind in (int, float) and flag.field.metadata["low"] >= 0:
                assert f"--{flag.name}" in known.numbers[words]


def test_only_required_settings_have_no_default():
    required = {
        (words, flag.name)
        for words, kind in settings_by_words().items()
        for flag in flags(kind)
        if flag.field.default is REQUIRED
    }
    models = {(words, "model") for words in ("evaluate", "explain", "export", "sign")}
    places = {("inspect", "path"), ("collect", "out")}
    assert required == models | places | {("convert", "recording-path"), ("convert", "out")}
