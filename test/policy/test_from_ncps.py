"""Cells with an ncps module's weights give its outputs, for scalar spans of time, in the module's
own precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ncps.torch import LTC, CfC, CfCCell, LTCCell, WiredCfCCell
from ncps.wirings import NCP, AutoNCP, FullyConnected, Random, Wiring

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy import from_ncps
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.choose import unroll

PRECISIONS = [(torch.float32, 1e-6), (torch.float64, 1e-12)]
precise = pytest.mark.parametrize(("dtype", "within"), PRECISIONS, ids=["float32", "float64"])


def wiring(kind, seed):
    """A random wiring of random size, and how many inputs it gets."""
    draw = np.random.default_rng(seed)
    inputs, motor = int(draw.integers(1, 20)), int(draw.integers(1, 4))
    if kind == "ncp":
        inter, command = int(draw.integers(2, 12)), int(draw.integers(2, 8))
        fans = (int(draw.integers(1, high + 1)) for high in (inter, command, 8, command))
        return inputs, NCP(inter, command, motor, *fans, seed=seed)
    if kind == "auto":
        return inputs, AutoNCP(
            int(draw.integers(motor + 4, 30)),
            motor,
            sparsity_level=float(draw.uniform(0.1, 0.9)),
            seed=seed,
        )
    units = int(draw.integers(motor, 20))
    if kind == "full":
        return inputs, FullyConnected(units, motor, seed, self_connections=bool(seed % 2))
    return inputs, Random(
        units, motor, sparsity_level=float(draw.uniform(0, 0.9)), random_seed=seed
    )


def shake(module, seed):
    """Moves every weight that is trained away from where it starts."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.1)
    if isinstance(module, LTC):
        module.rnn_cell.apply_weight_constraints()
    return module


def run(module, x, span):
    """Outputs of an ncps module over x (B, T, F), each step `span` long."""
    return module(x, timespans=torch.full((1, x.shape[1]), span, dtype=x.dtype))[0]


def compare(module, cell, inputs, dtype, within, span, seed):
    torch.manual_seed(seed + 1)
    x = torch.randn(3, 8, inputs, dtype=dtype)
    dt = torch.full((3, 8), span, dtype=dtype)
    torch.set_default_dtype(dtype)  # ncps makes its first state in the default type
    try:
        wanted = run(module, x, span)
    finally:
        torch.set_default_dtype(torch.float32)
    y, h = cell.unroll(x, cell.initial_state(3), dt)
    assert y.dtype == dtype and y.shape == wanted.shape
    assert (y - wanted).abs().max() < within
    stepped = cell.initial_state(3)
    for t in range(8):
        y, stepped = cell.step(x[:, t], stepped, dt[:, t])
        assert (y - wanted[:, t]).abs().max() < within


@precise
@pytest.mark.parametrize("kind", ["ncp", "auto", "full", "random"])
@pytest.mark.parametrize("seed", range(6))
def test_ltc(kind, seed, dtype, within):
    inputs, peer_wiring = wiring(kind, seed)
    mapping = ["affine", "linear", None][seed % 3]
    module = LTC(
        inputs,
        peer_wiring,
        input_mapping=mapping,
        output_mapping=mapping,
        ode_unfolds=1 + seed,
        epsilon=[1e-8, 0.0][seed % 2],
        implicit_param_constraints=seed % 4 < 2,
    )
    module = shake(module.to(dtype), seed)
    cell = from_ncps.ltc(module, kernel="reference")
    assert isinstance(cell.wiring, NcpWiring if kind in ("ncp", "auto") else FreeWiring)
    assert cell.affine == (mapping is not None) and cell.unfolds == 1 + seed
    compare(module, cell, inputs, dtype, within, [0.02, 0.3, 1.0, 4.0][seed % 4], seed)


