"""The LTC against its theory: bounds for whatever comes in, and the differential equation itself,
solved by scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.ltc import LtcCell

NCP = NcpWiring.build()
WIRINGS = [
    NCP,
    NcpWiring.automatic(3, 9, 2),
    FreeWiring.fully_connected(2, 5),
    FreeWiring.sparse(7, 11, 3, sparsity=0.7),
]
magnitudes = st.floats(-12, 12).map(lambda power: 10.0**power)


def random_cell(wiring, unfolds, seed, dtype=torch.float64):
    torch.manual_seed(seed)
    cell = LtcCell(wiring, unfolds).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.add_(torch.randn_like(parameter))
    return cell


@st.composite
def situations(draw):
    """A cell, and inputs, states and spans of time from tiny to absurd, different in every row and
    step."""
    cell = random_cell(
        draw(st.sampled_from(WIRINGS)), draw(st.integers(1, 7)), draw(st.integers(0, 10**6))
    )
    batch, time = draw(st.integers(1, 5)), draw(st.integers(1, 12))
    x = torch.randn(batch, time, cell.inputs, dtype=torch.float64) * draw(magnitudes)
    h = torch.randn(batch, cell.neurons, dtype=torch.float64) * draw(magnitudes)
    dt = 10 ** (torch.rand(batch, time, dtype=torch.float64) * 16 - 8)
    return cell, x, h, dt


@settings(max_examples=60, deadline=None)
@given(situations())
def test_voltages_stay_within_the_bounds_of_theorem_2(situation):
    """min(start, A_min) <= v <= max(start, A_max), neuron by neuron, where A runs over the reversal
    potentials that reach it."""
    cell, x, h, dt = situation
    with torch.no_grad():
        low, high = torch.minimum(cell.vleak, h), torch.maximum(cell.vleak, h)
        for synapses, table in (
            (cell.sensory, cell.wiring.sensory),
            (cell.recurrent, cell.wiring.synapses),
        ):
            for (_, target, _), erev in zip(table, synapses.erev, strict=True):
                low[:, target], high[:, target] = (
                    low[:, target].clamp(max=erev),
                    high[:, target].clamp(min=erev),
                )
        slack = 1e-12 * torch.maximum(low.abs(), high.abs()) + 1e-12
        for t in range(1, x.shape[1] + 1):
            _, v = cell.unroll(x[:, :t], h, dt[:, :t])
            assert (v >= low - slack).all() and (v <= high + slack).all()


@settings(max_examples=60, deadline=None)
@given(situations())
def test_time_constants_stay_within_the_bounds_of_theorem_1(situation):
    """tau / (1 + tau W) <= tau_sys <= tau with tau = cm / gleak and W = Σ w / cm."""
    cell, x, h, _ = situation
    with torch.no_grad():
        tau, w = (
            F.softplus(cell.raw_cm) / F.softplus(cell.raw_gleak),
            torch.zeros(cell.neurons, dtype=torch.float64),
        )
        for synapses, table in (
            (cell.sensory, cell.wiring.sensory),
            (cell.recurrent, cell.wiring.synapses),
        ):
            for (_, target, _), conductance in zip(table, F.softplus(synapses.raw_w), strict=True):
                w[target] += conductance / F.softplus(cell.raw_cm[target])
        found = cell.time_constants(x[:, 0], h)
    assert (found <= tau * (1 + 1e-12)).all() and (found >= tau / (1 + tau * w) * (1 - 1e-12)).all()


def test_the_time_constant_is_how_fast_a_neuron_forgets():
    """One semi-implicit step multiplies a neuron's own voltage by 1 / (1 + dt / tau_sys), synapses
    onto itself apart."""
    cell, x, h = (
        random_cell(NCP, 1, 0),
        torch.randn(1, 32, dtype=torch.float64),
        torch.randn(1, 19, dtype=torch.float64),
    )
    dt = torch.full((1,), 0.3, dtype=torch.float64)
    with torch.no_grad():
        for source, target, _ in NCP.synapses:
            if source == target:
                cell.recurrent.sigma[NCP.synapses.index((source, target, _))] = 0.0
    kept = torch.autograd.functional.jacobian(lambda v: cell.step(x, v, dt)[1][0], h)[
        :, 0
    ].diagonal()
    assert (1 / (1 + dt / cell.time_constants(x, h)[0]) - kept).abs().max() < 1e-12


def exact(cell, x, v, span):
    """v (U,) after `span` under constant x (F,), from the differential equation written out synapse
    by synapse."""
    numbers = {name: value.detach().numpy() for name, value in cell.state_dict().items()}
    cm, gleak = np.logaddexp(numbers["raw_cm"], 0), np.logaddexp(numbers["raw_gleak"], 0)

    def slope(_, v):
        current = gleak * (numbers["vleak"] - v)
        for name, table, source_values in (
            ("sensory", cell.wiring.sensory, x),
            ("recurrent", cell.wiring.synapses, v),
        ):
            w, sigma, mu, erev = (
                numbers[f"{name}.{part}"] for part in ("raw_w", "sigma", "mu", "erev")
            )
            source, target, _ = np.array(table).T
            open_share = 1 / (1 + np.exp(-sigma * (source_values[source] - mu)))
            np.add.at(current, target, np.logaddexp(w, 0) * open_share * (erev - v[target]))
        return current / cm

    return solve_ivp(slope, (0, span), v, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]


@pytest.mark.parametrize(
    ("index", "span", "seed"), [(0, 0.5, 0), (0, 2.0, 1), (1, 1.0, 2), (2, 0.3, 3), (3, 1.0, 4)]
)
def test_the_solver_converges_to_the_differential_equation_with_first_order(index, span, seed):
    torch.manual_seed(seed)
    cell = LtcCell(WIRINGS[index]).double()
    x, v = (
        torch.randn(cell.inputs, dtype=torch.float64),
        torch.randn(cell.neurons, dtype=torch.float64) / 2,
    )
    wanted, unfolds, errors = exact(cell, x.numpy(), v.numpy(), span), 2 ** np.arange(5, 11), []
    for cell.unfolds in unfolds.tolist():
        with torch.no_grad():
            got = cell.step(x[None], v[None], torch.full((1,), span, dtype=torch.float64))[1][
                0
            ].numpy()
        errors.append(abs(got - wanted).max())
    slope = np.polyfit(np.log2(unfolds), np.log2(errors), 1)[0]
    assert abs(slope + 1) < 0.05 and errors[-1] < 1e-2


def test_two_spans_tend_to_one_under_constant_input():
    """step(dt1) then step(dt2) and step(dt1 + dt2) solve the same equation: they differ by the
    solver's error only, which halves with twice the unfolds. (A closed-form cell has no such
    property.)"""
    torch.manual_seed(0)
    cell, unfolds, gaps = LtcCell(NCP).double(), 2 ** np.arange(4, 10), []
    x, v = torch.randn(6, 32, dtype=torch.float64), torch.randn(6, 19, dtype=torch.float64) / 2
    first, second = (
        torch.rand(6, dtype=torch.float64) + 0.1,
        torch.rand(6, dtype=torch.float64) + 0.1,
    )
    for cell.unfolds in unfolds.tolist():
        with torch.no_grad():
            apart = cell.step(x, cell.step(x, v, first)[1], second)[1]
            gaps.append((apart - cell.step(x, v, first + second)[1]).abs().max().item())
    assert abs(np.polyfit(np.log2(unfolds), np.log2(gaps), 1)[0] + 1) < 0.1 and gaps[-1] < 2e-3


def test_under_constant_input_the_state_settles_and_stays():
    cell = random_cell(NCP, 6, 5)
    x = torch.randn(3, 32, dtype=torch.float64)[:, None].expand(3, 400, 32)
    with torch.no_grad():
        _, settled = cell.unroll(
            x, cell.initial_state(3), torch.full((3, 400), 5.0, dtype=torch.float64)
        )
        after = torch.cat(
            [
                cell.step(x[:, 0], settled, torch.full((3,), dt, dtype=torch.float64))[1]
                for dt in (1e-6, 1.0, 1e6)
            ]
        )
    assert (after - settled.repeat(3, 1)).abs().max() < 1e-9
