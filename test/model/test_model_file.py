from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import safetensors.torch
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ModelFileError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CfcConfig, LtcConfig, WiringConfig
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model

DRAW = WiringConfig(seed=5)
PREPROCESS = PreprocessConfig(height=24, width=40, crop_top=0.3)


def save(directory, **policy):
    torch.manual_seed(0)
    network = PolicyNetwork(PolicyConfig(**policy), lane_keeping(PREPROCESS))
    provenance = {"seed": np.int64(3), "roads": range(2), "config": PREPROCESS}
    save_model(directory, network, provenance, {"rmse": np.float32(0.5), "lost": float("nan")})
    return network


@pytest.fixture
def model(tmp_path):
    save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def shipped(tmp_path):
    """A copy of the shipped model, which is of the first format."""
    return shutil.copytree(find_model("lane_keeper"), tmp_path / "shipped")


def edit(model, change):
    values = json.loads((model / "model.json").read_text())
    change(values)
    (model / "model.json").write_text(json.dumps(values))


def engine(name, sha256):
    """An artefact that this release does not know."""
    return {
        "role": "engine",
        "file": name,
        "sha256": sha256,
        "precision": "float16",
        "parity": 0.01,
    }


def sign(model):
    """Writes the hash of the weights as they are now, so that only their content can be at
    fault."""
    sha256 = hashlib.sha256((model / "weights.safetensors").read_bytes()).hexdigest()
    edit(model, lambda v: v["artefacts"][0].update(sha256=sha256))


@pytest.mark.parametrize("core", [LtcConfig(wiring=DRAW), CfcConfig(wiring=DRAW)])
def test_what_was_saved_is_what_is_loaded(tmp_path, core):
    network = save(tmp_path, core=core)
    loaded, info = load_network(tmp_path), read_model(tmp_path)
    assert (
        loaded.config == network.config == info.policy
        and loaded.preprocess == PREPROCESS == info.preprocess
    )
    assert loaded.wiring == network.wiring == info.wiring and not loaded.training
    for name, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert info.provenance == {"seed": 3, "roads": [0, 1], "config": dataclasses.asdict(PREPROCESS)}
    assert (
        info.metrics == {"rmse": 0.5, "lost": None}
        and "torch" in info.versions
        and info.created.endswith("+00:00")
    )


def test_reading_imports_neither_torch_nor_onnxruntime(model):
    code = (
        "import sys; from liquid_control.model.model_file import read_model;"
        "read_model(sys.argv[1]);"
        "print([m for m in ('torch', 'onnxruntime', 'safetensors') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code, model], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_saving_again_replaces_the_files_and_leaves_others(model):
    (model / "notes.txt").write_text("mine")
    (model / "policy.onnx").write_text("of older weights")
    save(model, core=LtcConfig(wiring=DRAW))
    assert read_model(model).policy.core.wiring.seed == 5
    assert sorted(p.name for p in model.iterdir()) == [
        "model.json",
        "notes.txt",
        "weights.safetensors",
    ]


def test_a_failed_save_leaves_the_old_model_whole(model):
    network, before = (
        PolicyNetwork(PolicyConfig(core=LtcConfig(wiring=DRAW)), lane_keeping(PREPROCESS)),
        read_model(model),
    )

    def broken_export(network, path):
        path.write_text("half a graph")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        save_model(model, network, {}, {}, export=broken_export)
    assert read_model(model) == before and len(list(model.iterdir())) == 2


def test_weights_that_diverged_are_not_saved(model):
    network, before = PolicyNetwork(PolicyConfig(), lane_keeping(PREPROCESS)), read_model(model)
    with torch.no_grad():
        network.cell.vleak[3] = torch.nan
    with pytest.raises(ModelFileError, match="cell.vleak is not finite.*learning rate"):
        save_model(model, network, {}, {})
    assert read_model(model) == before


def test_a_model_without_a_graph_says_how_to_get_one(model):
    with pytest.raises(ModelFileError, match="liquid-control export"):
        _ = read_model(model).onnx_path


def test_missing_files_are_named(model, tmp_path):
    with pytest.raises(ModelFileError, match="model.json: cannot be read"):
        read_model(tmp_path / "nowhere")
    (model / "weights.safetensors").unlink()
    with pytest.raises(ModelFileError, match="weights.safetensors: cannot be read"):
        read_model(model)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b[:-1] + bytes([b[-1] ^ 1]), lambda b: b"", lambda b: b + b"\0"],
)
def test_truncated_and_tampered_weights_are_refused(model, damage):
    path = model / "weights.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ModelFileError, match="does not match its hash"):
        load_network(model)