@precise
@pytest.mark.parametrize("mixed", [False, True], ids=["", "mixed"])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
@pytest.mark.parametrize("seed", range(3))
def test_cfc(seed, mode, mixed, dtype, within):
    inputs, units, layers = 1 + 4 * seed, 3 + 5 * seed, seed
    module = CfC(
        inputs,
        units,
        mixed_memory=mixed,
        mode=mode,
        activation=["lecun_tanh", "silu", "relu"][seed],
        backbone_units=7 + seed,
        backbone_layers=layers,
        backbone_dropout=0.1,
    )
    module = shake(module.to(dtype), seed).eval()
    compare(module, from_ncps.cfc(module), inputs, dtype, within, [0.05, 0.7, 2.0][seed], seed)


@precise
@pytest.mark.parametrize("mixed", [False, True], ids=["", "mixed"])
@pytest.mark.parametrize("mode", ["default", "no_gate", "pure"])
@pytest.mark.parametrize("kind", ["ncp", "auto", "full", "random"])
def test_wired_cfc(kind, mode, mixed, dtype, within):
    seed = 7 * ["default", "no_gate", "pure"].index(mode) + 2 * mixed
    inputs, peer_wiring = wiring(kind, seed)
    module = shake(CfC(inputs, peer_wiring, mixed_memory=mixed, mode=mode).to(dtype), seed)
    compare(module, from_ncps.wired_cfc(module), inputs, dtype, within, 0.4, seed)


def test_bare_cells_are_read_too():
    torch.manual_seed(0)
    x, dt = torch.randn(2, 5), torch.full((2,), 0.3)
    for peer, read in (
        (LTCCell(AutoNCP(12, 2), 5), from_ncps.ltc),
        (CfCCell(5, 6), from_ncps.cfc),
        (WiredCfCCell(5, AutoNCP(12, 2)), from_ncps.wired_cfc),
    ):
        cell = read(peer)
        wanted, _ = peer(x, torch.zeros(2, cell.state_size), 0.3)
        assert (cell.step(x, cell.initial_state(2), dt)[0] - wanted).abs().max() < 1e-6


def test_the_wired_state_is_theirs_in_our_numbers():
    torch.manual_seed(0)
    peer = WiredCfCCell(5, NCP(6, 4, 2, 3, 2, 3, 3)).double()
    cell, x, h = (
        from_ncps.wired_cfc(peer),
        torch.randn(3, 5).double(),
        torch.randn(3, 12).double(),
    )
    inter, command, motor = h.split([6, 4, 2], dim=1)
    _, theirs = peer(x, h, 0.3)
    _, ours = cell.step(
        x, torch.cat([motor, command, inter], dim=1), torch.full((3,), 0.3, dtype=torch.float64)
    )
    inter, command, motor = theirs.split([6, 4, 2], dim=1)
    assert (ours - torch.cat([motor, command, inter], dim=1)).abs().max() < 1e-12


def test_synapses_added_by_hand_make_a_free_wiring():
    peer_wiring = NCP(6, 4, 2, 3, 2, 3, 3)
    peer_wiring.build(5)
    peer_wiring.add_synapse(0, 11, -1)  # from a motor neuron back to an inter neuron
    peer = LTCCell(peer_wiring)
    cell = from_ncps.ltc(peer)
    assert isinstance(cell.wiring, FreeWiring) and (0, 11, -1) in cell.wiring.synapses


@pytest.mark.parametrize(
    ("read", "module", "words"),
    [
        (from_ncps.ltc, lambda: CfC(3, 4), "LTC or LTCCell"),
        (from_ncps.ltc, lambda: torch.nn.LSTM(3, 4), "a LSTM"),
        (from_ncps.ltc, lambda: 3, "a int"),
        (from_ncps.ltc, lambda: LTC(3, 4, mixed_memory=True), "mixed"),
        (from_ncps.cfc, lambda: LTC(3, 4), "CfC without wiring"),
        (from_ncps.cfc, lambda: CfC(3, AutoNCP(8, 2)), "from_ncps.wired_cfc"),
        (from_ncps.cfc, lambda: CfC(3, 4, proj_size=2), "proj_size"),
        (
            from_ncps.cfc,
            lambda: CfCCell(3, 4, backbone_layers=0, sparsity_mask=np.ones((7, 4))),
            "sparsity mask",
        ),
        (from_ncps.wired_cfc, lambda: CfC(3, 4), "CfC with a wiring"),
        (from_ncps.wired_cfc, lambda: CfC(3, TwoLayers()), "one layer, or of the layers of an NCP"),
    ],
)
def test_what_does_not_carry_over_is_refused_by_name(read, module, words):
    with pytest.raises(ConfigError, match=words):
        read(module())


