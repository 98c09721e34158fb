"""PyTorch and ONNX Runtime give the same drive."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.random import default_rng

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.export import export_model, export_onnx
from liquid_control.deploy.export import parity as measure_parity
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.runtimes import RUNTIMES, load_runtime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError, ImageError, ModelFileError, ShapeError, TimeError
from liquid_control.model.artefacts import Artefact
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES, LtcConfig
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.signals import Observation

SIZE = (32, 64)
SMALL = PolicyConfig(core=LtcConfig(unfolds=1))


@pytest.fixture(scope="module", params=["ltc", "cfc"])
def model(request, tmp_path_factory):
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp(request.param)
    network = PolicyNetwork(
        PolicyConfig(core=CORES[request.param]()), lane_keeping(PreprocessConfig(*SIZE))
    )
    save_model(directory, network, {}, {}, export=export_onnx)
    return directory


def drive(count, batch=None, seed=0):
    """Irregular steps: (image, measurements, dt), with a leading batch where one is asked for."""
    rng, leading = np.random.default_rng(seed), () if batch is None else (batch,)
    for _ in range(count):
        image = rng.integers(0, 256, (*leading, *SIZE, 3), dtype=np.uint8)
        numbers = rng.normal(size=(*leading, 3)) * [0.5, 4.0, 4.0] + [0.0, 0.0, 10.0]
        dt = np.exp(rng.uniform(np.log(0.002), np.log(0.6), leading))
        yield (
            image,
            numbers.astype(np.float32),
            float(dt) if batch is None else dt.astype(np.float32),
        )


def observation(image, measurements, dt):
    return Observation(0, image, measurements, dt, False)


@pytest.mark.parametrize("name", sorted(RUNTIMES.keys() - {"torch"}))
def test_a_thousand_irregular_steps_with_the_state_fed_back(model, name):
    fast, reference = load_runtime(model, name), load_runtime(model, "torch")
    state, wanted_state = fast.initial_state(), reference.initial_state()
    assert np.array_equal(state["state"], wanted_state["state"])
    assert state["state"].shape == (19,) and state["state"].dtype == np.float32
    driven = []
    for step in drive(1000):
        action, state = fast.step(observation(*step), state)
        wanted, wanted_state = reference.step(observation(*step), wanted_state)
        assert np.abs(action - wanted).max() < 1e-5
        assert np.abs(state["state"] - wanted_state["state"]).max() < 1e-5
        driven.append(action)
    assert action.shape == wanted.shape == (1,)
    assert action.dtype == wanted.dtype == state["state"].dtype == np.float32
    assert np.std(driven) > 1e-4


def test_an_unknown_runtime_is_refused_with_the_known_ones(model):
    with pytest.raises(ConfigError, match="one of onnx, native, torch"):
        load_runtime(model, "abacus")
    assert isinstance(load_runtime(model), OnnxRuntime)
    assert isinstance(load_runtime(model, "torch"), TorchRuntime)


def test_seven_drives_at_once(model):
    fast, reference = OnnxRuntime.load(model), TorchRuntime.load(model).network
    state, wanted_state = {"state": np.zeros((7, 19), np.float32)}, reference.initial_state(7)
    for step in drive(150, batch=7):
        action, state = fast.step_batch(*step, state)
        with torch.inference_mode():
            wanted, wanted_state = reference.step(*map(torch.from_numpy, step), wanted_state)
        assert action.shape == wanted.shape == (7, 1)
        assert np.abs(action - wanted.numpy()).max() < 1e-5
        assert np.abs(state["state"] - wanted_state.numpy()).max() < 1e-5


def test_a_batch_is_as_good_as_single_steps(model):
    runtime = OnnxRuntime.load(model)
    image, measurements, dt = next(drive(1, batch=5))
    state = np.random.default_rng(2).normal(size=(5, 19)).astype(np.float32) / 2
    action, following = runtime.step_batch(image, measurements, dt, {"state": state})
    for i in range(5):
        alone, alone_state = runtime.step(
            observation(image[i], measurements[i], float(dt[i])), {"state": state[i]}
        )
        assert np.abs(alone - action[i]).max() < 1e-6
        assert np.abs(alone_state["state"] - following["state"][i]).max() < 1e-5


def test_the_state_is_the_callers(model):
    """The runtime keeps nothing: the same state gives the same action, another state another, and
    no array is written to."""
    runtime, steps = OnnxRuntime.load(model), [observation(*step) for step in drive(20)]
    state = runtime.initial_state()
    for step in steps:
        _, state = runtime.step(step, state)
    kept = state["state"].copy()
    first, following = runtime.step(steps[0], state)
    again, _ = runtime.step(steps[0], state)
    forgotten, _ = runtime.step(steps[0], runtime.initial_state())
    assert first == again != forgotten
    assert np.array_equal(state["state"], kept)
    assert not np.array_equal(following["state"], kept)
    steps[0].image.flags.writeable = False
    assert runtime.step(steps[0], state)[0] == first
    assert TorchRuntime.load(model).step(steps[0], state)[0] == pytest.approx(first, abs=1e-5)


def test_a_model_of_the_first_format_gives_what_its_graph_gives():
    """Its graph has the names and shapes of release 0.1: curvature (B,), inertial, one state."""
    info = read_model(find_model("lane_keeper"))
    runtime, session = OnnxRuntime(info), onnxruntime.InferenceSession(info.onnx_path)
    assert [one.name for one in session.get_inputs()] == ["image", "inertial", "dt", "state"]
    assert info.spec.actions == lane_keeping().actions and info.spec.image == info.preprocess
    state, fed, rng = runtime.initial_state(), np.zeros((1, 19), np.float32), default_rng(0)
    for _ in range(20):
        image = rng.integers(0, 256, (64, 128, 3), np.uint8)
        numbers, dt = rng.normal(size=3).astype(np.float32), float(rng.uniform(0.01, 0.2))
        action, state = runtime.step(observation(image, numbers, dt), state)
        feed = {"image": image[None], "inertial": numbers[None], "dt": np.float32([dt])}
        curvature, fed = session.run(["curvature", "next_state"], feed | {"state": fed})
        assert action.shape == (1,) and action[0] == curvature[0]
        assert np.array_equal(state["state"], fed[0])


def test_the_parity_of_an_export_is_measured_and_kept(model):
    parity = read_model(model).artefact("onnx").parity
    assert 0 < parity < 1e-4
    network = TorchRuntime.load(model).network
    assert 0 < measure_parity(network, read_model(model).onnx_path) == parity
    with torch.no_grad():
        network.output_shift += 0.5
    assert measure_parity(network, read_model(model).onnx_path) == pytest.approx(2.0, rel=0.01)


def test_the_graph_is_as_documented(model):
    graph = onnx.load(read_model(model).onnx_path)
    onnx.checker.check_model(graph, full_check=True)
    kinds = {v.name: v.type.tensor_type for v in graph.graph.input}
    shapes = {
        name: [d.dim_value or d.dim_param for d in kind.shape.dim] for name, kind in kinds.items()
    }
    assert shapes == {
        "image": ["batch", *SIZE, 3],
        "measurements": ["batch", 3],
        "dt": ["batch"],
        "state": ["batch", 19],
    }
    number = onnx.TensorProto.FLOAT
    assert [kind.elem_type for kind in kinds.values()] == [
        onnx.TensorProto.UINT8,
        number,
        number,
        number,
    ]
    assert [v.name for v in graph.graph.output] == ["action", "next_state"]
    assert all(opset.domain in ("", "ai.onnx") for opset in graph.opset_import)
    assert read_model(model).onnx_path.stat().st_size < 1_000_000


def test_running_never_imports_torch(model):
    code = (
        "import sys; from liquid_control.deploy.onnx_runtime import OnnxRuntime;"
        "OnnxRuntime.load(sys.argv[1]);"
        "print([m for m in ('torch', 'safetensors', 'onnx') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code, model], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


@pytest.mark.parametrize("kind", [OnnxRuntime, TorchRuntime])
def test_arrays_of_another_shape_or_type_are_refused(model, kind):
    runtime, (image, numbers, dt) = kind.load(model), next(drive(1))
    state = runtime.initial_state()
    for arguments, error in (
        ((image.astype(np.float32), numbers, state), ImageError),
        ((None, numbers, state), ImageError),
        ((image[:31], numbers, state), ShapeError),
        ((image[..., :1], numbers, state), ShapeError),
        ((image[0], numbers, state), ShapeError),
        ((image[None], numbers[None], {"state": state["state"][None]}), ShapeError),
        ((image, numbers[:2], state), ShapeError),
        ((image, numbers, {"state": state["state"][:18]}), ShapeError),
        ((image, numbers, {}), ShapeError),
        ((image, numbers, state | {"cell": state["state"]}), ShapeError),
    ):
        with pytest.raises(error):
            runtime.step(observation(arguments[0], arguments[1], dt), arguments[2])
    for bad in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(TimeError):
            runtime.step(observation(image, numbers, bad), state)


def test_batches_must_agree(model):
    runtime, (image, numbers, dt) = OnnxRuntime.load(model), next(drive(1, batch=3))
    state = {"state": np.zeros((3, 19), np.float32)}
    for arguments in (
        (image, numbers[:2], dt, state),
        (image, numbers, dt[:2], state),
        (image, numbers, dt, {"state": state["state"][:1]}),
        (image[0], numbers[0], dt[0], {"state": state["state"][0]}),
    ):
        with pytest.raises(ShapeError):
            runtime.step_batch(*arguments)
    with pytest.raises(TimeError):
        runtime.step_batch(image, numbers, -dt, state)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_must_be_a_count(model, threads):
    with pytest.raises(ConfigError):
        OnnxRuntime.load(model, threads)


def test_exporting_is_quiet_and_leaves_the_network_as_it_was(tmp_path, capfd, recwarn):
    network = PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 24))).train()
    export_onnx(network, tmp_path / "policy.onnx")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "") and len(recwarn) == 0 and network.training


def test_a_saved_model_can_be_exported_later(tmp_path):
    network = PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 24)))
    save_model(tmp_path, network, {"seed": 1}, {"rmse": 0.2})
    with pytest.raises(ModelFileError, match="liquid-control export"):
        OnnxRuntime.load(tmp_path)
    assert export_model(tmp_path) == tmp_path / "policy.onnx"
    assert OnnxRuntime.load(tmp_path).spec.state_size == 19
    assert read_model(tmp_path).metrics == {"rmse": 0.2}


def test_an_export_keeps_the_artefacts_of_others(tmp_path):
    network = PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 24)))
    save_model(tmp_path, network, {}, {})
    path, engine = tmp_path / "model.json", tmp_path / "policy.int8.onnx"
    engine.write_bytes(b"quantised")
    sha256 = hashlib.sha256(b"quantised").hexdigest()
    listed = Artefact("onnx", engine.name, sha256, "int8", 0.03)
    values = json.loads(path.read_text())
    values["artefacts"].append(dataclasses.asdict(listed))
    path.write_text(json.dumps(values))
    export_model(tmp_path)
    info = read_model(tmp_path)
    files = ["weights.safetensors", "policy.onnx", engine.name]
    assert [one.file for one in info.artefacts] == files
    assert info.artefact("onnx", "int8") == listed
    assert info.onnx_path.name == "policy.onnx"


def test_graphs_that_cannot_be_right_are_refused(tmp_path):
    network = PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 24)))
    save_model(
        tmp_path, network, {}, {}, export=lambda network, path: path.write_bytes(b"no graph")
    )
    with pytest.raises(ModelFileError, match="policy.onnx: does not run"):
        OnnxRuntime.load(tmp_path)
    save_model(
        tmp_path,
        network,
        {},
        {},
        export=lambda _, path: export_onnx(
            PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 32))), path
        ),
    )
    with pytest.raises(ModelFileError, match="policy.onnx: does not run"):  # of another image size
        OnnxRuntime.load(tmp_path)
    graph = onnx.load(tmp_path / "policy.onnx")
    (bias,) = [i for i in graph.graph.initializer if i.name == "encoder.linear.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(29, np.nan, np.float32), bias.name))
    save_model(
        tmp_path,
        PolicyNetwork(SMALL, lane_keeping(PreprocessConfig(16, 32))),
        {},
        {},
        export=lambda _, path: onnx.save(graph, path),
    )
    with pytest.raises(ModelFileError, match="no finite action"):
        OnnxRuntime.load(tmp_path)
