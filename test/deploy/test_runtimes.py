"""PyTorch and ONNX Runtime give the same drive."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.export import export_model, export_onnx
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError, ImageError, ModelFileError, ShapeError, TimeError
from liquid_control.model.cores import CORES
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.signals import Observation

SIZE = (32, 64)


@pytest.fixture(scope="module", params=["ltc", "cfc"])
def model(request, tmp_path_factory):
    torch.manual_seed(0)
    directory = tmp_path_factory.mktemp(request.param)
    network = PolicyNetwork(PolicyConfig(core=CORES[request.param]()), PreprocessConfig(*SIZE))
    save_model(directory, network, {}, {}, export=export_onnx)
    return directory


def drive(count, batch=None, seed=0):
    """Irregular steps: (image, inertial, dt), with a leading batch where one is asked for."""
    rng, leading = np.random.default_rng(seed), () if batch is None else (batch,)
    for _ in range(count):
        image = rng.integers(0, 256, (*leading, *SIZE, 3), dtype=np.uint8)
        inertial = (rng.normal(size=(*leading, 3)) * [0.5, 4.0, 4.0] + [0.0, 0.0, 10.0]).astype(
            np.float32
        )
        dt = np.exp(rng.uniform(np.log(0.002), np.log(0.6), leading))
        yield image, inertial, float(dt) if batch is None else dt.astype(np.float32)


def observation(image, inertial, dt):
    return Observation(0, image, inertial, dt, False)


def test_a_thousand_irregular_steps_with_the_state_fed_back(model):
    fast, reference = OnnxRuntime.load(model), TorchRuntime.load(model)
    state, wanted_state = fast.initial_state(), reference.initial_state()
    assert (
        np.array_equal(state, wanted_state) and state.shape == (19,) and state.dtype == np.float32
    )
    driven = []
    for step in drive(1000):
        curvature, state = fast.step(observation(*step), state)
        wanted, wanted_state = reference.step(observation(*step), wanted_state)
        assert abs(curvature - wanted) < 1e-5 and np.abs(state - wanted_state).max() < 1e-5
        driven.append(curvature)
    assert isinstance(curvature, float) and state.dtype == np.float32 and np.std(driven) > 1e-4


def test_seven_drives_at_once(model):
    fast, reference = OnnxRuntime.load(model), TorchRuntime.load(model).network
    state, wanted_state = np.zeros((7, 19), np.float32), reference.initial_state(7)
    for step in drive(150, batch=7):
        curvature, state = fast.step_batch(*step, state)
        with torch.inference_mode():
            wanted, wanted_state = reference.step(*map(torch.from_numpy, step), wanted_state)
        assert (
            np.abs(curvature - wanted.numpy()).max() < 1e-5
            and np.abs(state - wanted_state.numpy()).max() < 1e-5
        )


def test_a_batch_is_as_good_as_single_steps(model):
    runtime = OnnxRuntime.load(model)
    image, inertial, dt = next(drive(1, batch=5))
    state = np.random.default_rng(2).normal(size=(5, 19)).astype(np.float32) / 2
    curvature, following = runtime.step_batch(image, inertial, dt, state)
    for i in range(5):
        alone, alone_state = runtime.step(
            observation(image[i], inertial[i], float(dt[i])), state[i]
        )
        assert abs(alone - curvature[i]) < 1e-6 and np.abs(alone_state - following[i]).max() < 1e-5


def test_the_state_is_the_callers(model):
    """The runtime keeps nothing: the same state gives the same answer, another state another, and
    no array is written to."""
    runtime, steps = OnnxRuntime.load(model), [observation(*step) for step in drive(20)]
    state = runtime.initial_state()
    for step in steps:
        _, state = runtime.step(step, state)
    kept = state.copy()
    first, following = runtime.step(steps[0], state)
    again, _ = runtime.step(steps[0], state)
    forgotten, _ = runtime.step(steps[0], runtime.initial_state())
    assert (
        first == again != forgotten
        and np.array_equal(state, kept)
        and not np.array_equal(following, kept)
    )
    image = steps[0].image
    image.flags.writeable = False
    assert (
        runtime.step(steps[0], state)[0]
        == first
        == pytest.approx(TorchRuntime.load(model).step(steps[0], state)[0], abs=1e-5)
    )


def test_the_graph_is_as_documented(model):
    graph = onnx.load(read_model(model).onnx_path)
    onnx.checker.check_model(graph, full_check=True)
    kinds = {v.name: v.type.tensor_type for v in graph.graph.input}
    shapes = {
        name: [d.dim_value or d.dim_param for d in kind.shape.dim] for name, kind in kinds.items()
    }
    assert shapes == {
        "image": ["batch", *SIZE, 3],
        "inertial": ["batch", 3],
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
    assert [v.name for v in graph.graph.output] == ["curvature", "next_state"]
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
    runtime, (image, inertial, dt) = kind.load(model), next(drive(1))
    state = runtime.initial_state()
    for arguments, error in (
        ((image.astype(np.float32), inertial, state), ImageError),
        ((image[:31], inertial, state), ShapeError),
        ((image[..., :1], inertial, state), ShapeError),
        ((image[0], inertial, state), ShapeError),
        ((image[None], inertial[None], state[None]), ShapeError),
        ((image, inertial[:2], state), ShapeError),
        ((image, inertial, state[:18]), ShapeError),
    ):
        with pytest.raises(error):
            runtime.step(observation(arguments[0], arguments[1], dt), arguments[2])
    for bad in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(TimeError):
            runtime.step(observation(image, inertial, bad), state)


def test_batches_must_agree(model):
    runtime, (image, inertial, dt) = OnnxRuntime.load(model), next(drive(1, batch=3))
    state = np.zeros((3, 19), np.float32)
    for arguments in (
        (image, inertial[:2], dt, state),
        (image, inertial, dt[:2], state),
        (image, inertial, dt, state[:1]),
        (image[0], inertial[0], dt[0], state[0]),
    ):
        with pytest.raises(ShapeError):
            runtime.step_batch(*arguments)
    with pytest.raises(TimeError):
        runtime.step_batch(image, inertial, -dt, state)


@pytest.mark.parametrize("threads", [0, -1, 1.5, True])
def test_threads_must_be_a_count(model, threads):
    with pytest.raises(ConfigError):
        OnnxRuntime.load(model, threads)


def test_exporting_is_quiet_and_leaves_the_network_as_it_was(tmp_path, capfd, recwarn):
    network = PolicyNetwork(PolicyConfig(), PreprocessConfig(16, 24)).train()
    export_onnx(network, tmp_path / "policy.onnx")
    out, err = capfd.readouterr()
    assert (out, err) == ("", "") and len(recwarn) == 0 and network.training


def test_a_saved_model_can_be_exported_later(tmp_path):
    network = PolicyNetwork(PolicyConfig(), PreprocessConfig(16, 24))
    save_model(tmp_path, network, {"seed": 1}, {"rmse": 0.2})
    with pytest.raises(ModelFileError, match="liquid-control export"):
        OnnxRuntime.load(tmp_path)
    assert export_model(tmp_path) == tmp_path / "policy.onnx"
    assert OnnxRuntime.load(tmp_path).neurons == 19 and read_model(tmp_path).metrics == {
        "rmse": 0.2
    }


def test_graphs_that_cannot_be_right_are_refused(tmp_path):
    network = PolicyNetwork(PolicyConfig(), PreprocessConfig(16, 24))
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
            PolicyNetwork(PolicyConfig(), PreprocessConfig(16, 32)), path
        ),
    )
    with pytest.raises(ModelFileError, match="policy.onnx: does not run"):  # of another image size
        OnnxRuntime.load(tmp_path)
    graph = onnx.load(tmp_path / "policy.onnx")
    (bias,) = [i for i in graph.graph.initializer if i.name == "encoder.linear.bias"]
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(29, np.nan, np.float32), bias.name))
    save_model(
        tmp_path,
        PolicyNetwork(PolicyConfig(), PreprocessConfig(16, 32)),
        {},
        {},
        export=lambda _, path: onnx.save(graph, path),
    )
    with pytest.raises(ModelFileError, match="no finite curvature"):
        OnnxRuntime.load(tmp_path)
