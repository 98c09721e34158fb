"""CT-RNN, LSTM and GRU behind the interface of the liquid cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.policy.cells.cell import join_state, split_state
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.gru import GruCell
from liquid_control.policy.cells.lstm import LstmCell

CELLS = {
    "ct_rnn": lambda: CtRnnCell(5, 7),
    "ct_rnn exponential": lambda: CtRnnCell(5, 7, exponential=True),
    "lstm": lambda: LstmCell(5, 7),
    "gru": lambda: GruCell(5, 7),
    "gru with one bias": lambda: GruCell(5, 7, one_bias=True),
    "blind_lstm": lambda: LstmCell(5, 7, timed=False),
}


@pytest.fixture(params=CELLS)
def cell(request):
    torch.manual_seed(0)
    return CELLS[request.param]().double()


def inputs(cell, batch=4, time=6):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, time, cell.inputs, generator=generator, dtype=torch.float64)
    h = torch.randn(batch, cell.state_size, generator=generator, dtype=torch.float64)
    return (
        x,
        split_state(h, cell.state),
        torch.rand(batch, time, generator=generator, dtype=torch.float64) + 0.1,
    )


def test_only_a_blind_cell_does_not_see_dt():
    for name, make in CELLS.items():
        one = make().double()
        x, h, dt = inputs(one)
        assert torch.equal(one.unroll(x, h, dt)[0], one.unroll(x, h, 2 * dt)[0]) == (
            name == "blind_lstm"
        )


@pytest.mark.parametrize("exponential", [False, True])
def test_ct_rnn_solves_its_equation_to_first_order(exponential):
    torch.manual_seed(0)
    cell, tau = CtRnnCell(5, 7, tau=0.8, exponential=exponential).double(), 0.8
    x, h, dt = (part[:1] for part in inputs(cell, time=1))
    drive, weight = (
        cell.sensory(x[:, 0])[0].detach().numpy(),
        cell.recurrent.weight.detach().numpy(),
    )
    exact = solve_ivp(
        lambda _, v: -v / tau + np.tanh(weight @ v + drive),
        (0, float(dt)),
        h[0].numpy(),
        rtol=1e-10,
        atol=1e-12,
    ).y[:, -1]
    errors = []
    for unfolds in (8, 16, 32, 64):
        cell.unfolds = unfolds
        errors.append(np.abs(cell.step(x[:, 0], h, dt[:, 0])[1][0].detach().numpy() - exact).max())
    slope = np.polyfit(np.log([8, 16, 32, 64]), np.log(errors), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


def test_exponential_steps_stay_bounded_after_any_silence():
    """Where explicit ones do not: |h| <= tau is kept by every convex step."""
    torch.manual_seed(0)
    euler, exponential = CtRnnCell(5, 7).double(), CtRnnCell(5, 7, exponential=True).double()
    exponential.load_state_dict(euler.state_dict())
    x, h, _ = inputs(euler)
    dt = torch.full((4, 6), 100.0, dtype=torch.float64)
    assert (
        exponential.unroll(x, h, dt)[0].abs().max()
        <= 1
        < 1e6
        < euler.unroll(x, h, dt)[0].abs().max()
    )


def test_one_bias_is_one_bias():
    """The published LSTM of 64 units on 32 inputs: four gates with a weight for each input and unit
    and one bias."""
    cell = LstmCell(32, 64, timed=False, one_bias=True)
    assert sum(p.numel() for p in cell.parameters() if p.requires_grad) == 4 * 64 * (32 + 64 + 1)
    optimiser = torch.optim.Adam(cell.parameters(), 0.1)
    cell.unroll(torch.randn(2, 3, 32), cell.initial_state(2), torch.ones(2, 3))[0].sum().backward()
    optimiser.step()
    assert not cell.layer.bias_hh_l0.any() and cell.layer.bias_ih_l0.any()


def test_an_lstm_starts_remembering():
    bias = LstmCell(5, 7, forget_bias=2.5).layer.bias_ih_l0
    assert (bias[7:14] == 2.5).all() and bias.abs().sum() == 2.5 * 7


def test_bad_time_shapes_and_sizes_are_refused(cell):
    x, h, dt = inputs(cell)
    with pytest.raises(TimeError):
        cell.unroll(x, h, dt - 10)
    with pytest.raises(ShapeError, match=r"\(4, 1\)"):
        cell.unroll(x, join_state(h)[:, :1], dt)
    for make in (
        lambda: CtRnnCell(5, 0),
        lambda: CtRnnCell(5, 7, tau=float("nan")),
        lambda: LstmCell(0, 7),
        lambda: GruCell(5, 7.0),
    ):
        with pytest.raises(ConfigError):
            make()
