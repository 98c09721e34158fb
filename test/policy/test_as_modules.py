"""The cells as a user of PyTorch has them: derivatives of any order, torch.func, torch.compile,
export, autocast, hooks, types. doc/cells.md lists what is supported, a test here for each line."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import pytest
import torch
from torch.func import functional_call, grad, jvp, stack_module_state, vmap
from torch.nn.utils import parametrizations, prune

from liquid_control.errors import ConfigError, TimeError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells import synapses
from liquid_control.policy.cells.cell import join_state
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels import choose
from liquid_control.policy.kernels.cpu import ltc_packing

PAGE = (Path(__file__).resolve().parents[2] / "doc" / "cells.md").read_text(encoding="utf-8")
WIRINGS = [NcpWiring.build(5, 6, 4, 2, 3, 2, 5, 3, seed=seed) for seed in (1, 2)]
COMPILED = ("ltc", "wired", "cfc", "cfc backbone", "cfc mixed", "gru", "feedforward stack")


class Sequence(torch.nn.Module):
    """A cell's outputs and last state over a sequence, from rest."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, x, dt):
        y, h = choose.unroll(self.cell, x, self.cell.initial_state(len(x)), dt)
        return y, join_state(h)


class Steps(Sequence):
    """The same by its definition."""

    def forward(self, x, dt):
        h, outputs = self.cell.initial_state(len(x)), []
        for t in range(x.shape[1]):
            y, h = self.cell.step(x[:, t], h, dt[:, t])
            outputs.append(y)
        return torch.stack(outputs, dim=1), join_state(h)


def data(batch=3, time=4, dtype=torch.float64):
    torch.manual_seed(1)
    return torch.randn(batch, time, 5, dtype=dtype), torch.rand(batch, time, dtype=dtype) + 0.3


def near(got, wanted, within=1e-12):
    for ours, exact in zip(got, wanted, strict=True):
        scale = max(1.0, exact.detach().abs().max().item())
        assert (ours - exact).detach().abs().max() <= within * scale


@pytest.mark.parametrize("kind", COMPILED)
def test_second_derivatives_are_those_of_the_steps(kind, cells):
    """Of the inputs, by themselves and chunk after chunk, and of the weights; a loss may be linear
    in the outputs."""
    x, dt = data()
    cell = cells[kind]().double()
    for kernel in ("auto", "reference"):
        cell.kernel = kernel
        for power in (1, 2):
            for leaves in ([x.clone().requires_grad_()], list(cell.parameters())):
                leaves = [leaf for leaf in leaves if leaf.requires_grad]
                found = []
                for run in (Sequence(cell), Steps(cell)):
                    inputs = leaves[0] if leaves[0].shape == x.shape else x
                    y, h = run(inputs, dt)
                    loss = (y**power).sum() + h.square().sum()
                    first = torch.autograd.grad(loss, leaves, create_graph=True)
                    penalty = sum(g.square().sum() for g in first)
                    found.append(torch.autograd.grad(penalty, leaves, materialize_grads=True))
                near(*found, within=1e-9)


def test_second_derivatives_across_chunks_with_restarts_and_masks():
    x, dt = data(time=6)
    x.requires_grad_()
    torch.manual_seed(2)
    first, mask = torch.rand(3, 6) < 0.2, torch.rand(3, 6) < 0.8
    cell = LtcCell(WIRINGS[0], unfolds=2).double()
    found = []
    for run in (choose.unroll, lambda cell, *a: super(LtcCell, cell).forward_sequence(*a)):
        h, outputs = cell.initial_state(3), []
        for part in (slice(0, 2), slice(2, 6)):
            y, h = run(cell, x[:, part], h, dt[:, part], first[:, part], mask[:, part])
            outputs.append(y)
        gradient = torch.autograd.grad(torch.cat(outputs, 1).square().sum(), x, create_graph=True)
        found.append(torch.autograd.grad(gradient[0].square().sum(), [x, *cell.parameters()]))
    near(*found, within=1e-10)


