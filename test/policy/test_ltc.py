from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from ncps.torch import LTCCell
from ncps.wirings import NCP

from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.policy.ltc import LtcCell
from liquid_control.policy.wiring import NcpWiring

WIRING = NcpWiring.build()


@pytest.fixture(autouse=True)
def double():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def inputs(batch, time):
    x, h = torch.randn(batch, time, 32), torch.randn(batch, 19) / 2
    return x, h, torch.rand(batch, time) + 0.05, torch.rand(batch, time) < 0.25


def step_by_step(cell, x, h, dt, is_first):
    outputs = []
    for t in range(x.shape[1]):
        h = torch.where(is_first[:, t, None], torch.zeros_like(h), h)
        y, h = cell.step(x[:, t], h, dt[:, t])
        outputs.append(y)
    return torch.stack(outputs, 1), h


def test_parameter_count_is_that_of_the_paper():
    assert sum(p.numel() for p in LtcCell(WIRING).parameters()) == 3 * 19 + 4 * 252 == 1065


def from_ncps(peer: LTCCell) -> LtcCell:
    """Our cell with the wiring and the weights of an ncps cell."""
    parts = {}
    for prefix, mask in (("sensory_", peer._wiring.sensory_adjacency_matrix), ("", peer._wiring.adjacency_matrix)):
        parts[prefix] = tuple((int(s), int(t), int(mask[s, t])) for s, t in np.argwhere(mask))
    cell = LtcCell(NcpWiring(32, 12, 6, 1, parts["sensory_"], parts[""]))
    with torch.no_grad():
        for ours, theirs in ((cell.raw_cm, peer.cm), (cell.raw_gleak, peer.gleak)):
            ours.copy_(torch.log(torch.expm1(theirs)))
        cell.vleak.copy_(peer.vleak)
        for ours, prefix in ((cell.sensory, "sensory_"), (cell.recurrent, "")):
            source, target, _ = np.array(parts[prefix]).T
            ours.raw_w.copy_(torch.log(torch.expm1(getattr(peer, prefix + "w")[source, target])))
            for name in ("sigma", "mu", "erev"):
                getattr(ours, name).copy_(getattr(peer, prefix + name)[source, target])
    return cell


@pytest.mark.parametrize("dt", [0.02, 0.3, 1.0, 4.0])
def test_equal_to_ncps_with_the_same_weights(dt):
    wiring = NCP(12, 6, 1, 6, 4, 6, 6)
    peer = LTCCell(wiring, 32, epsilon=0.0).double()
    with torch.no_grad():
        peer.erev.mul_(torch.rand_like(peer.erev) + 0.5)
        peer.sensory_erev.mul_(torch.rand_like(peer.sensory_erev) + 0.5)
    cell, x, h = from_ncps(peer), torch.randn(5, 30, 32), torch.randn(5, 19)
    theirs, ours = h, h
    for t in range(30):
        wanted, theirs = peer(x[:, t], theirs, dt)
        y, ours = cell.step(x[:, t], ours, torch.full((5,), dt))
        assert (ours - theirs).abs().max() < 1e-10 and (y - wanted).abs().max() < 1e-10


@pytest.mark.parametrize("batch", [1, 4, 19])  # 19 = neurons: where ncps confuses dt with the neurons
def test_dt_belongs_to_the_sample(batch):
    cell, (x, h, dt, _) = LtcCell(WIRING), inputs(batch, 1)
    _, together = cell.step(x[:, 0], h, dt[:, 0])
    alone = torch.cat([cell.step(x[i : i + 1, 0], h[i : i + 1], dt[i : i + 1, 0])[1] for i in range(batch)])
    assert (together - alone).abs().max() < 1e-12
    _, faster = cell.step(x[:, 0], h, 2 * dt[:, 0])
    assert (together - faster).abs().amax(1).min() > 1e-4


@pytest.mark.parametrize("unfolds", [1, 3])
def test_unroll_and_its_written_out_gradient_equal_steps_under_autograd(unfolds):
    cell, (x, h, dt, is_first) = LtcCell(WIRING, unfolds), inputs(4, 6)
    leaves = [x.requires_grad_(), h.requires_grad_(), dt.requires_grad_(), *cell.parameters()]
    results = []
    for unroll in (lambda: cell.unroll(x, h, dt, is_first), lambda: step_by_step(cell, x, h, dt, is_first)):
        y, last = unroll()
        loss = (y * torch.linspace(-1, 1, y.numel()).view_as(y)).sum() + last.square().sum()
        results.append([y, last, *torch.autograd.grad(loss, leaves)])
    for fused, plain in zip(*results, strict=True):
        assert (fused - plain).abs().max() < 1e-12


