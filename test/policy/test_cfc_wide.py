"""The CfC's written-out backward pass against the readable cell."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import pytest
import torch

from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.lstm_cfc import MemoryFirstCell
from liquid_control.policy.kernels.choose import fused_unroll
from liquid_control.policy.kernels.cpu import cfc_wide
from liquid_control.policy.kernels.cpu.cfc_wide import KNOWN, RULES, WORTHWHILE, unroll_wide


def make(variant, layers, activation, dtype=torch.float64, backbone=7, dropout=0.0):
    torch.manual_seed(0)
    cell = CfcCell(4, 6, backbone, variant, layers, activation, dropout, kernel="reference").to(
        dtype
    )
    x, h = torch.randn(3, 5, 4, dtype=dtype), torch.randn(3, cell.neurons, dtype=dtype)
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
    for y, last in (unroll_wide(cell, x, h, dt, is_first), cell.unroll(x, h, dt, is_first)):
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
    assert torch.autograd.gradcheck(lambda *tensors: unroll_wide(cell, *tensors, None), (x, h, dt))


def test_float32_is_near_enough():
    cell, x, h, dt = make("mixed_memory", 2, "lecun_tanh", torch.float32)
    for ours, plain in zip(unroll_wide(cell, x, h, dt, None), cell.unroll(x, h, dt), strict=True):
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
        assert (fused_unroll(cell, torch.zeros(3, 5, 4), None) is not None) == chosen
        assert fused_unroll(cell, torch.zeros(3, 5, 4), torch.ones(3, 5, dtype=torch.bool)) is None


@pytest.mark.parametrize(
    "layers, activation, resets",
    list(itertools.product((1, 2), ("silu", "lecun_tanh"), (False, True))),
)
def test_behind_a_memory_too(layers, activation, resets):
    torch.manual_seed(0)
    cell = MemoryFirstCell(4, 6, 7, layers, activation, kernel="fused").double()
    x, h = (
        torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True),
        torch.randn(3, 12, dtype=torch.float64, requires_grad=True),
    )
    dt = (torch.rand(3, 5, dtype=torch.float64) + 0.1).requires_grad_()
    is_first = torch.rand(3, 5) < 0.3 if resets else None
    results = []
    for kernel in ("fused", "reference"):
        cell.liquid.kernel = kernel
        y, last = cell.unroll(x, h, dt, is_first)
        results.append(
            [
                y,
                last,
                *torch.autograd.grad(y.square().sum() + last.sum(), [x, h, dt, *cell.parameters()]),
            ]
        )
    for ours, plain in zip(*results, strict=True):
        assert (ours - plain).abs().max() < 1e-12
    stepped, state = [], h
    for t in range(5):
        y, state = cell.step(x[:, t], state, dt[:, t])
        stepped.append(y)
    assert resets or torch.allclose(torch.stack(stepped, 1), cell.unroll(x, h, dt)[0], atol=1e-12)


@pytest.mark.parametrize(
    "private",
    [SimpleNamespace(), SimpleNamespace(_linear_pointwise=lambda x, weight: x)],
    ids=["gone", "changed"],
)
def test_a_pytorch_without_onednns_product_uses_its_own(private, monkeypatch):
    cell, x, h, dt = make("mixed_memory", 2, "silu", torch.float32)
    wanted, _ = unroll_wide(cell, x, h, dt, None)
    monkeypatch.setattr(torch.ops, "mkldnn", private)
    cfc_wide._has_onednn.cache_clear()
    try:
        assert not cfc_wide._has_onednn()
        assert (unroll_wide(cell, x, h, dt, None)[0] - wanted).abs().max() < 1e-6
    finally:
        cfc_wide._has_onednn.cache_clear()
