"""Cells with the weights of ncps modules (PyTorch, 1.0): LTC, CfC and wired CfC, with equal
outputs.

ncps is not imported; its modules are recognised by their parameters. Refused with ConfigError: an
output projection (`proj_size`), an LTC with mixed memory, weights that the LTC's constraints
forbid. The time between inputs, 1 by default in ncps, has no default here.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import LstmStep
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell

SMALLEST = 1e-30
"""In the place of a positive parameter that is zero in ncps; its effect is below any rounding."""
MIXED = {"default": "mixed_memory", "no_gate": "mixed_no_gate", "pure": "mixed_pure"}
ACTIVATIONS = {
    "LeCun": "lecun_tanh",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "SiLU": "silu",
}
"""Our name by the class in ncps."""
HEADS = ("ff1", "ff2", "time_a", "time_b")


@torch.no_grad()
def ltc(module: nn.Module, kernel: str = "auto") -> LtcCell:
    """The cell of an `ncps.torch.LTC` or `LTCCell`. Raises ConfigError.

    Its epsilon in the denominator moves into gleak and vleak, so that every voltage is equal. Input
    and output maps become `affine` parameters.
    """
    peer = _peer(module, "ltc", "sensory_sigma", "an ncps.torch.LTC or LTCCell")
    if getattr(module, "use_mixed", False):
        raise ConfigError(
            "from_ncps.ltc",
            "mixed_memory=True",
            "an LTC without it; the CfC has mixed-memory variants",
        )
    masks = peer.sensory_sparsity_mask, peer.sparsity_mask
    mapped = hasattr(peer, "input_w") or hasattr(peer, "output_w")
    implicit = peer._implicit_param_constraints
    cell = LtcCell(
        _circuit(peer._wiring, *masks),
        unfolds=peer._ode_unfolds,
        kernel=kernel,
        affine=mapped,
        positivity="softplus" if implicit else "absolute",
    ).to(peer.gleak)
    positive = F.softplus if implicit else _not_negative
    raw = _before_softplus if implicit else Tensor.clone
    leak = positive(peer.gleak.double())
    moved = (leak + peer._epsilon).clamp(min=SMALLEST)
    cell.raw_cm.copy_(raw(positive(peer.cm.double())))
    cell.raw_gleak.copy_(raw(moved))
    cell.vleak.copy_(peer.vleak.double() * leak.clamp(min=SMALLEST) / moved)
    for synapses, prefix, table in (
        (cell.sensory, "sensory_", cell.wiring.sensory),
        (cell.recurrent, "", cell.wiring.synapses),
    ):
        source, target, _ = np.array(table, np.int64).reshape(-1, 3).T
        w, sigma, mu, erev = (
            getattr(peer, prefix + name).double()[source, target]
            for name in ("w", "sigma", "mu", "erev")
        )
        synapses.raw_w.copy_(raw(positive(w)))
        for ours, theirs in ((synapses.sigma, sigma), (synapses.mu, mu), (synapses.erev, erev)):
            ours.copy_(theirs)
        for name in ("w", "sigma", "mu", "erev"):
            ours = getattr(synapses, "raw_w" if name == "w" else name)
            _freeze(ours, getattr(peer, prefix + name))
    for ours, theirs in (("raw_cm", "cm"), ("raw_gleak", "gleak"), ("vleak", "vleak")):
        _freeze(getattr(cell, ours), getattr(peer, theirs))
    for side in ("input", "output"):
        for ours, theirs in ((f"{side}_scale", f"{side}_w"), (f"{side}_shift", f"{side}_b")):
            if hasattr(peer, theirs):
                getattr(cell, ours).copy_(getattr(peer, theirs))
                _freeze(getattr(cell, ours), getattr(peer, theirs))
    return cell.train(module.training)


@torch.no_grad()
def cfc(module: nn.Module, kernel: str = "auto") -> CfcCell:
    """The cell of an `ncps.torch.CfC` without wiring or a `CfCCell`. Raises ConfigError.

    Dropout comes after every backbone layer; in ncps after all but the first.
    """
    peer = _peer(
        module,
        "cfc",
        "ff1",
        "an ncps.torch.CfC without wiring, or a CfCCell; "
        "for one with wiring use from_ncps.wired_cfc",
    )
    if peer.sparsity_mask is not None:
        raise ConfigError(
            "from_ncps.cfc",
            "a sparsity mask",
            "a cell without one; from_ncps.wired_cfc reads wired cells",
        )
    parts = [] if peer.backbone is None else list(peer.backbone)
    linear = [part for part in parts if isinstance(part, nn.Linear)]
    names = {type(part).__name__ for part in parts if not isinstance(part, (nn.Linear, nn.Dropout))}
    if len(names) > 1 or not names <= set(ACTIVATIONS):
        raise ConfigError(
            "from_ncps.cfc", sorted(names), "one activation of " + ", ".join(ACTIVATIONS)
        )
    cell = CfcCell(
        peer.input_size,
        peer.hidden_size,
        backbone=linear[0].out_features if linear else 0,
        variant=_variant(module, peer.mode),
        layers=max(len(linear), 1),
        activation=ACTIVATIONS[names.pop()] if names else "lecun_tanh",
        dropout=max((part.p for part in parts if isinstance(part, nn.Dropout)), default=0.0),
        kernel=kernel,
    ).to(peer.ff1.weight)
    for ours, theirs in zip((cell.backbone, *cell.deeper) if linear else (), linear, strict=True):
        ours.load_state_dict(theirs.state_dict())
        _freeze(ours.weight, theirs.weight)
        _freeze(ours.bias, theirs.bias)
    _copy_heads(cell.heads.weight, cell.heads.bias, cell, peer)
    if cell.memory is not None:
        _copy_lstm(cell.memory, module.lstm, np.arange(peer.hidden_size))
    return cell.train(module.training)


@torch.no_grad()
def wired_cfc(module: nn.Module, kernel: str = "auto") -> WiredCfcCell:
    """The cell of an `ncps.torch.CfC` with a wiring or a `WiredCfCCell`, with `dense_time` as in
    ncps. Raises ConfigError.

    ncps orders the state inter, command, motor; here it is numbered motor, command, inter. A wiring
    of one layer (fully connected or random) becomes what ncps computes: every neuron listens to all
    neurons and all of them are outputs.
    """
    peer = _peer(
        module, "wired_cfc", "layer_0", "an ncps.torch.CfC with a wiring, or a WiredCfCCell"
    )
    theirs = peer._wiring
    order = np.argsort(
        np.concatenate([theirs.get_neurons_of_layer(layer) for layer in range(peer.num_layers)])
    )
    if peer.num_layers == 1:
        between = np.where(theirs.adjacency_matrix == 0, 1, theirs.adjacency_matrix)
        sensory = _synapses(theirs.sensory_adjacency_matrix, theirs.sensory_adjacency_matrix)
        wiring = FreeWiring(
            theirs.input_dim, theirs.units, theirs.units, sensory, _synapses(between, between)
        )
    else:
        wiring = _circuit(theirs, theirs.sensory_adjacency_matrix, theirs.adjacency_matrix)
        if not isinstance(wiring, NcpWiring):
            raise ConfigError(
                "from_ncps.wired_cfc",
                type(theirs).__name__,
                "a wiring of one layer, or of the layers of an NCP",
            )
    cell = WiredCfcCell(
        wiring, _variant(module, peer.layer_0.mode), dense_time=True, kernel=kernel
    ).to(peer.layer_0.ff1.weight)
    for number, (name, *_) in enumerate(cell.layers):
        ours = getattr(cell, name)
        _copy_heads(ours.weight, ours.bias, ours, getattr(peer, f"layer_{number}"))
    if cell.memory is not None:
        _copy_lstm(cell.memory, module.lstm, order)
    return cell.train(module.training)


def _peer(module: nn.Module, reader: str, mark: str, expected: str) -> nn.Module:
    """The cell inside `module`, recognised by a parameter or part named `mark`."""
    peer = getattr(module, "rnn_cell", module)
    if not isinstance(peer, nn.Module) or not hasattr(peer, mark):
        raise ConfigError(f"from_ncps.{reader}", f"a {type(peer).__name__}", expected)
    if isinstance(getattr(module, "fc", None), nn.Linear):
        raise ConfigError(
            f"from_ncps.{reader}",
            "a module with proj_size",
            "one without: keep its fc, put torch.nn.Identity() in its place, "
            "and call fc on the cell's output",
        )
    return peer


def _circuit(theirs, sensory_mask, mask) -> NcpWiring | FreeWiring:
    """An NcpWiring when it has an NCP's layers and no other synapses, else a FreeWiring."""
    sensory, synapses = (
        _synapses(sensory_mask, theirs.sensory_adjacency_matrix),
        _synapses(mask, theirs.adjacency_matrix),
    )
    if theirs.num_layers == 3:
        inter, command, motor = (list(theirs.get_neurons_of_layer(layer)) for layer in range(3))
        try:
            if motor + command + inter == list(range(theirs.units)):
                return NcpWiring(
                    theirs.input_dim, len(inter), len(command), len(motor), sensory, synapses
                )
        except ConfigError:  # synapses added by hand
            pass
    return FreeWiring(theirs.input_dim, theirs.units, theirs.output_dim, sensory, synapses)


