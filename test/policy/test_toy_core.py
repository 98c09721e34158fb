"""A core is its cell and one row of `CORES`: this file adds one, and everything else trains,
exports, loads and steps it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from liquid_control.cli import main as cli
from liquid_control.config import number
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.model.cores import CORES, CoreConfig, named, units
from liquid_control.model.model_file import read_model
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.saved import load_network
from liquid_control.signals import Observation


@dataclasses.dataclass(frozen=True)
class LeakyConfig(CoreConfig):
    """Leaky integrators."""

    title: ClassVar[str] = "leaky"
    cell: ClassVar[str] = f"{__name__}:build"
    rate: ClassVar[float] = 0.01
    name: str = named("leaky")
    units: int = units()
    tau: float = number(1.0, 0.01, 100.0, "", "time constant")


def build(config: LeakyConfig, inputs: int, wiring: None) -> LeakyCell:
    return LeakyCell(inputs, config.units, config.tau)


class LeakyCell(Cell):
    """h ← x' + (h - x') exp(-dt / tau), with x' = W x + b."""

    def __init__(self, inputs: int, units: int, tau: float) -> None:
        super().__init__()
        self.inputs, self.outputs, self.tau = inputs, units, tau
        self.state = (StateArray("state", (units,)),)
        self.drive = torch.nn.Linear(inputs, units)

    def forward(self, x, h, dt):
        x = self.drive(x)
        h = x + (h - x) * torch.exp(-dt / self.tau).unsqueeze(1)
        return h, h


@pytest.fixture
def leaky(monkeypatch):
    monkeypatch.setitem(CORES, "leaky", LeakyConfig)


def test_a_new_core_trains_exports_loads_and_steps(leaky, tmp_path):
    sizes = "--long-roads 0 --short-roads 2 --rounds 0 --steps 6 --evaluation-roads 0"
    sizes += " --core-fit.steps 6 --core-fit.passes 1 --fit.batch 4 --preprocess.height 32"
    sizes += " --preprocess.width 64 --policy.encoder slim --device cpu --workers 1"
    core = ["--core", "leaky", "--core.tau", "0.5", "--core.units", "7"]
    arguments = ["train", "simulation", "--out", str(tmp_path), *core, *sizes.split()]
    assert cli.main(arguments) == cli.DONE
    model = tmp_path / "model"
    info, network = read_model(model), load_network(model)
    assert info.policy.core == LeakyConfig(tau=0.5, units=7) == network.config.core
    assert info.state_names == tuple(f"unit_{index}" for index in range(7))
    assert network.recurrent_parameters == 7 * (32 + 1) + 7 + 1
    fast, reference, rng = OnnxRuntime(info), TorchRuntime(network), np.random.default_rng(0)
    state, expected_state, actions = fast.initial_state(), reference.initial_state(), []
    for _ in range(50):
        image = rng.integers(0, 256, (32, 64, 3), np.uint8)
        numbers = rng.normal(size=3).astype(np.float32) + np.float32([0, 0, 10])
        seen = Observation(0, image, numbers, rng.uniform(0.01, 0.3), False)
        action, state = fast.step(seen, state)
        expected, expected_state = reference.step(seen, expected_state)
        assert np.abs(action - expected).max() < 1e-5
        actions.append(np.ravel(action))
    assert np.std(actions) > 1e-5


def test_a_new_core_restarts_and_skips_like_any_other(leaky):
    torch.manual_seed(0)
    cell = LeakyCell(3, 4, 1.0).double()
    x, h, dt = torch.randn(2, 5, 3).double(), torch.randn(2, 4).double(), torch.rand(2, 5).double()
    first, mask = torch.zeros(2, 5, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    first[:, 2], mask[:, 3] = True, False
    y, last = cell.unroll(x, h, dt + 0.1, first, mask)
    tail, end = cell.unroll(x[:, [2, 4]], cell.initial_state(2), dt[:, [2, 4]] + 0.1)
    assert torch.equal(y[:, [2, 4]], tail) and torch.equal(last, end)
    assert torch.equal(y[:, 3], y[:, 2])
