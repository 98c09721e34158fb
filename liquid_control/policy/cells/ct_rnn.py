"""Continuous-time RNN: leaky units with a fixed time constant.

Funahashi and Nakamura, "Approximation of dynamical systems by continuous time recurrent neural
networks", Neural Networks 1993: dh/dt = -h / tau + tanh(W [x, h] + b).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from liquid_control.errors import ConfigError
from liquid_control.model.cores import CtRnnConfig
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell, check_sizes
from liquid_control.policy.cells.gates import blend
from liquid_control.policy.cells.plain_loop import has_hooks
from liquid_control.policy.cells.sequence_checks import reset_mask


def build(config: CtRnnConfig, inputs: int, wiring: None) -> CtRnnCell:
    """The core of a policy. Explicit Euler steps would be unstable after a gap of 6 * unfolds units
    of time or more."""
    return CtRnnCell(inputs, config.units, config.unfolds, exponential=True)


class CtRnnCell(Cell):
    """CT-RNN of `units` units, all of them outputs.

    Solved by `unfolds` explicit Euler steps of dt / unfolds, as in the code of Hasani et al. 2021
    (there tau = 1 and dt = 0.6). Stable for dt < 2 tau unfolds. With `exponential` each step decays
    exactly while tanh is held: of the same order, and stable for every dt. Raises ConfigError.
    """

    def __init__(
        self, inputs: int, units: int, unfolds: int = 6, tau: float = 1.0, exponential: bool = False
    ) -> None:
        super().__init__()
        check_sizes("CtRnnCell", inputs=inputs, units=units, unfolds=unfolds)
        if not tau > 0:
            raise ConfigError("CtRnnCell.tau", tau, "a positive time constant")
        self.inputs, self.outputs, self.state = inputs, units, (StateArray("state", (units,)),)
        self.unfolds, self.tau, self.exponential = unfolds, tau, exponential
        self.sensory = nn.Linear(inputs, units)
        self.recurrent = nn.Linear(units, units, bias=False)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks: the graph that is exported."""
        h = self._solve(self.sensory(x), h, (dt / self.unfolds).unsqueeze(1))
        return h, h

    def forward_sequence(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`unroll` without its checks; what the inputs drive is computed for all of them at
        once."""
        if mask is not None:
            return super().forward_sequence(x, h, dt, is_first, mask)
        drives = self.sensory(x).unbind(1)
        deltas = (dt / self.unfolds).unsqueeze(2).unbind(1)
        keep, outputs = reset_mask(is_first, x), []
        for t, (drive, delta) in enumerate(zip(drives, deltas, strict=True)):
            h = self._solve(drive, h if keep is None else h * keep[:, t], delta)
            outputs.append(h)
        return torch.stack(outputs, dim=1), h

    def time_constants_of_step(
        self, x: Tensor, before: Tensor, dt: Tensor, after: Tensor
    ) -> Tensor:
        """tau, always."""
        return torch.full_like(after, float(self.tau))

    def _solve(self, drive: Tensor, h: Tensor, delta: Tensor) -> Tensor:
        """drive (B, U) from the input, held for all substeps of delta (B, 1)."""
        weight, scale = self.recurrent.weight.t(), delta if self.tau == 1.0 else delta / self.tau
        scale = -torch.expm1(-scale) if self.exponential else scale
        hooked = has_hooks(self.recurrent)
        for _ in range(self.unfolds):
            if hooked:
                target = torch.tanh(drive + self.recurrent(h))
            else:
                target = torch.tanh(torch.addmm(drive, h, weight))
            h = blend(h, target if self.tau == 1.0 else target * self.tau, scale)
        return h
