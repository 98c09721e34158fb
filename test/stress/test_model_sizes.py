"""The sizes that a model directory claims are checked against its data before memory is allocated
for them."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil

import pytest

from liquid_control.errors import ModelFileError
from liquid_control.model import model_file
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.untrusted_file import LARGEST_FILE
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.saved import load_network, save_model

NO_WIRING = {"wiring": None}
THIN = NcpWiring(32, 4096, 4096, 1, sensory=((0, 5000, 1),), synapses=((5000, 20, 1),))
HUGE = [  # all within the bounds of each field; 0.3 to 6.5 GB as float32
    ({"memory": "lstm", "units": 4096}, {}, NO_WIRING),
    (
        {"memory": "gru", "units": 4096, "image_features": 1024},
        {"height": 1024, "width": 2048},
        NO_WIRING,
    ),
    ({"memory": "cfc_full", "units": 4096, "backbone": 4096}, {}, NO_WIRING),
    (
        {"memory": "feedforward_stack", "stack": 256, "units": 4096, "image_features": 1024},
        {},
        NO_WIRING,
    ),
    ({}, {"height": 1024, "width": 2048}, {}),
    ({"memory": "ltc", "inter": 4096, "command": 4096}, {}, {"wiring": THIN.to_dict()}),
    ({"memory": "cfc", "inter": 4096, "command": 4096}, {}, {"wiring": THIN.to_dict()}),
]


@pytest.fixture
def model(tmp_path):
    return shutil.copytree(find_model("lane_keeper"), tmp_path / "model")


def change(model, change_values):
    values = json.loads((model / "model.json").read_text())
    change_values(values)
    (model / "model.json").write_text(json.dumps(values))


@pytest.mark.parametrize(
    "policy, preprocess, rest", HUGE, ids=lambda value: str(value.get("memory", ""))
)
def test_a_network_larger_than_its_weights_is_refused_before_it_is_built(
    model, policy, preprocess, rest
):
    load_network(model)

    def swell(values):
        values["policy"] |= policy
        values["preprocess"] |= preprocess
        values |= rest

    change(model, swell)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelFileError, match="does not fit the network in model.json"):
        load_network(model)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000, "kilobytes"


@pytest.mark.parametrize(
    "policy", [{"units": 10**9}, {"image_features": 2**62}, {"inter": 10**400}, {"stack": 10**9}]
)
def test_sizes_out_of_bounds_are_refused_by_name(model, policy):
    change(model, lambda values: values["policy"].update(policy))
    with pytest.raises(ModelFileError, match=rf"Config\.{next(iter(policy))}"):
        read_model(model)


@pytest.mark.parametrize("name", ["weights.safetensors", "policy.onnx"])
def test_a_file_of_a_terabyte_is_refused_unread(model, name):
    os.truncate(model / name, 2**40)
    with pytest.raises(ModelFileError, match=f"{name}: is larger than {LARGEST_FILE} bytes"):
        read_model(model)


def test_weights_that_name_other_tensors_are_refused_with_their_names(model):
    data = (
        (model / "weights.safetensors").read_bytes().replace(b'"output_scale"', b'"output_scald"')
    )
    (model / "weights.safetensors").write_bytes(data)
    change(
        model,
        lambda values: values["files"].update(
            {"weights.safetensors": hashlib.sha256(data).hexdigest()}
        ),
    )
    with pytest.raises(
        ModelFileError, match="output_scald is .*, not expected; output_scale is missing, not"
    ):
        load_network(model)


def test_what_could_not_be_read_back_is_not_saved(model, tmp_path, monkeypatch):
    network = load_network(model)
    monkeypatch.setattr(model_file, "LARGEST_JSON", 1000)
    with pytest.raises(ModelFileError, match="not saved: model.json would be larger"):
        save_model(tmp_path / "new", network, {}, {})
    assert not list((tmp_path / "new").iterdir())


def test_names_that_are_none_are_refused(model):
    for name in ("weights\0", "x" * 5000):
        with pytest.raises(ModelFileError):
            read_model(model / name)