def test_second_derivatives_of_a_kernel_that_drew_dropout_are_refused():
    cell = CfcCell(5, 12, backbone=8, dropout=0.5, kernel="fused")
    x, dt = data(dtype=torch.float32)
    x.requires_grad_()
    y, _ = Sequence(cell)(x, dt)
    with pytest.raises(ConfigError, match="reference"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


@pytest.mark.parametrize("kind", ["ltc", "wired", "cfc", "cfc wide"])
def test_outputs_of_kernels_may_be_changed_in_place_in_training(kind, cells):
    cell, (x, dt) = cells[kind](), data(batch=9, dtype=torch.float32)
    assert choose.find_kernel(cell, x, None) is not None
    y, h = choose.unroll(cell, x, cell.initial_state(9), dt)
    y[:, 0], h[1] = 0.0, 0.0
    (y.sum() + h.sum()).backward()
    assert all(p.grad.any() for p in cell.parameters())


def test_no_output_shares_memory_with_the_state(cell):
    x, dt = data()
    for grad_mode in (torch.no_grad, torch.inference_mode):
        with grad_mode():
            for run in (
                lambda: cell.step(x[:, 0], cell.initial_state(3), dt[:, 0]),
                lambda: choose.unroll(cell, x, cell.initial_state(3), dt),
                lambda: cell.unroll(x, cell.initial_state(3), dt),
            ):
                y, h = run()
                wanted = y.clone()
                for part in (h,) if isinstance(h, torch.Tensor) else h:
                    part[:] = 7.0
                assert torch.equal(y, wanted)


def test_transforms_of_torch_func(cell):
    x, dt = data()
    for run in (Sequence(cell), Steps(cell)):
        weights = dict(run.named_parameters())

        def loss(weights, x, dt, run=run):
            y, h = functional_call(run, weights, (x.unsqueeze(0), dt.unsqueeze(0)))
            return y.square().sum() + h.square().sum()

        y, h = run(x, dt)
        leaves = [p for p in weights.values() if p.requires_grad]
        wanted = torch.autograd.grad(y.square().sum() + h.square().sum(), leaves)
        each = vmap(grad(loss), in_dims=(None, 0, 0))(weights, x, dt)
        near([g.sum(0) for n, g in each.items() if weights[n].requires_grad], wanted, 1e-10)
        tangent = torch.randn_like(x)
        _, moved = jvp(lambda x, run=run: run(x, dt)[0], (x,), (tangent,))
        small = 1e-6
        near(
            [moved],
            [(run(x + small * tangent, dt)[0] - run(x - small * tangent, dt)[0]) / 2e-6],
            1e-6,
        )


def test_an_ensemble_by_vmap(cells):
    members = [Sequence(cells["ltc"]().double()) for _ in range(3)]
    weights, buffers = stack_module_state(members)
    x, dt = data()

    def run(weights, buffers):
        return functional_call(members[0], (weights, buffers), (x, dt))[0]

    near(vmap(run)(weights, buffers), [member(x, dt)[0] for member in members])


@pytest.mark.parametrize("kind", COMPILED)
def test_export_and_tracing(kind, cells):
    x, dt = data(dtype=torch.float32)
    for module in (Sequence(cells[kind]()).eval(), Steps(cells[kind]()).eval()):
        wanted = module(x * 2, dt)
        near(torch.export.export(module, (x, dt)).module()(x * 2, dt), wanted, 1e-6)
        near(torch.jit.trace(module, (x, dt))(x * 2, dt), wanted, 1e-6)


@pytest.mark.parametrize("kind", ["ltc", "wired", "cfc", "gru"])
def test_compile_breaks_its_graph_at_a_kernel(kind, cells):
    x, dt = data(dtype=torch.float32)
    module = Sequence(cells[kind]())
    torch._dynamo.reset()
    compiled = torch.compile(module, backend="aot_eager")
    results = []
    for run in (compiled, module):
        leaf = x.clone().requires_grad_()
        y, h = run(leaf, dt)
        results.append((y, h, *torch.autograd.grad(y.sum() + h.sum(), leaf)))
    near(*results, within=1e-6)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_autocast_leaves_a_cell_in_its_type(cell, kind):
    cell = cell.float()
    x, dt = data(dtype=torch.float32)
    rounded = x.to(kind)
    wanted = [run(rounded.float(), dt) for run in (Sequence(cell), Steps(cell))]
    with torch.autocast("cpu", kind):
        got = [run(rounded, dt) for run in (Sequence(cell), Steps(cell))]
        y, _ = cell(rounded[:, 0], cell.initial_state(3), dt[:, 0])
    for ours, exact in zip(got, wanted, strict=True):
        near(ours, exact, 1e-6)
    assert (y - wanted[0][0][:, 0]).abs().max() < 0.05


def prunable(cell):
    return [
        (part, name)
        for part, module in cell.named_modules()
        for name, weight in module.named_parameters(recurse=False)
        if weight.requires_grad
    ]


def test_pruned_and_normalised_weights_act_in_training(cell):
    x, dt = data()
    for part, name in prunable(cell):
        for change in (
            lambda module, name: prune.random_unstructured(module, name, amount=0.5),
            torch.nn.utils.weight_norm,
            parametrizations.weight_norm,
        ):
            changed = copy.deepcopy(cell)
            module = changed.get_submodule(part)
            if isinstance(module, torch.nn.RNNBase) and change is parametrizations.weight_norm:
                continue
            if getattr(module, name).ndim < 2 and "norm" in getattr(change, "__name__", ""):
                continue
            change(module, name)
            optimiser = torch.optim.SGD(changed.parameters(), 0.01)
            for _ in range(2):
                optimiser.zero_grad()
                Sequence(changed)(x, dt)[0].square().sum().backward()
                optimiser.step()
            near(Sequence(changed)(x, dt), Steps(changed)(x, dt))


def test_hooks_are_called_and_can_change_outputs(cell):
    x, dt = data()
    before = Sequence(cell)(x, dt)[0]
    called = []
    cell.register_forward_hook(lambda _, __, out: called.append(1) or (out[0] + 1, out[1]))
    near([Sequence(cell)(x, dt)[0]], [before + 1])
    assert len(called) == 4
    near(Sequence(cell)(x, dt), Steps(cell)(x, dt))


def test_a_kernel_is_refused_by_name_where_it_would_not_see_a_hook():
    cell = LtcCell(WIRINGS[0], kernel="fused")
    cell.recurrent.register_forward_hook(lambda *_: None)
    with pytest.raises(ConfigError, match="hooks on a Synapses"):
        choose.find_kernel(cell, torch.zeros(1, 1, 5), None)


def test_a_replaced_part_takes_part():
    cell = CfcCell(5, 12, backbone=0)
    inner = cell.heads

    class Adapter(torch.nn.Linear):
        def forward(self, z):
            return inner(z) * 0.5

    cell.heads = Adapter(17, 48)
    x, dt = data(dtype=torch.float32)
    near(Sequence(cell)(x, dt), Steps(cell)(x, dt), 1e-6)


@pytest.mark.parametrize("make", [LtcCell, WiredCfcCell])
def test_weights_of_another_wiring_are_refused(make):
    one, same, other = (make(wiring) for wiring in (WIRINGS[0], WIRINGS[0], WIRINGS[1]))
    x, dt = data(dtype=torch.float32)
    before = [p.clone() for p in other.parameters()]
    with pytest.raises(ConfigError, match="wiring"):
        other.load_state_dict(one.state_dict())
    assert all(torch.equal(p, q) for p, q in zip(before, other.parameters(), strict=True))
    holder = torch.nn.Sequential(other)
    with pytest.raises(ConfigError, match="wiring"):
        holder.load_state_dict(torch.nn.Sequential(one).state_dict())
    same.load_state_dict(one.state_dict())
    assert torch.equal(Sequence(same)(x, dt)[0], Sequence(one)(x, dt)[0])
    old = {name: value for name, value in one.state_dict().items() if name != "_extra_state"}
    assert not same.load_state_dict(old).missing_keys
    with pytest.raises(RuntimeError, match="unexpected|Unexpected"):
        same.load_state_dict(old | {"more": x})


def test_weights_of_other_options_with_equal_shapes_are_refused():
    for one, other in (
        (LtcCell(WIRINGS[0]), LtcCell(WIRINGS[0], positivity="absolute")),
        (WiredCfcCell(WIRINGS[0]), WiredCfcCell(WIRINGS[0], dense_time=True)),
    ):
        with pytest.raises(ConfigError, match="connections"):
            other.load_state_dict(one.state_dict())


@pytest.mark.parametrize("kind", ["cfc pure", "wired pure"])
def test_the_pure_rule_can_learn_its_rate_from_the_start(kind, cells):
    torch.manual_seed(0)
    cell = cells[kind]()
    optimiser = torch.optim.Adam(cell.parameters(), 0.01)
    x, dt = data(dtype=torch.float32)
    for _ in range(5):
        optimiser.zero_grad()
        (Sequence(cell)(x, dt)[0] - 1).square().mean().backward()
        optimiser.step()
    rates = [p for name, p in cell.named_parameters() if name.endswith("rate")]
    assert rates and all(rate.abs().min() > 0 for rate in rates)


def test_a_step_of_many_synapses_keeps_no_matrix_of_them():
    wiring = FreeWiring.fully_connected(5, 48)
    cell = LtcCell(wiring, unfolds=2).double()
    held = sum(buffer.numel() for buffer in cell.recurrent.buffers())
    assert held == 2 * 48 * 48 and cell.recurrent.many and not cell.sensory.many
    x, dt = data()
    fused = Sequence(cell)(x, dt)
    near(fused, Steps(cell)(x, dt))
    cell.kernel = "reference"
    near(Sequence(cell)(x, dt), fused)
    v = torch.randn(3, 48).double()
    wanted = torch.zeros(3, 96).double()
    w = torch.nn.functional.softplus(cell.recurrent.raw_w)
    for index, (source, target, _) in enumerate(wiring.synapses):
        part = cell.recurrent
        opened = w[index] * torch.sigmoid(part.sigma[index] * (v[:, source] - part.mu[index]))
        wanted[:, target] += opened * part.erev[index]
        wanted[:, 48 + target] += opened
    near([cell.recurrent().currents(v)], [wanted])
    run = Sequence(cell)
    weights = dict(run.named_parameters())
    vmap(grad(lambda w, x, d: functional_call(run, w, (x[None], d[None]))[0].sum()), (None, 0, 0))(
        weights, x, dt
    )


def test_a_cell_without_parameters_has_an_initial_state():
    cell = CfcCell(5, 12)
    cell = torch.ao.quantization.quantize_dynamic(cell, {torch.nn.Linear}, torch.qint8)
    assert not list(cell.parameters())
    x, dt = data(dtype=torch.float32)
    near(Sequence(cell)(x, dt), Steps(cell)(x, dt), 1e-6)


def test_conductances_that_vanish_and_the_shortest_dt_leave_finite_numbers():
    assert ltc_packing.FLOOR == synapses.FLOOR
    cell = LtcCell(WIRINGS[0])
    x, dt = data(dtype=torch.float32)
    for kernel in ("auto", "reference"):
        cell.kernel = kernel
        assert all(part.isfinite().all() for part in Sequence(cell)(x, torch.full_like(dt, 1e-30)))
    with pytest.raises(TimeError):
        Sequence(cell)(x, torch.full_like(dt, 1e-38))
    with torch.no_grad():
        for name, weight in cell.named_parameters():
            if "raw" in name:
                weight.fill_(-200.0)
    for kernel in ("auto", "reference"):
        cell.kernel = kernel
        _, h = choose.unroll(cell, x, torch.randn(3, 12), dt)
        assert h.isfinite().all()


def test_every_line_of_the_page_names_a_test_here():
    section = PAGE.split("## As a PyTorch module")[1].split("\n## ")[0]
    named = re.findall(r"`(test_\w+)`", section)
    files = Path(__file__).parent.glob("test_*.py")
    there = set(re.findall(r"^def (test_\w+)", "".join(f.read_text() for f in files), re.M))
    assert len(named) > 10 and set(named) <= there
