from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cell import split_state
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import VARIANTS
from liquid_control.policy.cells.connections import without_connections
from liquid_control.policy.cells.wired_cfc import WiredCfcCell

WIRING = NcpWiring.build()
FREE = FreeWiring.sparse(6, 9, 2, sparsity=0.7)
pytestmark = pytest.mark.usefixtures("double")


def jacobians(cell):
    """Which of the new states depend on which input (U, F) and on which old state (U, U)."""
    x, h, dt = torch.randn(3, cell.inputs), torch.randn(3, cell.state_size), torch.rand(3) + 0.1
    parts = torch.autograd.functional.jacobian(lambda x, h: cell.step(x, h, dt)[1].sum(0), (x, h))
    return [part.abs().sum(1) > 0 for part in parts]


def adjacency(synapses, shape):
    joined = torch.zeros(shape, dtype=torch.bool)
    for source, target, _ in synapses:
        joined[target, source] = True
    return joined


def test_information_flows_only_along_the_wiring():
    inputs, states = jacobians(WiredCfcCell(WIRING))
    inter, command = list(WIRING.inter_neurons), list(WIRING.command_neurons)
    assert torch.equal(inputs[inter], adjacency(WIRING.sensory, (19, 32))[inter])
    assert (
        states[inter][:, inter].all() and not states[inter][:, :7].any()
    )  # all of the same layer, nothing of later ones
    through_inter = (
        adjacency(WIRING.synapses, (19, 19))[command][:, inter].double()
        @ states[inter][:, inter].double()
    )
    assert (
        torch.equal(states[command][:, inter], through_inter > 0)
        and not states[command][:, :1].any()
    )


def test_a_free_wiring_is_honoured_to_the_synapse():
    inputs, states = jacobians(WiredCfcCell(FREE))
    assert torch.equal(inputs, adjacency(FREE.sensory, (9, 6))) and torch.equal(
        states, adjacency(FREE.synapses, (9, 9))
    )


def test_dense_time_listens_to_everything_for_timing_only():
    inputs, _ = jacobians(WiredCfcCell(WIRING, dense_time=True))
    assert inputs[list(WIRING.inter_neurons)].all()
    dense, wired = WiredCfcCell(WIRING, dense_time=True), WiredCfcCell(WIRING)
    dense.load_state_dict(without_connections(wired.state_dict()))
    x, h, dt = torch.randn(4, 32), torch.randn(4, 19), torch.rand(4) + 0.1
    assert (dense.step(x, h, dt)[1] - wired.step(x, h, dt)[1]).abs().max() > 1e-3
    with torch.no_grad():  # without the absent time weights they are the same cell
        for layer, masked in zip(
            (dense.inter, dense.command, dense.motor),
            (wired.inter, wired.command, wired.motor),
            strict=True,
        ):
            layer.weight.mul_(masked.mask.view_as(layer.weight))
    assert (dense.step(x, h, dt)[1] - wired.step(x, h, dt)[1]).abs().max() < 1e-14


def test_polarity_and_recurrent_command_synapses_have_no_part_in_a_wired_cfc():
    kept = tuple(
        (s, t, -p)
        for s, t, p in WIRING.synapses
        if not (s in WIRING.command_neurons and t in WIRING.command_neurons)
    )
    other = dataclasses.replace(
        WIRING, synapses=kept, sensory=tuple((s, t, -p) for s, t, p in WIRING.sensory)
    )
    cell, twin = WiredCfcCell(WIRING), WiredCfcCell(other)
    twin.load_state_dict(cell.state_dict())
    x, h, dt = torch.randn(4, 32), torch.randn(4, 19), torch.rand(4) + 0.1
    assert torch.equal(cell.step(x, h, dt)[1], twin.step(x, h, dt)[1])


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(VARIANTS)), st.booleans(), st.floats(-6, 6), st.integers(0, 10**6))
def test_the_state_stays_within_its_bounds(variant, wired, power, seed):
    """tanh rules: 1, without gate 2. The pure rule ends at A; on the way |ff1| exp(-dt |ff1|) is at
    most 1 / (e dt)."""
    torch.manual_seed(seed)
    cell = WiredCfcCell(FREE, variant) if wired else CfcCell(6, 9, backbone=8, variant=variant)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter))
        dt = 10 ** (torch.rand(3, 5) * 6 - 3)
        x, h = torch.randn(3, 5, 6) * 10**power, torch.randn(3, cell.state_size)
        y, h = cell.unroll(x, split_state(h, cell.state), dt)
    h = h[0] if isinstance(h, tuple) else h
    layer = cell.circuit if wired else cell
    if cell.rule == "pure":
        bound = layer.asymptote.abs() * (1 + 1 / (math.e * dt[:, -1:]))
        assert (h.abs() <= bound + 1e-12).all()
    else:
        assert max(y.abs().max(), h.abs().max()) <= {"default": 1, "no_gate": 2}[cell.rule]


def test_a_pure_cell_ends_at_its_asymptote():
    cell = CfcCell(6, 9, backbone=8, variant="pure")
    with torch.no_grad():
        cell.asymptote.normal_()
        cell.rate.fill_(0.1)
        _, h = cell.step(torch.randn(3, 6), torch.randn(3, 9), torch.full((3,), 1e4))
    assert (h - cell.asymptote).abs().max() < 1e-12


def test_a_mixed_memory_holds_its_cell_state_through_time():
    """The cell state of the LSTM depends on the inputs only: dt changes h and the output, not c."""
    for cell in (
        CfcCell(6, 9, backbone=8, variant="mixed_memory"),
        WiredCfcCell(FREE, "mixed_pure"),
    ):
        x, h = torch.randn(3, 6), (torch.randn(3, 9), torch.randn(3, 9))
        (y, short), (_, long) = (cell.step(x, h, torch.full((3,), dt)) for dt in (0.1, 5.0))
        assert torch.equal(short[1], long[1])
        assert (short[0] - long[0]).abs().min() > 0
        assert torch.equal(y, short[0][:, : cell.outputs])
        assert [part.shape for part in cell.initial_state(4)] == [(4, 9), (4, 9)]
        assert [array.name for array in cell.state] == ["hidden", "cell"] and cell.state_size == 18


def test_dropout_is_for_training_only():
    cell, x, h, dt = (
        CfcCell(6, 9, backbone=32, layers=2, dropout=0.5),
        torch.randn(4, 3, 6),
        torch.randn(4, 9),
        torch.rand(4, 3) + 0.1,
    )
    assert not torch.equal(cell.unroll(x, h, dt)[0], cell.unroll(x, h, dt)[0])
    cell.eval()
    assert torch.equal(cell.unroll(x, h, dt)[0], cell.unroll(x, h, dt)[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("inputs", 0),
        ("units", 0),
        ("inputs", 3.5),
        ("backbone", -1),
        ("layers", 0),
        ("dropout", 1.0),
        ("dropout", float("nan")),
        ("variant", "gated"),
        ("variant", None),
        ("activation", "softmax"),
        ("kernel", "cuda"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=f"CfcCell.{name}"):
        CfcCell(**{"inputs": 3, "units": 3, name: value})
    if name in ("variant", "kernel"):
        with pytest.raises(ConfigError, match=f"WiredCfcCell.{name}"):
            WiredCfcCell(WIRING, **{name: value})
