"""What the closed-form cells are made of: their variants, the rule from heads to the next state,
and the memory of the mixed ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError

HEADS = 4
"""ff1, ff2, t_a, t_b of the gated rules: one matrix product makes all of them."""
VARIANTS = {
    "default": ("default", False),
    "no_gate": ("no_gate", False),
    "pure": ("pure", False),
    "mixed_memory": ("default", True),
    "mixed_no_gate": ("no_gate", True),
    "mixed_pure": ("pure", True),
}
"""variant: (rule, whether an LSTM remembers beside it). `pure` is the paper's Cf-S."""
ACTIVATIONS = {
    "lecun_tanh": lambda z: 1.7159 * torch.tanh(0.666 * z),
    "tanh": torch.tanh,
    "relu": F.relu,
    "gelu": F.gelu,
    "silu": F.silu,
}
"""Between backbone layers and heads."""


def choose(name: str, value: object, options: dict):
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
        return asymptote - asymptote * torch.exp(-dt * (rate.abs() + heads.abs())) * heads
    ff1, ff2, t_a, t_b = heads.chunk(HEADS, dim=1)
    share = torch.sigmoid(t_a * dt + t_b)
    if rule == "no_gate":
        return torch.tanh(ff1) + share * torch.tanh(ff2)
    return torch.lerp(torch.tanh(ff1), torch.tanh(ff2), share)


class LstmMemory(nn.Module):
    """The LSTM step of a mixed-memory cell: it remembers in discrete steps, and the liquid cell
    carries its output through time.

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
