"""Mixed memory as in the code of the CfC's paper: an LSTM whose output is the input of a CfC with a
separate state.

Lechner and Hasani 2022; Hasani et al., Nature Machine Intelligence 2022. (`CfcCell`'s variant
mixed_memory, as in ncps, instead lets the CfC read the input and carry the LSTM's output through
time.)
"""

from __future__ import annotations

from torch import Tensor

from liquid_control.policy.cells.cell import Cell, check_kernel
from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.cfc_rule import LstmStep, closed_form_state, unroll_steps


class LstmCfcCell(Cell):
    """u, c ← LSTM(x, h, c), then h ← CfC(u, h, dt). The state is h and c; h is the output.
    `kernel`: see `cell.KERNELS`. Raises ConfigError."""

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
        self.memory = LstmStep(inputs, units)
        self.liquid = CfcCell(units, units, backbone, "default", layers, activation, dropout)
        self.inputs, self.units, self.outputs = inputs, units, units
        self.state = closed_form_state(units, mixed=True)
        self.kernel = check_kernel("LstmCfcCell", kernel)

    forward_sequence = unroll_steps

    def forward(
        self, x: Tensor, h: tuple[Tensor, Tensor], dt: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`step` without its checks: the graph that is exported."""
        h, c = h
        u, c = self.memory(x, h, c)
        y, h = self.liquid(u, h, dt)
        return y, (h, c)
