"""A policy with a speed beside its curvature: every runtime gives the same, within bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.export import export_onnx
from liquid_control.deploy.native.step import LtcStep, WiredCfcStep
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtimes import RUNTIMES, load_runtime
from liquid_control.model.car import SPEED, chooses_speed, lane_keeping
from liquid_control.model.cores import CORES
from liquid_control.model.packed import pack_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import save_model
from liquid_control.signals import Observation

SIZE = PreprocessConfig(16, 32)
NATIVE = {"ltc": LtcStep, "cfc": WiredCfcStep}


def made(core: str, speed: bool = True) -> PolicyNetwork:
    torch.manual_seed(3)
    config = PolicyConfig(encoder="slim", core=CORES[core]())
    return PolicyNetwork(config, lane_keeping(SIZE, speed=speed)).eval()


def observations(count: int):
    rng = np.random.default_rng(5)
    for index in range(count):
        image = rng.integers(0, 256, (16, 32, 3), dtype=np.uint8)
        numbers = (rng.normal(size=3) * [0.5, 4.0, 4.0] + [0.0, 0.0, 10.0]).astype(np.float32)
        yield Observation(0, image, numbers, float(rng.uniform(0.01, 0.3)), index == 0)


def test_every_runtime_gives_both_outputs_alike(tmp_path):
    network = made("ltc")
    save_model(tmp_path, network, {}, {}, export=export_onnx)
    runtimes = [load_runtime(tmp_path, name) for name in sorted(RUNTIMES)]
    runtimes.append(load_packed(pack_model(tmp_path)))
    assert all(one.spec == network.spec and chooses_speed(one.spec) for one in runtimes)
    assert runtimes[0].info.artefact("onnx").parity < 1e-4
    states, answers = [one.initial_state() for one in runtimes], []
    for seen in observations(40):
        both = [one.step(seen, state) for one, state in zip(runtimes, states, strict=True)]
        answers.append([action for action, _ in both])
        states = [state for _, state in both]
    given = np.array(answers)  # (frames, runtimes, 2)
    unit = [0.04, SPEED.scale]
    assert np.abs((given - given[:, :1]) / unit).max() < 1e-5
    assert given[..., 1].min() > SPEED.low and given[..., 1].max() < SPEED.high
    assert (given.std(axis=0) / unit).min() > 1e-4, "both outputs follow the input"


@pytest.mark.parametrize("core", ["ltc", "cfc"])
def test_a_native_step_has_both_motor_neurons(core):
    cell = made(core).cell
    step = NATIVE[core].from_cell(cell)
    rng, h = np.random.default_rng(1), np.zeros(step.neurons, np.float32)
    x = rng.normal(size=step.inputs).astype(np.float32)
    with torch.inference_mode():
        wanted, _ = cell.step(torch.from_numpy(x)[None], torch.from_numpy(h)[None], torch.ones(1))
    found, _ = step.step(x, h, 1.0)
    assert found.shape == (2,) and np.abs(found - wanted[0].numpy()).max() < 1e-5


def test_a_bounded_output_is_linear_in_the_middle_and_never_leaves_its_bounds():
    network = made("ltc")
    middle = (SPEED.low + SPEED.high) / 2
    motor = torch.tensor([[0.0, 0.0], [0.1, 0.01], [0.1, 50.0], [0.1, -50.0]])
    curvature, speed = network._act(motor, None).T.tolist()
    unit = network.config.output_gain
    assert speed[0] == middle
    assert speed[1] - middle == pytest.approx(0.01 * SPEED.scale * unit, rel=1e-2)
    assert speed[2] == SPEED.high and speed[3] == pytest.approx(SPEED.low, abs=1e-4)
    assert curvature[1] == pytest.approx(0.1 * 0.04 * unit) and curvature[1] == curvature[2]


def test_without_a_speed_the_answer_is_the_scaled_motor_neuron_to_the_last_bit():
    network, motor = made("ltc", speed=False), torch.randn(64, 1)
    assert not chooses_speed(network.spec)
    expected = (motor * network.output_scale + network.output_shift) * network.action_unit
    assert torch.equal(network._act(motor, None), expected)
