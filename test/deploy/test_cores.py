"""Every core without wiring steps the same with ONNX Runtime as with PyTorch, its state fed back.
(The circuits: test_runtimes.)"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.export import export_onnx
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model

SIZE = (16, 24)


@pytest.mark.parametrize("core", [core for core in CORES.values() if not core.wired])
def test_irregular_steps_of_three_drives_at_once(tmp_path, core):
    torch.manual_seed(0)
    network = PolicyNetwork(
        PolicyConfig(core=core(units=12)), lane_keeping(PreprocessConfig(*SIZE))
    )
    save_model(tmp_path, network, {}, {}, export=export_onnx)
    fast, reference, rng = (
        OnnxRuntime.load(tmp_path),
        TorchRuntime.load(tmp_path),
        np.random.default_rng(0),
    )
    spec = fast.spec
    assert spec == reference.spec == read_model(tmp_path).spec
    for name, array in fast.initial_state().items():
        assert np.array_equal(array, reference.initial_state()[name])
    inputs = [value.name for value in onnx.load(tmp_path / "policy.onnx").graph.input]
    assert inputs == ["image", "measurements", "dt", *(array.name for array in spec.state)]
    state = {array.name: np.zeros((3, *array.shape), np.float32) for array in spec.state}
    expected_state, driven = reference.network.initial_state(3), []
    for _ in range(120):
        image = rng.integers(0, 256, (3, *SIZE, 3), dtype=np.uint8)
        numbers = (rng.normal(size=(3, 3)) * [0.5, 4.0, 4.0] + [0.0, 0.0, 10.0]).astype(np.float32)
        dt = np.exp(rng.uniform(np.log(0.002), np.log(0.6), 3)).astype(np.float32)
        action, state = fast.step_batch(image, numbers, dt, state)
        with torch.inference_mode():
            expected, expected_state = reference.network.step(
                *map(torch.from_numpy, (image, numbers, dt)), expected_state
            )
        assert np.abs(action - expected.numpy()).max() < 1e-5
        arrays = (expected_state,) if isinstance(expected_state, torch.Tensor) else expected_state
        for array, one in zip(spec.state, arrays, strict=True):
            assert np.abs(state[array.name] - one.numpy()).max() < 1e-5
        driven.append(action)
    assert np.std(driven) > 1e-3
