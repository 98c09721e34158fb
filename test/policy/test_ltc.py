from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from circuits import TINY

from liquid_control.errors import ConfigError
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.ltc import LtcCell

WIRING = NcpWiring.build()
pytestmark = pytest.mark.usefixtures("double")


def inputs(batch, time):
    x, h = torch.randn(batch, time, 32), torch.randn(batch, 19) / 2
    return x, h, torch.rand(batch, time) + 0.05, torch.rand(batch, time) < 0.25


def test_parameter_count_is_that_of_the_paper():
    assert sum(p.numel() for p in LtcCell(WIRING).parameters()) == 3 * 19 + 4 * 252 == 1065
    assert (
        sum(p.numel() for p in LtcCell(WIRING, affine=True).parameters()) == 1065 + 2 * 32 + 2 * 1
    )


def test_a_neuron_hears_its_synapses_and_no_others():
    cell, (x, h, dt, _) = LtcCell(WIRING, unfolds=1), inputs(4, 1)
    heard = {}
    for name, values in (("sensory", x[:, 0]), ("synapses", h)):
        arguments = [x[:, 0], h]

        def sums(v, place=0 if name == "sensory" else 1, arguments=arguments):
            arguments[place] = v
            return cell.step(*arguments, dt[:, 0])[1].sum(0)

        heard[name] = (
            torch.autograd.functional.jacobian(sums, values).abs().sum(1).T > 0
        )  # (sources, targets)
    for name, own in (("sensory", []), ("synapses", [(u, u) for u in range(19)])):
        expected = torch.zeros_like(heard[name])
        for source, target in [synapse[:2] for synapse in getattr(WIRING, name)] + own:
            expected[source, target] = True
        assert torch.equal(heard[name], expected)


def test_affine_maps_scale_and_shift_inputs_and_outputs():
    plain, mapped, (x, h, dt, is_first) = (
        LtcCell(WIRING),
        LtcCell(WIRING, affine=True),
        inputs(3, 4),
    )
    mapped.load_state_dict(plain.state_dict(), strict=False)
    wanted = plain.unroll(x * 0.5 - 1, h, dt, is_first)
    with torch.no_grad():
        for name, value in (
            ("input_scale", 0.5),
            ("input_shift", -1.0),
            ("output_scale", 3.0),
            ("output_shift", 2.0),
        ):
            getattr(mapped, name).fill_(value)
    y, last = mapped.unroll(x, h, dt, is_first)
    assert (y - (wanted[0] * 3 + 2)).abs().max() < 1e-12 and (last - wanted[1]).abs().max() < 1e-12
    assert (
        mapped.step(x[:, 0], h, dt[:, 0])[0]
        - (plain.step(x[:, 0] * 0.5 - 1, h, dt[:, 0])[0] * 3 + 2)
    ).abs().max() < 1e-12


def test_gradient_by_finite_differences():
    cell = LtcCell(TINY, 2, kernel="reference")
    x, h, dt = (
        torch.randn(2, 3, 2).requires_grad_(),
        torch.randn(2, 5).requires_grad_(),
        (torch.rand(2, 3) + 0.5).requires_grad_(),
    )
    is_first, mask = (
        torch.tensor([[0, 1, 0], [0, 0, 1]]).bool(),
        torch.tensor([[1, 1, 1], [1, 0, 1]]).bool(),
    )
    assert torch.autograd.gradcheck(lambda *a: cell.unroll(*a), (x, h, dt))
    assert torch.autograd.gradcheck(lambda *a: cell.unroll(*a, is_first, mask), (x, h, dt))


def test_backward_twice_gives_the_same_gradient():
    cell, (x, h, dt, is_first) = LtcCell(WIRING, 3, kernel="reference"), inputs(2, 3)
    loss = cell.unroll(x, h, dt, is_first)[0].sum()
    first, second = (torch.autograd.grad(loss, cell.vleak, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)


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
        assert (
            low - 1e-9 <= values.min() < low + 0.2 * (high - low)
            and high - 0.2 * (high - low) < values.max() <= high + 1e-9
        )


@pytest.mark.parametrize("unfolds", [0, -1, 1.5, True])
def test_unfolds_must_be_a_count(unfolds):
    with pytest.raises(ConfigError):
        LtcCell(WIRING, unfolds)
