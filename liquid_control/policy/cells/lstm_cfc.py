"""Mixed memory as the code of the CfC's paper has it: an LSTM whose output is the input of a CfC
with a state of its own.

Lechner and Hasani 2022; Hasani et al., Nature Machine Intelligence 2022. (`CfcCell`'s variant
mixed_memory, as ncps has it, instead lets the CfC listen to the input and carry the LSTM's output
through time.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from liquid_control.policy.cells.cell import Cell
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import LstmMemory
from liquid_control.policy.cells.sequence_checks import blank_masked, check_sequence, unroll_steps
from liquid_control.policy.kernels.choose import fused_unroll


class MemoryFirstCell(Cell):
    """u, c ← LSTM(x, h, c), then h ← CfC(u, h, dt): the memory steps, the CfC goes through time.
    The state is h and c side by side."""

    def __init__(
        self,
        inputs: int,
        units: int,
        backbone: int = 128,
        layers: int = 1,
        activation: str = "lecun_tanh",
        dropout: float = 0.0,
        kernel: str = "auto",
    ) -> None:
        super().__init__()
        self.memory = LstmMemory(inputs, units)
        self.liquid = CfcCell(
            units, units, backbone, "default", layers, activation, dropout, kernel
        )
        self.inputs, self.units, self.neurons, self.outputs = inputs, units, 2 * units, units

    def unroll(
        self,
        x: Tensor,
        h: Tensor,
        dt: Tensor,
        is_first: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """A sequence: x (B, T, F), dt (B, T) → y (B, T, U), h (B, 2U); is_first and mask (B, T) as
        in `LtcCell.unroll`."""
        x, dt, is_first = blank_masked(x, dt, is_first, mask)
        dt = check_sequence(x, h, dt, is_first, self.inputs, self.neurons)
        if fused_unroll(self.liquid, x, mask) is not None:
            from liquid_control.policy.kernels.cpu.cfc_wide import applies, unroll_behind_memory

            if applies(self.liquid, x, mask):
                return unroll_behind_memory(self.memory, self.liquid, x, h, dt, is_first)
        states, h = unroll_steps(self, x, h, dt, is_first, mask)
        return states[:, :, : self.outputs], h

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks."""
        h, c = h.chunk(2, dim=1)
        u, c = self.memory(x, h, c)
        y, h = self.liquid(u, h, dt)
        return y, torch.cat([h, c], dim=1)
