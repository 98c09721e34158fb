"""How long each neuron remembers, step by step of a drive, in seconds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from liquid_control.evaluate.insight.trace import Trace
from liquid_control.policy.cells.cell import split_state
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import ACTIVATIONS
from liquid_control.policy.cells.ct_rnn import CtRnnCell
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.cores import Readout
from liquid_control.policy.network import PolicyNetwork

LONGEST = 100.0
"""A gate that time hardly moves is given this many seconds."""

MEANING = {
    "ltc": "effective time constant τ = cm / (gleak + Σ w σ(·)) from the neuron's conductances at that moment",
    "cfc": "1 / |t_a|: a CfC has no leak and no conductances; what stands in is how long dt must grow until the odds of its time gate "
    "σ(t_a dt + t_b), which moves the state from one target to the other, change by the factor e",
    "ct_rnn": "the fixed time constant of the cell: it never changes",
    "": "none: the gates of this memory do not know time",
}


def meaning(network: PolicyNetwork) -> str:
    """What `time_constants` gives for this memory, in words."""
    return MEANING[_kind(network)]


def title(network: PolicyNetwork) -> str:
    """The same in two words: only what a neuron forgets by is its time constant."""
    return "time gate" if _kind(network) == "cfc" else "time constant"


@torch.no_grad()
def time_constants(network: PolicyNetwork, trace: Trace) -> np.ndarray | None:
    """(T, N) seconds for the N neurons (first numbers of the state), or None for a memory without
    any."""
    cell = _cell(network)
    found = []
    for start in range(0, len(trace), 256):
        part = slice(start, start + 256)
        x = network.sense(
            torch.tensor(trace.image[part]), torch.tensor(trace.inertial[part], dtype=torch.float32)
        )
        if isinstance(cell, LtcCell):
            found.append(cell.time_constants(x, torch.tensor(trace.after[part])))
        elif isinstance(cell, (WiredCfcCell, CfcCell)) and cell.rule != "pure":
            dt = torch.tensor(trace.dt[part], dtype=torch.float32) * network.config.time_scale
            found.append(
                1.0
                / _gate_slopes(cell, x, torch.tensor(trace.before[part]), dt).abs().clamp_min(1e-9)
            )
        elif isinstance(cell, CtRnnCell):
            found.append(torch.full((len(x), cell.outputs), float(cell.tau)))
        else:
            return None
    return (torch.cat(found) / network.config.time_scale).clamp_max(LONGEST).numpy()


def _kind(network: PolicyNetwork) -> str:
    kinds = (((LtcCell,), "ltc"), ((WiredCfcCell, CfcCell), "cfc"), ((CtRnnCell,), "ct_rnn"))
    return next((name for kinds_of, name in kinds if isinstance(_cell(network), kinds_of)), "")


def _cell(network: PolicyNetwork) -> torch.nn.Module:
    return network.cell.recurrent if isinstance(network.cell, Readout) else network.cell


def _gate_slopes(cell: WiredCfcCell | CfcCell, x: Tensor, h: Tensor, dt: Tensor) -> Tensor:
    """t_a (B, units) of every neuron's time gate in the step from h."""
    h = split_state(h, cell.state)
    if cell.memory is not None:
        h, _ = cell.memory(x, *h)
    if isinstance(cell, CfcCell):
        z = torch.cat([x, h], dim=1)
        for layer in () if cell.backbone is None else (cell.backbone, *cell.deeper):
            z = ACTIVATIONS[cell.activation](layer(z))
        return cell.heads(z).chunk(4, dim=1)[2]
    _, after = cell(x, h, dt)
    slopes = []
    for name, first, last in cell.layers:
        layer = getattr(cell, name)
        slopes.append(layer(x, h[:, first:last]).chunk(4, dim=1)[2])
        x = after[:, first:last]  # the next layer listens to the new state of this one
    return torch.cat(slopes[::-1], dim=1)