@pytest.mark.parametrize("text", ["", "{", "not json", '{"format": "liquid_control/1"', "\udcff"])
def test_what_is_not_json_is_refused(model, text):
    (model / "model.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFileError, match="is not JSON"):
        read_model(model)


@pytest.mark.parametrize("values", [{}, [], None, 3, {"format": "liquid_control/3"}, {"format": 1}])
def test_other_formats_are_refused(model, values):
    (model / "model.json").write_text(json.dumps(values))
    with pytest.raises(ModelFileError, match="this release reads 'liquid_control/1' and '.*2'"):
        read_model(model)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.pop("policy"), "'policy' is missing"),
        (lambda v: v.update(metrics=[]), "'metrics' is missing or not a dict"),
        (lambda v: v.update(artefacts=[]), "lists no weights"),
        (lambda v: v.pop("artefacts"), "'artefacts' is not a list"),
        (lambda v: v.update(format="liquid_control/1"), "'preprocess' is missing"),
        (lambda v: v.pop("spec"), "'spec' is missing"),
        (lambda v: v["spec"].update(colour="red"), "PolicySpec: .* exactly image"),
        (lambda v: v["spec"]["actions"][0].update(scale=0), "curvature.scale"),
        (lambda v: v["spec"]["actions"].append(v["spec"]["auxiliary"][0]), "does not have the"),
        (lambda v: v["spec"]["state"][0].update(shape=[20]), "the state does not fit"),
        (lambda v: v["artefacts"][0].pop("parity"), "does not have exactly"),
        (lambda v: v["artefacts"][0].update(parity=-1.0), "is not a difference"),
        (lambda v: v["artefacts"][0].update(parity=10**400), "is not a difference"),
        (lambda v: v["artefacts"][0].update(precision=16), "is not a word"),
        (lambda v: v["artefacts"][0].update(precision="int8"), "lists no weights"),
        (lambda v: v["artefacts"].append(v["artefacts"][0]), "two artefacts of the same file"),
        (lambda v: v.update(artefacts=v["artefacts"] * 65), "a list of at most 64"),
        (lambda v: v["policy"]["core"].update(unfolds=0), "LtcConfig.unfolds"),
        (lambda v: v["policy"].update(time_scale=float("nan")), "PolicyConfig.time_scale"),
        (lambda v: v["policy"].update(invented=1), "PolicyConfig.invented"),
        (lambda v: v["spec"]["image"].update(height="32"), "PreprocessConfig.height"),
        (lambda v: v["wiring"]["sensory"].pop(), "NcpWiring.sha256"),
        (lambda v: v["wiring"].pop("sha256"), "NcpWiring"),
        (
            lambda v: v["policy"]["core"]["wiring"].update(inter=13),
            "does not have the sizes of its policy",
        ),
        (lambda v: v["policy"].update(image_features=13), "does not have the sizes of its policy"),
        (lambda v: v["artefacts"][0].update(sha256=None), "does not match its hash"),
    ],
)
def test_a_changed_model_json_is_refused_by_name(model, change, words):
    edit(model, change)
    with pytest.raises(ModelFileError, match=words):
        read_model(model)


