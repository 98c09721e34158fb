"""One step at batch 1 with numpy alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from circuits import FREE, NCP, ODD, TINY, shifted

from liquid_control.deploy.native.step import LtcStep, WiredCfcStep
from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell

ROOT = Path(__file__).resolve().parents[2]
CELLS = {
    "ltc": lambda wiring: LtcCell(wiring, unfolds=3),
    "affine": lambda wiring: LtcCell(wiring, unfolds=2, affine=True),
    "wired": WiredCfcCell,
    "dense_time": lambda wiring: WiredCfcCell(wiring, dense_time=True),
    "no_gate": lambda wiring: WiredCfcCell(wiring, "no_gate"),
}


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def make(kind, wiring):
    cell = shifted(CELLS[kind](wiring))
    return cell, (LtcStep if isinstance(cell, LtcCell) else WiredCfcStep).from_cell(cell)


@pytest.mark.parametrize("wiring", [NCP, ODD, TINY, FREE], ids=["ncp", "odd", "tiny", "free"])
@pytest.mark.parametrize("kind", CELLS)
def test_equal_to_the_cell_over_irregular_time(kind, wiring):
    cell, robot = make(kind, wiring)
    h, state = robot.initial_state(), cell.initial_state(1)
    x, dt = torch.randn(1, 200, wiring.inputs) * 2, torch.rand(1, 200) * 3 + 0.01
    with torch.no_grad():
        for t in range(200):
            before = h.copy()
            y, after = robot.step(x[0, t].numpy(), h, dt[0, t].item())
            assert np.array_equal(h, before)
            wanted, state = cell.step(x[:, t], state, dt[:, t])
            assert (
                np.abs(y - wanted[0].numpy()).max() < 1e-5
                and np.abs(after - state[0].numpy()).max() < 1e-5
            )
            h = after


@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_bad_input_is_refused(kind):
    _, robot = make(kind, NCP)
    x, h = np.zeros(32, np.float32), np.zeros(19, np.float32)
    for bad in (0.0, -0.1, float("nan"), float("inf")):
        with pytest.raises(TimeError):
            robot.step(x, h, bad)
    for arguments in ((x[1:], h), (x, h[1:]), (x[None], h)):
        with pytest.raises(ShapeError):
            robot.step(*arguments, 0.1)


@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_any_kind_of_number_is_taken(kind):
    _, robot = make(kind, NCP)
    x, h = np.linspace(-1, 1, 32, dtype=np.float32), np.linspace(-0.5, 0.5, 19, dtype=np.float32)
    y, wanted = robot.step(x, h, 1.0)
    for arguments in (
        (x.astype(np.float64), h, 1),
        (x.tolist(), h.tolist(), np.float32(1)),
        (x, np.repeat(h, 2)[::2], np.float64(1)),
    ):
        assert np.array_equal(robot.step(*arguments)[1], wanted)
    assert y.shape == (1,) and y.dtype == wanted.dtype == np.float32


@pytest.mark.parametrize("kind", ["ltc", "wired"])
def test_weights_of_another_cell_are_refused(kind):
    cell, robot = make(kind, NCP)
    weights = {name: value.numpy() for name, value in cell.state_dict().items()}
    for wrong, problem in (
        ({}, "missing"),
        (weights | {"memory.gates.bias": np.zeros(76)}, "unknown memory.gates.bias"),
    ):
        with pytest.raises(ConfigError, match=problem):
            type(robot)(NCP, wrong)
    with pytest.raises(ShapeError):
        type(robot)(ODD, weights)
    with pytest.raises(ConfigError, match="unfolds"):
        LtcStep(NCP, weights, unfolds=0)
    with pytest.raises(ConfigError, match="variant"):
        WiredCfcStep(NCP, weights, "pure")


def test_pytorch_is_not_needed():
    program = "import sys, liquid_control.deploy.native.step; print('torch' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert ran.stdout.strip() == "False", ran.stderr
