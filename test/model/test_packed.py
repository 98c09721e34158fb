"""A model as a value: the same bytes again, one runtime per process, damage refused."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtime import to_vector
from liquid_control.errors import ModelFileError
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.packed import pack_model, unpacked
from liquid_control.signals import Observation

MODEL = find_model("lane_keeper")


def test_an_unpacked_model_is_the_packed_one_and_leaves_no_file():
    packed = pack_model(MODEL)
    assert packed.name == "lane_keeper" and set(packed.files) >= {"model.json", "policy.onnx"}
    with unpacked(packed) as directory:
        info = read_model(directory)
        assert dataclasses.replace(info, directory=MODEL) == read_model(MODEL)
        for name in packed.files:
            assert (directory / name).read_bytes() == (MODEL / name).read_bytes()
    assert not directory.exists()


def test_a_process_loads_a_model_once_and_it_answers_as_from_disk():
    runtime, other = load_packed(pack_model(MODEL)), load_packed(pack_model(MODEL))
    assert runtime is other and load_packed(pack_model(find_model("lane_keeper_cfc"))) is not other
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), np.uint8)
    seen = Observation(1, image, np.array([0.1, 0.5, 9.0], np.float32), 0.04, True)
    action, state = runtime.step(seen, runtime.initial_state())
    expected, expected_state = OnnxRuntime.load(MODEL).step(seen, runtime.initial_state())
    assert np.array_equal(action, expected)
    assert np.array_equal(to_vector(state), to_vector(expected_state))


def test_two_models_are_equal_by_their_content(tmp_path):
    copied = shutil.copytree(MODEL, tmp_path / "lane_keeper")
    assert pack_model(copied) == pack_model(MODEL)
    text = (copied / "model.json").read_text()
    (copied / "model.json").write_text(text.replace('"seed": 0', '"seed": 1', 1) + "\n")
    assert pack_model(copied) != pack_model(MODEL)


def test_a_damaged_model_is_refused_by_its_path_before_it_travels(tmp_path):
    copied = shutil.copytree(MODEL, tmp_path / "lane_keeper")
    (copied / "policy.onnx").write_bytes(b"x")
    with pytest.raises(ModelFileError, match=str(copied / "policy.onnx")):
        pack_model(copied)