def test_a_changed_model_json_of_the_first_format_is_refused_too(shipped):
    whole = (shipped / "model.json").read_text()
    for change, words in (
        (lambda v: v.pop("files"), "'files' is missing"),
        (lambda v: v.update(files={}), "lists no weights"),
        (lambda v: v["preprocess"].update(height="32"), "PreprocessConfig.height"),
        (lambda v: v["policy"].update(curvature_scale=0), "curvature_scale"),
        (lambda v: v["files"].update({"weights.safetensors": None}), "does not match its hash"),
    ):
        edit(shipped, change)
        with pytest.raises(ModelFileError, match=words):
            read_model(shipped)
        (shipped / "model.json").write_text(whole)


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "/etc/passwd",
        "sub/weights.safetensors",
        "..",
        "",
        "weights.pt",
        "C:\\policy.onnx",
    ],
)
def test_files_outside_the_model_are_not_touched(model, shipped, name):
    edit(shipped, lambda v: v["files"].update({name: "0" * 64}))
    with pytest.raises(ModelFileError, match="a model has only"):
        read_model(shipped)
    edit(model, lambda v: v["artefacts"].append(engine(name, "0" * 64)))
    words = "weights.pt: cannot be read" if name == "weights.pt" else "not a plain file name"
    with pytest.raises(ModelFileError, match=words):
        read_model(model)


@pytest.mark.parametrize("name", [".", "a\0b", "x" * 201, "a\nb", "a/../b", None, 3])
def test_names_that_no_artefact_can_have_are_refused(model, name):
    edit(model, lambda v: v["artefacts"].append(engine(name, "0" * 64)))
    with pytest.raises(ModelFileError, match="not a plain file name"):
        read_model(model)


def test_an_artefact_of_a_later_release_is_hashed_and_kept(model):
    (model / "policy.engine").write_bytes(b"compiled")
    sha256 = hashlib.sha256(b"compiled").hexdigest()
    edit(model, lambda v: v["artefacts"].append(engine("policy.engine", sha256)))
    info = read_model(model)
    assert info.artefact("engine", "float16").parity == 0.01
    assert info.artefact("engine") is None
    assert info.files["policy.engine"] == sha256
    (model / "policy.engine").write_bytes(b"compilee")
    with pytest.raises(ModelFileError, match="policy.engine: does not match its hash"):
        read_model(model)


def test_a_file_that_is_not_listed_is_not_loaded(model):
    (model / "policy.onnx").write_bytes(b"of another model")
    info = read_model(model)
    assert list(info.files) == ["weights.safetensors"]
    with pytest.raises(ModelFileError, match="saved without policy.onnx"):
        _ = info.onnx_path


def test_models_of_the_first_format_are_read(shipped):
    info = read_model(shipped)
    assert [(one.role, one.file) for one in info.artefacts] == [
        ("weights", "weights.safetensors"),
        ("onnx", "policy.onnx"),
    ]
    assert all(one.precision == "float32" and one.parity is None for one in info.artefacts)
    assert info.files == json.loads((shipped / "model.json").read_text())["files"]
    save_model(shipped, load_network(shipped), info.provenance, info.metrics)
    assert read_model(shipped).files == {"weights.safetensors": info.files["weights.safetensors"]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w["cell.vleak"].fill_(float("nan")), "cell.vleak is not finite float32"),
        (lambda w: w["cell.raw_cm"].fill_(float("inf")), "cell.raw_cm is not finite float32"),
        (
            lambda w: w.update({"cell.vleak": w["cell.vleak"].double()}),
            "cell.vleak is not finite float32",
        ),
        (
            lambda w: w.update({"cell.vleak": torch.zeros(20)}),
            "does not fit the network.*cell.vleak",
        ),
        (lambda w: w.pop("cell.vleak"), "does not fit the network.*cell.vleak"),
        (lambda w: w.update(extra=torch.zeros(1)), "does not fit the network.*extra"),
    ],
)
def test_weights_that_cannot_be_right_are_refused(model, change, words):
    weights = safetensors.torch.load_file(model / "weights.safetensors")
    change(weights)
    safetensors.torch.save_file(weights, model / "weights.safetensors")
    sign(model)
    with pytest.raises(ModelFileError, match=f"(?s){words}"):
        load_network(model)


def test_signed_garbage_is_refused_too(model):
    (model / "weights.safetensors").write_bytes(b"\xff" * 100)
    sign(model)
    with pytest.raises(ModelFileError, match="is not a safetensors file"):
        load_network(model)


def test_weights_of_a_size_that_no_encoder_has_are_refused(model):
    edit(model, lambda v: v["policy"].update(encoder="published"))
    with pytest.raises(ModelFileError, match="image_features"):
        load_network(model)
