from __future__ import annotations

import pytest
import torch
from ncps.torch import CfCCell as PeerCell
from ncps.torch import WiredCfCCell as PeerWired
from ncps.wirings import NCP

from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.policy.cfc import CfcCell, WiredCfcCell
from liquid_control.policy.wiring import NcpWiring

WIRING = NcpWiring.build()
HEADS = ("ff1", "ff2", "time_a", "time_b")


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def cells():
    return CfcCell(32, 19, backbone=16), CfcCell(32, 19, backbone=0), WiredCfcCell(WIRING)


def inputs(batch, time):
    return torch.randn(batch, time, 32), torch.randn(batch, 19) / 2, torch.rand(batch, time) + 0.05, torch.rand(batch, time) < 0.25


@pytest.mark.parametrize("backbone", [0, 24])
def test_plain_cell_equals_ncps_with_the_same_weights(backbone):
    cell, peer = CfcCell(32, 19, backbone), PeerCell(32, 19, backbone_units=backbone, backbone_layers=min(backbone, 1))
    with torch.no_grad():
        cell.heads.weight.copy_(torch.cat([getattr(peer, name).weight for name in HEADS]))
        cell.heads.bias.copy_(torch.cat([getattr(peer, name).bias for name in HEADS]))
        if backbone:
            cell.backbone.load_state_dict(peer.backbone[0].state_dict())
    x, h, _, _ = inputs(4, 10)
    theirs = ours = h
    for t in range(10):
        _, theirs = peer(x[:, t], theirs, 0.3)
        _, ours = cell.step(x[:, t], ours, torch.full((4,), 0.3))
        assert (ours - theirs).abs().max() < 1e-12


def test_wired_cell_equals_ncps_with_the_same_weights():
    """ncps leaves the two time heads unmasked, so its absent time weights are set to zero; its state is inter, command, motor."""
    wiring = NCP(12, 6, 1, 6, 4, 6, 6)
    peer = PeerWired(32, wiring).double()
    parts = []
    for mask in (wiring.sensory_adjacency_matrix, wiring.adjacency_matrix):
        parts.append(tuple((int(s), int(t), int(mask[s, t])) for s, t in zip(*mask.nonzero(), strict=True)))
    cell = WiredCfcCell(NcpWiring(32, 12, 6, 1, *parts))
    with torch.no_grad():
        for theirs, ours in zip(peer._layers, (cell.inter, cell.command, cell.motor), strict=True):
            for name in ("time_a", "time_b"):
                getattr(theirs, name).weight.mul_(theirs.sparsity_mask)
            ours.weight.copy_(torch.stack([getattr(theirs, name).weight for name in HEADS]))
            ours.bias.copy_(torch.cat([getattr(theirs, name).bias for name in HEADS]))
    x, h, _, _ = inputs(4, 10)
    theirs, ours = torch.cat([h[:, 7:], h[:, 1:7], h[:, :1]], 1), h
    for t in range(10):
        wanted, theirs = peer(x[:, t], theirs, torch.tensor(0.3))
        y, ours = cell.step(x[:, t], ours, torch.full((4,), 0.3))
        assert (y - wanted).abs().max() < 1e-12
        assert (torch.cat([ours[:, 7:], ours[:, 1:7], ours[:, :1]], 1) - theirs).abs().max() < 1e-12


def test_information_flows_only_along_the_wiring():
    cell, (x, h, dt, _) = WiredCfcCell(WIRING), inputs(3, 1)
    jacobian = torch.autograd.functional.jacobian(lambda x: cell.step(x, h, dt[:, 0])[1].sum(0), x[:, 0]).abs().sum(1)  # (U, F)
    joined = torch.zeros(19, 32, dtype=torch.bool)
    for source, target, _ in WIRING.sensory:
        joined[target, source] = True
    assert ((jacobian[7:] > 0) == joined[7:]).all()


@pytest.mark.parametrize("index", range(3))
def test_unroll_equals_steps_with_resets(index):
    cell, (x, h, dt, is_first) = cells()[index], inputs(4, 6)
    y, last = cell.unroll(x, h, dt, is_first)
    for t in range(6):
        h = torch.where(is_first[:, t, None], torch.zeros_like(h), h)
        wanted, h = cell.step(x[:, t], h, dt[:, t])
        assert torch.allclose(y[:, t], wanted, atol=1e-13)
    assert torch.allclose(last, h, atol=1e-13)
    assert y.shape == (4, 6, cell.outputs)


@pytest.mark.parametrize("index", range(3))
def test_dt_belongs_to_the_sample_and_matters(index):
    cell, (x, h, dt, _) = cells()[index], inputs(19, 1)
    _, together = cell.step(x[:, 0], h, dt[:, 0])
    alone = torch.cat([cell.step(x[i : i + 1, 0], h[i : i + 1], dt[i : i + 1, 0])[1] for i in range(19)])
    assert (together - alone).abs().max() < 1e-12
    assert (cell.step(x[:, 0], h, 5 * dt[:, 0])[1] - together).abs().amax(1).min() > 1e-3


@pytest.mark.parametrize("index", range(3))
def test_state_stays_within_one(index):
    cell, (x, h, dt, _) = cells()[index], inputs(2, 30)
    _, last = cell.unroll(1e6 * x, h, dt)
    assert last.abs().max() <= 1


@pytest.mark.parametrize("index", range(3))
def test_bad_time_and_shapes_are_refused(index):
    cell, (x, h, dt, is_first) = cells()[index], inputs(3, 4)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        broken = dt.clone()
        broken[2, 1] = bad
        with pytest.raises(TimeError):
            cell.unroll(x, h, broken)
        with pytest.raises(TimeError):
            cell.step(x[:, 1], h, broken[:, 1])
    for arguments in ((x[..., 1:], h, dt), (x, h[:, 1:], dt), (x, h, dt[:2]), (x, h, dt, is_first[:2])):
        with pytest.raises(ShapeError):
            cell.unroll(*arguments)


@pytest.mark.parametrize("sizes", [(0, 3, 1), (3, 0, 1), (3, 3, -1), (3.5, 3, 1)])
def test_impossible_sizes_are_refused(sizes):
    with pytest.raises(ConfigError):
        CfcCell(*sizes)
