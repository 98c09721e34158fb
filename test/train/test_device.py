"""The device that a network is trained on. Without a GPU, PyTorch's meta device shows that a
training step keeps to the network's own device: it computes nothing, and refuses what lies
elsewhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.data.sequences import Batch
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import PRESETS
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network
from liquid_control.train.device import choose_device, device_of
from liquid_control.train.fit import (
    FitSettings,
    action_loss,
    auxiliary_loss,
    make_optimiser,
    optimise,
)
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_simulation import train
from liquid_control.train.simulation_settings import SimulationSettings

SIZE = PreprocessConfig(height=32, width=64)


def one_batch() -> Batch:
    """Two sequences of three frames."""
    rng = np.random.default_rng(0)
    numbers = {"measurements": (2, 3, 3), "action": (2, 3, 1), "auxiliary": (2, 3, 4)}
    drawn = {name: rng.normal(size=shape).astype(np.float32) for name, shape in numbers.items()}
    return Batch(
        rng.integers(0, 255, (2, 3, 32, 64, 3)).astype(np.uint8),
        dt=np.full((2, 3), 0.04, np.float32),
        **drawn,
    )


@pytest.fixture
def without_values(monkeypatch):
    """Losses on the meta device have no value."""
    monkeypatch.setattr(torch.Tensor, "__float__", lambda tensor: 0.0)


@pytest.mark.parametrize("name", PRESETS)
def test_a_training_step_keeps_to_the_networks_device(name, without_values):
    network = PolicyNetwork(
        PolicyConfig(encoder="slim", core=PRESETS[name]), lane_keeping(SIZE)
    ).to("meta")
    for module in network.modules():
        if hasattr(module, "kernel"):
            module.kernel = "reference"
    settings = FitSettings(batch=2)
    optimiser = make_optimiser(network, settings)
    for _ in range(2):
        optimise(network, optimiser, one_batch(), settings, 1.0)
    assert device_of(network).type == "meta"


def test_the_meta_device_refuses_what_lies_elsewhere():
    batch = one_batch()
    with pytest.raises(RuntimeError, match="device"):
        auxiliary_loss(torch.zeros(2, 3, 4, device="meta"), torch.from_numpy(batch.auxiliary))
    action = torch.zeros(2, 3, 1, device="meta")
    assert action_loss(action, batch, lane_keeping(), 0.5).device.type == "meta"


@pytest.mark.parametrize(
    "seen, wanted, got",
    [
        (True, "auto", "cuda"),
        (True, "cpu", "cpu"),
        (True, "cuda", "cuda"),
        (False, "auto", "cpu"),
        (False, "cpu", "cpu"),
    ],
)
def test_auto_is_the_gpu_where_there_is_one(monkeypatch, seen, wanted, got):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: seen)
    assert choose_device(wanted).type == got


def test_a_gpu_that_is_not_there_is_refused_before_any_work(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="device: got 'cuda', expected a GPU"):
        train(SimulationSettings(tmp_path / "run", device="cuda"))
    assert not (tmp_path / "run").exists()


def test_an_unknown_target_carries_no_loss():
    answers, target = torch.ones(2, 3, 4, requires_grad=True), torch.zeros(2, 3, 4)
    target[0] = torch.nan
    assert auxiliary_loss(answers, target).item() == 1.0
    target[:] = torch.nan
    loss = auxiliary_loss(answers, target)
    loss.backward()
    assert loss.item() == 0.0 and not answers.grad.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_on_a_gpu_goes_on_without_one(tmp_path):
    """The first round on the GPU, the same run again on the CPU, where it is finished already; the
    weights are finite."""
    settings = SimulationSettings(
        tmp_path / "run",
        seed=1,
        long_roads=0,
        short_roads=4,
        steps=10,
        rounds=1,
        round_roads=2,
        round_steps=5,
        evaluation_roads=0,
        fit=FitSettings(batch=8),
        core_fit=CoreFitSettings(10, 16, 1),
        preprocess=SIZE,
        policy=PolicyConfig(encoder="slim"),
        device="cuda",
    )
    train(settings)
    info = read_model(settings.out / "model")
    assert info.provenance["device"] == torch.cuda.get_device_name()
    train(dataclasses.replace(settings, device="cpu"))
    assert all(
        weight.isfinite().all()
        for weight in load_network(settings.out / "model").state_dict().values()
    )