def test_gradient_by_finite_differences():
    small = NcpWiring.build(inputs=2, inter=2, command=2, sensory_fanout=1, inter_fanout=1, recurrent_command=2, motor_fanin=2)
    cell = LtcCell(small, 2)
    x, h, dt = torch.randn(2, 3, 2).requires_grad_(), torch.randn(2, 5).requires_grad_(), (torch.rand(2, 3) + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(lambda *a: cell.unroll(*a), (x, h, dt))


def test_backward_twice_gives_the_same_gradient():
    cell, (x, h, dt, is_first) = LtcCell(WIRING, 3), inputs(2, 3)
    loss = cell.unroll(x, h, dt, is_first)[0].sum()
    first, second = (torch.autograd.grad(loss, cell.vleak, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


def test_is_first_forgets_what_was_before():
    cell, (x, h, dt, _) = LtcCell(WIRING, 3), inputs(3, 5)
    is_first = torch.zeros(3, 5, dtype=torch.bool)
    is_first[:, 2] = True
    y, last = cell.unroll(x, h, dt, is_first)
    fresh, fresh_last = cell.unroll(x[:, 2:], cell.initial_state(3), dt[:, 2:])
    assert (y[:, 2:] - fresh).abs().max() < 1e-13 and (last - fresh_last).abs().max() < 1e-13
    assert not torch.equal(y, cell.unroll(x, h, dt)[0])


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-4, 1e4), st.floats(0, 1e6), st.integers(0, 100))
def test_voltages_stay_within_the_bounds_of_theorem_2(dt, size, seed):
    torch.manual_seed(seed)
    cell = LtcCell(WIRING, 3)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter))
        _, h = cell.unroll(torch.randn(2, 20, 32) * size, cell.initial_state(2), torch.full((2, 20), dt))
    rest = torch.cat([cell.vleak, cell.sensory.erev, cell.recurrent.erev, torch.zeros(1)])
    assert rest.min() - 1e-9 <= h.min() and h.max() <= rest.max() + 1e-9


def test_time_constants_stay_within_the_bounds_of_theorem_1():
    """cm dv/dt = -(gleak + Σ w σ) v + ...: 1/tau_sys is what multiplies v, between gleak/cm and (gleak + Σ w)/cm."""
    cell = LtcCell(WIRING)
    h, x = torch.randn(64, 19) * 3, torch.randn(64, 32) * 3
    cm, gleak = F.softplus(cell.raw_cm), F.softplus(cell.raw_gleak)
    _, constant = cell._drive(x, torch.full((64,), 1e12))
    slope, offset, conductance = cell.recurrent.matrices()
    denominator = (constant + torch.sigmoid(h @ slope + offset) @ conductance)[:, 19:]
    largest = sum(s.target.T @ F.softplus(s.raw_w) for s in (cell.sensory, cell.recurrent))
    tau, slowest, fastest = cm / denominator, cm / gleak, cm / (gleak + largest)
    assert (tau <= slowest + 1e-9).all() and (tau >= fastest - 1e-9).all()


def test_the_solver_converges_with_first_order():
    torch.manual_seed(3)
    coarse, exact = LtcCell(WIRING, 1), LtcCell(WIRING, 4096)
    exact.load_state_dict(coarse.state_dict())
    x, h, dt = torch.randn(8, 32), torch.randn(8, 19) / 2, torch.full((8,), 0.5)
    wanted, errors = exact.step(x, h, dt)[1], []
    for unfolds in (32, 64, 128):
        coarse.unfolds = unfolds
        errors.append((coarse.step(x, h, dt)[1] - wanted).abs().max().item())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (abs(orders - 1) < 0.1).all()


def test_positive_parameters_survive_any_optimiser_step():
    cell, (x, h, dt, _) = LtcCell(WIRING, 3), inputs(2, 4)
    with torch.no_grad():
        for name, parameter in cell.named_parameters():
            if "raw" in name:
                parameter.fill_(-30.0)
    y, h = cell.unroll(x, h, dt)
    assert torch.isfinite(y).all() and torch.isfinite(h).all()


def test_initial_ranges_are_the_published_ones():
    cell = LtcCell(WIRING, sensory_mu=(-0.5, 0.5))
    for values, low, high in (
        (F.softplus(cell.raw_cm), 0.4, 0.6),
        (F.softplus(cell.raw_gleak), 0.001, 1.0),
        (F.softplus(cell.sensory.raw_w), 0.001, 1.0),
        (cell.sensory.sigma, 3.0, 8.0),
        (cell.recurrent.mu, 0.3, 0.8),
        (cell.sensory.mu, -0.5, 0.5),
    ):
        assert low - 1e-9 <= values.min() < low + 0.2 * (high - low) and high - 0.2 * (high - low) < values.max() <= high + 1e-9


@pytest.mark.parametrize("bad", [0.0, -0.1, float("nan"), float("inf"), -float("inf")])
def test_a_bad_dt_is_refused_wherever_it_stands(bad):
    cell, (x, h, dt, _) = LtcCell(WIRING), inputs(3, 4)
    dt[1, 2] = bad
    with pytest.raises(TimeError, match="timeline"):
        cell.unroll(x, h, dt)
    with pytest.raises(TimeError):
        cell.step(x[:, 0], h, dt[:, 2])


def test_shapes_are_checked():
    cell, (x, h, dt, is_first) = LtcCell(WIRING), inputs(3, 4)
    for arguments in (
        (x[..., :31], h, dt),
        (x, h[:2], dt),
        (x, h, dt[:, :1]),
        (x, h, dt, is_first[:, 1:]),
        (x[:, :0], h, dt[:, :0]),
        (x[0], h, dt),
    ):
        with pytest.raises(ShapeError):
            cell.unroll(*arguments)
    for arguments in ((x[:, 0], h, torch.tensor(0.1)), (x[:, 0], h[:, :3], dt[:, 0]), (x, h, dt)):
        with pytest.raises(ShapeError):
            cell.step(*arguments)


@pytest.mark.parametrize("unfolds", [0, -1, 1.5, True])
def test_unfolds_must_be_a_count(unfolds):
    with pytest.raises(ConfigError):
        LtcCell(WIRING, unfolds)
