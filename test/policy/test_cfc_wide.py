"""The CfC's written-out backward pass against the readable cell."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch

from liquid_control.policy.cells.cell import join_state, split_state
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.lstm_cfc import LstmCfcCell
from liquid_control.policy.kernels.choose import find_kernel, unroll
from liquid_control.policy.kernels.cpu import cfc_wide
from liquid_control.policy.kernels.cpu.cfc_wide import KNOWN, RULES, WORTHWHILE, unroll_wide


def by(run, cell, x, h, dt, is_first=None):
    """run(cell, ...) with the state as one tensor."""
    y, h = run(cell, x, split_state(h, cell.state), dt, is_first)
    return y, join_state(h)


def make(variant, layers, activation, dtype=torch.float64, backbone=7, dropout=0.0):
    torch.manual_seed(0)
    cell = CfcCell(4, 6, backbone, variant, layers, activation, dropout, kernel="reference").to(
        dtype
    )
    x, h = torch.randn(3, 5, 4, dtype=dtype), torch.randn(3, cell.state_size, dtype=dtype)
    return (
        cell,
        x.requires_grad_(),
        h.requires_grad_(),
        (torch.rand(3, 5, dtype=dtype) + 0.1).requires_grad_(),
    )


@pytest.mark.parametrize(
    "variant, layers, activation, resets",
    list(itertools.product(RULES, (1, 2), KNOWN, (False, True))),
)
def test_outputs_and_all_gradients_are_the_readable_cells(variant, layers, activation, resets):
    cell, x, h, dt = make(variant, layers, activation)
    is_first = torch.rand(3, 5) < 0.3 if resets else None
    results = []
    for run in (unroll_wide, CfcCell.unroll):
        y, last = by(run, cell, x, h, dt, is_first)
        weights = torch.Generator().manual_seed(1)
        loss = sum(
            (part * torch.randn(part.shape, generator=weights, dtype=part.dtype)).sum()
            for part in (y, last)
        )
        results.append([y, last, *torch.autograd.grad(loss, [x, h, dt, *cell.parameters()])])
    for ours, plain in zip(*results, strict=True):
        assert (ours - plain).abs().max() < 1e-12


@pytest.mark.parametrize("variant", RULES)
def test_gradcheck_dt_included(variant):
    cell, x, h, dt = make(variant, 2, "silu")
    assert torch.autograd.gradcheck(lambda *tensors: by(unroll_wide, cell, *tensors), (x, h, dt))


def test_float32_is_near_enough():
    cell, x, h, dt = make("mixed_memory", 2, "lecun_tanh", torch.float32)
    both = by(unroll_wide, cell, x, h, dt), by(CfcCell.unroll, cell, x, h, dt)
    for ours, plain in zip(*both, strict=True):
        assert (ours - plain).abs().max() < 1e-5


def test_going_back_twice_gives_the_same_twice():
    cell, x, h, dt = make("default", 1, "relu")
    loss = unroll_wide(cell, x, h, dt, None)[0].square().sum()
    first = torch.autograd.grad(loss, cell.heads.weight, retain_graph=True)[0].clone()
    assert torch.equal(first, torch.autograd.grad(loss, cell.heads.weight)[0])


def test_dropout_keeps_the_mean_draws_anew_and_is_off_in_evaluation():
    cell, x, h, dt = make("default", 1, "tanh", dropout=0.3, backbone=2000)
    with torch.no_grad():
        draws = torch.stack([unroll_wide(cell, x, h, dt, None)[0][:, 0] for _ in range(200)])
        still = unroll_wide(cell.eval(), x, h, dt, None)[0]
        assert torch.allclose(still, cell.unroll(x, h, dt)[0], atol=1e-12)
    assert not torch.equal(draws[0], draws[1])
    assert (draws.mean(0) - still[:, 0]).abs().mean() < 0.02


def test_it_is_chosen_for_wide_cells_only():
    for backbone, variant, chosen in (
        (WORTHWHILE, "default", True),
        (2, "default", False),
        (WORTHWHILE, "pure", False),
    ):
        cell = CfcCell(4, 6, backbone, variant)
        assert (find_kernel(cell, torch.zeros(3, 5, 4), None) is not None) == chosen
        assert find_kernel(cell, torch.zeros(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)) is None


@pytest.mark.parametrize(
    "layers, activation, resets",
    list(itertools.product((1, 2), ("silu", "lecun_tanh"), (False, True))),
)
def test_behind_an_lstm_too(layers, activation, resets):
    torch.manual_seed(0)
    cell = LstmCfcCell(4, 6, 7, layers, activation, kernel="fused").double()
    x, h = (
        torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True),
        torch.randn(3, 12, dtype=torch.float64, requires_grad=True),
    )
    dt = (torch.rand(3, 5, dtype=torch.float64) + 0.1).requires_grad_()
    is_first = torch.rand(3, 5) < 0.3 if resets else None
    results = []
    for kernel in ("fused", "reference"):
        cell.kernel = kernel
        y, last = by(unroll, cell, x, h, dt, is_first)
        results.append(
            [
                y,
                last,
                *torch.autograd.grad(y.square().sum() + last.sum(), [x, h, dt, *cell.parameters()]),
            ]
        )
    for ours, plain in zip(*results, strict=True):
        assert (ours - plain).abs().max() < 1e-12
    stepped, state = [], split_state(h, cell.state)
    for t in range(5):
        y, state = cell.step(x[:, t], state, dt[:, t])
        stepped.append(y)
    unrolled, _ = by(unroll, cell, x, h, dt)
    assert resets or torch.allclose(torch.stack(stepped, 1), unrolled, atol=1e-12)


@pytest.mark.parametrize(
    "private",
    [SimpleNamespace(), SimpleNamespace(_linear_pointwise=lambda x, weight: x)],
    ids=["gone", "changed"],
)
def test_a_pytorch_without_onednns_product_uses_its_own(private, monkeypatch):
    cell, x, h, dt = make("mixed_memory", 2, "silu", torch.float32)
    wanted, _ = by(unroll_wide, cell, x, h, dt)
    monkeypatch.setattr(torch.ops, "mkldnn", private)
    cfc_wide._has_onednn.cache_clear()
    try:
        assert not cfc_wide._has_onednn()
        assert (by(unroll_wide, cell, x, h, dt)[0] - wanted).abs().max() < 1e-6
    finally:
        cfc_wide._has_onednn.cache_clear()
