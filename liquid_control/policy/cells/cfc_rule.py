"""Parts that the closed-form cells share: variants, the rule from heads to the next state, the LSTM
of mixed memory.

Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 2022. With
z made of input and state, and the learned time offset t_b of the authors' code, the variants are

    default        h ← tanh(ff1 z) (1 - s) + tanh(ff2 z) s,    s = σ(t_a(z) dt + t_b(z))    (Eq. 4)
    no_gate        h ← tanh(ff1 z) + tanh(ff2 z) s
    pure           h ← A - A exp(-dt (|w_tau| + |ff1 z|)) ff1 z                             (Cf-S)
    mixed_memory   an LSTM steps first; its output is the state that the default rule carries
                   through dt

`mixed_no_gate` and `mixed_pure` join the LSTM with the other rules. The state of a mixed variant is
two arrays, hidden and cell; that of the others is one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell, join_state, split_state
from liquid_control.policy.cells.gates import blend
from liquid_control.policy.cells.sequence_checks import State, reset_mask

HEADS = 4
"""ff1, ff2, t_a, t_b of the gated rules, from one matrix product."""
VARIANTS = {
    "default": ("default", False),
    "no_gate": ("no_gate", False),
    "pure": ("pure", False),
    "mixed_memory": ("default", True),
    "mixed_no_gate": ("no_gate", True),
    "mixed_pure": ("pure", True),
}
"""variant: (rule, whether it has mixed memory). `pure` is the paper's Cf-S."""
ACTIVATIONS = {
    "lecun_tanh": lambda z: 1.7159 * torch.tanh(0.666 * z),
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}
"""After each backbone layer."""


def find_option(name: str, value: object, options: dict):
    """options[value]; raises ConfigError when there is none."""
    if not isinstance(value, str) or value not in options:
        raise ConfigError(name, value, "one of " + ", ".join(options))
    return options[value]


def head_count(rule: str) -> int:
    """How many heads a rule has: the pure one has ff1 only."""
    return 1 if rule == "pure" else HEADS


def advance(
    rule: str, heads: Tensor, dt: Tensor, rate: Tensor | None, asymptote: Tensor | None
) -> Tensor:
    """heads (B, 4 U) = [ff1 | ff2 | t_a | t_b] and dt (B,) → state (B, U); the pure rule has heads
    ff1 (B, U), rate w_tau (U,) and asymptote A (U,)."""
    dt = dt.unsqueeze(1)
    if rule == "pure":
        return asymptote - asymptote * torch.exp(-dt * (_size(rate) + heads.abs())) * heads
    ff1, ff2, t_a, t_b = heads.chunk(HEADS, dim=1)
    share = torch.sigmoid(t_a * dt + t_b)
    if rule == "no_gate":
        return torch.tanh(ff1) + share * torch.tanh(ff2)
    return blend(torch.tanh(ff1), torch.tanh(ff2), share)


def _size(rate: Tensor) -> Tensor:
    """|rate|, with a slope of 1 at 0, where w_tau starts: that of abs() is 0, and w_tau would stay
    there for ever."""
    return torch.where(rate < 0, -rate, rate)


def gate_times(t_a: Tensor) -> Tensor:
    """How long dt must grow until the odds of each time gate σ(t_a dt + t_b) change by e."""
    return 1.0 / t_a.abs().clamp_min(1e-9)


def unroll_steps(
    cell: Cell, x: Tensor, h: State, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, State]:
    """`forward_sequence` of the closed-form cells. It carries the state arrays as one tensor,
    whose first numbers after each input are the outputs (B, T, M)."""
    keep, flat, states = reset_mask(is_first, x), join_state(h), []
    for t in range(x.shape[1]):
        flat = flat if keep is None else flat * keep[:, t]
        advanced = join_state(cell(x[:, t], split_state(flat, cell.state), dt[:, t])[1])
        flat = advanced if mask is None else torch.where(mask[:, t, None].bool(), advanced, flat)
        states.append(flat)
    return torch.stack(states, dim=1)[:, :, : cell.outputs], split_state(flat, cell.state)


def pure_parameters(rule: str, units: int) -> tuple[nn.Parameter | None, nn.Parameter | None]:
    """w_tau and A (units,) of the pure rule, None for the others."""
    if rule != "pure":
        return None, None
    return nn.Parameter(torch.zeros(units)), nn.Parameter(torch.ones(units))


def closed_form_state(units: int, mixed: bool) -> tuple[StateArray, ...]:
    """The state arrays of a closed-form cell, with or without mixed memory."""
    if mixed:
        return StateArray("hidden", (units,)), StateArray("cell", (units,))
    return (StateArray("state", (units,)),)


class LstmStep(nn.Module):
    """The LSTM of mixed memory: it advances in discrete steps, and the closed-form cell carries its
    output through time.

    Lechner and Hasani, "Mixed-memory RNNs for learning long-term dependencies in irregularly
    sampled time series", 2022. `gates` makes input, input gate, forget gate and output gate,
    `units` numbers each in this order; the forget gate's bias starts at 1.
    """

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.gates = nn.Linear(inputs + units, 4 * units)
        with torch.no_grad():
            nn.init.xavier_uniform_(self.gates.weight[:, :inputs])
            for gate in self.gates.weight[:, inputs:].chunk(4):
                nn.init.orthogonal_(gate)
            nn.init.zeros_(self.gates.bias)
            self.gates.bias[2 * units : 3 * units] = 1.0

    def forward(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, F), h (B, U), c (B, U) → h (B, U), c (B, U)."""
        new, into, keep, out = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = c * torch.sigmoid(keep) + torch.tanh(new) * torch.sigmoid(into)
        return torch.tanh(c) * torch.sigmoid(out), c
