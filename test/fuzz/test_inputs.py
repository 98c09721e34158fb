"""Hostile inputs: each gives a value or its own class of error, and what fuzzing found stays found."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from liquid_control.config import GateConfig, from_mapping
from liquid_control.deploy.models import find_model
from liquid_control.errors import ConfigError, ImageError, ModelFileError
from liquid_control.evaluate.soak import inputs
from liquid_control.evaluate.soak.inputs import InputSoakSettings, run_cases, soak_inputs
from liquid_control.evaluate.soak.sensor_cases import spoiled
from liquid_control.perception.pictures import image_from_compressed
from liquid_control.policy.model_file import read_model

CASES = {"weights": 250, "onnx": 250}
"""The others have a thousand; all of them a hundred thousand in `make soak`."""


@pytest.mark.parametrize("name", inputs.TARGETS)
def test_hostile_inputs_are_read_or_refused_by_name(name):
    answer = run_cases((name, 7, 0, CASES.get(name, 1000)))
    assert answer["wrong"] == [] and len(answer["endings"]) >= 2, answer
    assert answer["grown_bytes"] is None or answer["grown_bytes"] < 500e6


def test_what_goes_wrong_is_counted_with_its_case(monkeypatch):
    def fragile(rng: random.Random) -> str:
        return "fine" if rng.random() < 0.9 else {}["missing"]

    monkeypatch.setitem(inputs.TARGETS, "image", lambda folder: fragile)
    facts = soak_inputs(InputSoakSettings(cases=100, only=("image",), workers=1))
    assert facts["wrong"] == facts["kinds"]["image"]["endings"]["raised KeyError"] > 0
    assert "image, seed 0, case" in facts["kinds"]["image"]["first_wrong"][0]
    with pytest.raises(ConfigError, match="only"):
        InputSoakSettings(only=("pictures",))


def test_spoiling_spoils_and_repeats():
    data = bytes(range(256))
    assert all(spoiled(random.Random(seed), data) == spoiled(random.Random(seed), data) for seed in range(50))
    assert sum(spoiled(random.Random(seed), data) != data for seed in range(200)) > 190


@pytest.fixture
def model(tmp_path):
    return shutil.copytree(find_model("lane_keeper"), tmp_path / "model")


def test_a_wiring_of_more_neurons_than_memory_is_refused_before_it_is_built(model):
    for inter in (2**31, 2**63, 10**400):
        values = json.loads((find_model("lane_keeper") / "model.json").read_text())
        values["wiring"]["inter"] = inter
        (model / "model.json").write_text(json.dumps(values))
        with pytest.raises(ModelFileError, match="does not have the policy's"):
            read_model(model)


@pytest.mark.parametrize("text, words", [
    ("[" * 100_000, "is not JSON"), ('{"a":' * 100_000, "is not JSON"), (" " * 2**26 + "{}", "is larger"),
])
def test_json_that_is_too_deep_or_too_large_is_refused(model, text, words):
    (model / "model.json").write_text(text)
    with pytest.raises(ModelFileError, match=words):
        read_model(model)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(model):
    for name in ("policy.onnx", "model.json"):
        (model / name).unlink()
        os.mkfifo(model / name)
        with pytest.raises(ModelFileError, match="is not a file"):
            read_model(model)


def png(*chunks: tuple[bytes, int]) -> SimpleNamespace:
    """A picture of 4x4 whose chunks claim other lengths."""
    data = bytearray(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    for name, value in chunks:
        at = data.index(name) - 4
        data[at : at + 4] = struct.pack(">I", value)
    return SimpleNamespace(format="png", data=bytes(data))


def test_a_chunk_that_claims_gigabytes_costs_nothing():
    assert image_from_compressed(png()).shape == (4, 4, 3)
    for length in (2**20, 2**31 - 1, 2**32 - 1):
        with pytest.raises(ImageError, match="chunk longer"):
            image_from_compressed(png((b"IDAT", length)))
        with pytest.raises(ImageError, match="chunk longer"):
            image_from_compressed(png((b"IEND", length)))


@pytest.mark.parametrize("ending, options", [
    (".jpg", [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_OPTIMIZE, 1]), (".png", [cv2.IMWRITE_PNG_BILEVEL, 1]),
])
def test_the_emptiest_picture_is_read_and_a_larger_claim_is_not(ending, options):
    whole = cv2.imencode(ending, np.zeros((2048, 2048), np.uint8), options)[1].tobytes()
    assert image_from_compressed(SimpleNamespace(format="", data=whole)).shape == (2048, 2048, 3)
    few = bytearray(cv2.imencode(ending, np.zeros((8, 8), np.uint8), options)[1].tobytes())
    at = few.index(b"IHDR") + 4 if ending == ".png" else few.index(b"\xff\xc2") + 5
    few[at : at + (8 if ending == ".png" else 4)] = struct.pack(">II" if ending == ".png" else ">HH", 8000, 8000)
    with pytest.raises(ImageError, match="size"):
        image_from_compressed(SimpleNamespace(format="", data=bytes(few)))


def test_numbers_too_large_for_a_float_and_synapses_to_infinity_are_refused(model):
    with pytest.raises(ConfigError, match="max_speed"):
        from_mapping(GateConfig, {"max_speed": 10**400})
    values = json.loads((model / "model.json").read_text())
    values["wiring"]["synapses"][0][0] = float("inf")
    (model / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="NcpWiring.synapses"):
        read_model(model)