def _synapses(mask, polarity: np.ndarray) -> tuple[tuple[int, int, int], ...]:
    mask = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else mask
    return tuple((int(s), int(t), -1 if polarity[s, t] < 0 else 1) for s, t in np.argwhere(mask))


def _variant(module: nn.Module, mode: str) -> str:
    return MIXED[mode] if getattr(module, "use_mixed", False) else mode


def _copy_heads(weight: Tensor, bias: Tensor, ours: nn.Module, peer: nn.Module) -> None:
    heads = [getattr(peer, name) for name in HEADS if hasattr(peer, name)]
    weight.copy_(torch.cat([head.weight for head in heads]).view_as(weight))
    bias.copy_(torch.cat([head.bias for head in heads]))
    _freeze(weight, *(head.weight for head in heads))
    _freeze(bias, *(head.bias for head in heads))
    if ours.rate is not None:
        ours.rate.copy_(peer.w_tau.flatten())
        ours.asymptote.copy_(peer.A.flatten())
        _freeze(ours.rate, peer.w_tau)
        _freeze(ours.asymptote, peer.A)


def _copy_lstm(ours: LstmStep, lstm: nn.Module, order: np.ndarray) -> None:
    """`order`: the place of each of our neurons in their state. Their forget gate adds 1 outside
    its bias."""
    units = len(order)
    rows = np.concatenate([gate * units + order for gate in range(4)])
    ours.gates.weight.copy_(
        torch.cat([lstm.input_map.weight[rows], lstm.recurrent_map.weight[rows][:, order]], dim=1)
    )
    ours.gates.bias.copy_(lstm.input_map.bias[rows])
    ours.gates.bias[2 * units : 3 * units] += 1.0
    _freeze(ours.gates.weight, lstm.input_map.weight, lstm.recurrent_map.weight)
    _freeze(ours.gates.bias, lstm.input_map.bias)


def _freeze(ours: Tensor, *theirs: Tensor) -> None:
    """Trained where any of theirs is."""
    ours.requires_grad_(any(part.requires_grad for part in theirs))


def _not_negative(value: Tensor) -> Tensor:
    if bool((value < 0).any()):
        raise ConfigError(
            "from_ncps.ltc",
            f"a weight of {value.min().item():.3g}",
            "w, cm and gleak not negative; call apply_weight_constraints() of the LTCCell first ("
            "LTC: module.rnn_cell.apply_weight_constraints())",
        )
    return value


def _before_softplus(value: Tensor) -> Tensor:
    """The x with softplus(x) = value."""
    value = value.clamp(min=SMALLEST)
    return value + torch.log(-torch.expm1(-value))