def test_negative_conductances_are_refused():
    module = LTCCell(FullyConnected(3), 2)
    with torch.no_grad():
        module.w[0, 0] = -0.1
    with pytest.raises(ConfigError, match="apply_weight_constraints"):
        from_ncps.ltc(module)
    module.apply_weight_constraints()
    assert torch.isfinite(from_ncps.ltc(module).recurrent.raw_w).all()


class TwoLayers(Wiring):
    def __init__(self):
        super().__init__(4)
        self.set_output_dim(2)

    num_layers = 2

    def get_neurons_of_layer(self, layer):
        return [[2, 3], [0, 1]][layer]


@pytest.mark.parametrize("kernel", ["auto", "reference"])
def test_conductances_at_zero_can_be_trained(kernel):
    torch.manual_seed(0)
    module = LTC(6, AutoNCP(12, 2), implicit_param_constraints=False)
    with torch.no_grad():
        for name in ("w", "sensory_w"):
            getattr(module.rnn_cell, name)[::2] = 0.0
    cell = from_ncps.ltc(module, kernel=kernel)
    dead = cell.recurrent.raw_w == 0
    assert 0 < dead.sum() < dead.numel()
    x, dt = torch.randn(4, 6, 6), torch.ones(4, 6)
    assert (unroll(cell, x, cell.initial_state(4), dt)[0] - module(x)[0]).abs().max() < 1e-6
    optimiser = torch.optim.SGD(cell.parameters(), 0.1)
    for _ in range(3):
        optimiser.zero_grad()
        (unroll(cell, x, cell.initial_state(4), dt)[0] - 1).square().mean().backward()
        optimiser.step()
    assert (cell.recurrent.raw_w[dead].abs() > 1e-6).all()


def test_gradients_of_absolute_conductances_are_equal_on_both_kernels():
    torch.manual_seed(0)
    cell = LtcCell(NcpWiring.build(5), unfolds=2, positivity="absolute").double()
    with torch.no_grad():
        for name, weight in cell.named_parameters():
            if "raw" in name:
                weight[::2] *= -1
                weight[::3] = 0.0 if "raw_w" in name else weight[::3]
    x, dt = torch.randn(3, 4, 5).double(), torch.rand(3, 4).double() + 0.1
    found = []
    for kernel in ("fused", "reference"):
        cell.kernel = kernel
        y, h = unroll(cell, x, cell.initial_state(3), dt)
        found.append(torch.autograd.grad(y.sum() + h.square().sum(), list(cell.parameters())))
    for fused, plain in zip(*found, strict=True):
        assert (fused - plain).abs().max() < 1e-12


def test_frozen_parameters_stay_frozen():
    module = CfC(6, AutoNCP(12, 2), mixed_memory=True).requires_grad_(False)
    assert not any(p.requires_grad for p in from_ncps.wired_cfc(module).parameters())
    module = CfC(6, 9).requires_grad_(False)
    module.rnn_cell.ff1.weight.requires_grad_(True)
    cell = from_ncps.cfc(module)
    assert [name for name, p in cell.named_parameters() if p.requires_grad] == ["heads.weight"]
    module = LTC(6, AutoNCP(12, 2))
    module.rnn_cell.w.requires_grad_(False)
    cell = from_ncps.ltc(module)
    assert [n for n, p in cell.named_parameters() if not p.requires_grad] == ["recurrent.raw_w"]


def test_negative_conductances_are_refused_with_the_call_that_mends_them():
    module = LTC(6, AutoNCP(12, 2), implicit_param_constraints=False)
    with torch.no_grad():
        module.rnn_cell.w.sub_(1.0)
    with pytest.raises(ConfigError, match=r"module\.rnn_cell\.apply_weight_constraints\(\)"):
        from_ncps.ltc(module)
    module.rnn_cell.apply_weight_constraints()
    from_ncps.ltc(module)
