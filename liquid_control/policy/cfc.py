"""The closed-form continuous-time cell, plain and on a wiring.

Hasani et al., "Closed-form continuous-time neural networks", Nature Machine Intelligence 2022, Eq. 4 with the learned
time offset t_b of the authors' code ("default" mode): with z made of input and state,

    h ← tanh(ff1 z) (1 - s) + tanh(ff2 z) s,    s = σ(t_a(z) dt + t_b(z))
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.policy.dispatch import check_kernel, fused_unroll
from liquid_control.policy.steps import check_sequence, check_step, reset_mask
from liquid_control.policy.wiring import NcpWiring

HEADS = 4
"""ff1, ff2, t_a, t_b: one matrix product makes all of them."""


class CfcCell(nn.Module):
    """Fully connected CfC whose state is its output; a backbone of `backbone` LeCun-tanh units (0: none) comes before the heads."""

    def __init__(self, inputs: int, units: int, backbone: int = 128, kernel: str = "auto") -> None:
        super().__init__()
        self.kernel = check_kernel("CfcCell", kernel)
        for name, value, low in (("inputs", inputs, 1), ("units", units, 1), ("backbone", backbone, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ConfigError(f"CfcCell.{name}", value, f"a whole number of at least {low}")
        self.inputs, self.neurons, self.outputs = inputs, units, units
        self.backbone = nn.Linear(inputs + units, backbone) if backbone else None
        self.heads = nn.Linear(backbone or inputs + units, HEADS * units)
        for layer in (self.backbone, self.heads):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)

    def initial_state(self, batch: int) -> Tensor:
        """State (B, U) at the start of a sequence."""
        return self.heads.weight.new_zeros(batch, self.neurons)

    def step(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """One input: x (B, F), h (B, U), dt (B,) → y (B, U), h (B, U). Raises ShapeError and TimeError."""
        return self.forward(x, h, check_step(x, h, dt, self.inputs, self.neurons))

    def unroll(self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h (B, U), dt (B, T) → y (B, T, U), h (B, U); see `LtcCell.unroll`."""
        return _unroll(self, x, h, check_sequence(x, h, dt, is_first, self.inputs, self.neurons), is_first)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks."""
        z = torch.cat([x, h], dim=1)
        if self.backbone is not None:
            z = 1.7159 * torch.tanh(0.666 * self.backbone(z))
        h = _interpolate(self.heads(z), dt)
        return h, h


class WiredCfcCell(nn.Module):
    """One CfC layer each for inter, command and motor neurons, masked by the wiring.

    A layer listens to the layer before it along the wiring's synapses and to all of its own neurons, as in the authors'
    code (the wiring's recurrent command synapses and polarities have no part in it). The state is numbered as the
    wiring's neurons are: motor, command, inter. The motor neurons are the output.
    """

    def __init__(self, wiring: NcpWiring, kernel: str = "auto") -> None:
        super().__init__()
        self.kernel = check_kernel("WiredCfcCell", kernel)
        self.wiring = wiring
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        sensory, between = np.zeros((wiring.neurons, wiring.inputs)), np.zeros((wiring.neurons, wiring.neurons))
        for matrix, synapses in ((sensory, wiring.sensory), (between, wiring.synapses)):
            for source, target, _ in synapses:
                matrix[target, source] = 1.0
        inter, command, motor = (list(r) for r in (wiring.inter_neurons, wiring.command_neurons, wiring.motor_neurons))
        self.inter = MaskedHeads(sensory[inter])
        self.command = MaskedHeads(between[np.ix_(command, inter)])
        self.motor = MaskedHeads(between[np.ix_(motor, command)])

    def initial_state(self, batch: int) -> Tensor:
        """State (B, U) at the start of a sequence."""
        return self.inter.bias.new_zeros(batch, self.neurons)

    def step(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """One input: x (B, F), h (B, U), dt (B,) → y (B, M), h (B, U). Raises ShapeError and TimeError."""
        return self.forward(x, h, check_step(x, h, dt, self.inputs, self.neurons))

    def unroll(self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), h (B, U), dt (B, T) → y (B, T, M), h (B, U); see `LtcCell.unroll`."""
        return _unroll(self, x, h, check_sequence(x, h, dt, is_first, self.inputs, self.neurons), is_first)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        motor, command, inter = h.split([self.wiring.motor, self.wiring.command, self.wiring.inter], dim=1)
        inter = _interpolate(self.inter(x, inter), dt)
        command = _interpolate(self.command(inter, command), dt)
        motor = _interpolate(self.motor(command, motor), dt)
        return motor, torch.cat([motor, command, inter], dim=1)


class MaskedHeads(nn.Module):
    """The four heads of one layer: existing synapses (units, sources) from the layer before, all from its own neurons."""

    def __init__(self, existing: np.ndarray) -> None:
        super().__init__()
        units, sources = existing.shape
        mask = np.tile(np.concatenate([existing, np.ones((units, units))], axis=1), (HEADS, 1))
        self.register_buffer("mask", torch.tensor(mask, dtype=torch.get_default_dtype()), persistent=False)
        self.weight = nn.Parameter(torch.empty(HEADS, units, sources + units))
        self.bias = nn.Parameter(torch.zeros(HEADS * units))
        for head in self.weight:
            nn.init.xavier_uniform_(head)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        return F.linear(torch.cat([x, h], dim=1), self.weight.flatten(0, 1) * self.mask, self.bias)


def _interpolate(heads: Tensor, dt: Tensor) -> Tensor:
    """heads (B, 4 U) = [ff1 | ff2 | t_a | t_b], dt (B,) → state (B, U)."""
    ff1, ff2, t_a, t_b = heads.chunk(HEADS, dim=1)
    return torch.lerp(torch.tanh(ff1), torch.tanh(ff2), torch.sigmoid(t_a * dt.unsqueeze(1) + t_b))


def _unroll(cell: nn.Module, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None) -> tuple[Tensor, Tensor]:
    fused = fused_unroll(cell, x, None)
    if fused is not None:
        return fused(cell, x, h, dt, is_first, None)
    keep = reset_mask(is_first, x)
    outputs = []
    for t in range(x.shape[1]):
        h = h if keep is None else h * keep[:, t]
        y, h = cell(x[:, t], h, dt[:, t])
        outputs.append(y)
    return torch.stack(outputs, dim=1), h
