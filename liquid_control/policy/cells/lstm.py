"""Long short-term memory, with or without time as an input.

Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 1997, with the forget gate
of Gers et al. 2000.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.model.cores import LstmConfig
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell, check_sizes
from liquid_control.policy.cells.gates import initialise_gates
from liquid_control.policy.cells.plain_loop import has_hooks
from liquid_control.policy.cells.sequence_checks import reset_mask

GATES = 4
"""Input, forget, cell, output."""


def build(config: LstmConfig, inputs: int, wiring: None) -> LstmCell:
    """The core of a policy."""
    return LstmCell(inputs, config.units, timed=False, one_bias=True)


class LstmCell(Cell):
    """LSTM of `units` units; the state is the hidden state, which is the output, and the cell
    state.

    With `timed` dt is one more input feature; without it the cell does not depend on time, as
    usual. `forget_bias`: where the bias of the forget gate starts. With `one_bias` a gate has one
    bias, as in the paper; PyTorch's second one stays zero and is not trained. Raises ConfigError.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        timed: bool = True,
        forget_bias: float = 1.0,
        one_bias: bool = False,
    ) -> None:
        super().__init__()
        check_sizes("LstmCell", inputs=inputs, units=units)
        self.inputs, self.outputs, self.timed = inputs, units, timed
        self.state = StateArray("hidden", (units,)), StateArray("cell", (units,))
        self.layer = nn.LSTM(inputs + timed, units, batch_first=True)
        initialise_gates(self.layer, GATES)
        nn.init.constant_(self.layer.bias_ih_l0.data[units : 2 * units], forget_bias)
        self.layer.bias_hh_l0.requires_grad_(not one_bias)

    def forward(
        self, x: Tensor, h: tuple[Tensor, Tensor], dt: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`step` without its checks, written out so that any runtime can run it."""
        if has_hooks(self.layer):
            y, h = self._run(x.unsqueeze(1), h, dt.unsqueeze(1))
            return y[:, 0], h
        layer, x = self.layer, torch.cat([x, dt.unsqueeze(1)], dim=1) if self.timed else x
        h, c = h
        driven = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0)
        recurrent = F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0)
        into, keep, new, out = (driven + recurrent).chunk(GATES, dim=1)
        c = torch.sigmoid(keep) * c + torch.sigmoid(into) * torch.tanh(new)
        h = torch.sigmoid(out) * torch.tanh(c)
        return h, (h, c)

    def forward_sequence(
        self,
        x: Tensor,
        h: tuple[Tensor, Tensor],
        dt: Tensor,
        is_first: Tensor | None,
        mask: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """`unroll` without its checks, by PyTorch's own loop where no sequence starts in it."""
        if mask is not None:
            return super().forward_sequence(x, h, dt, is_first, mask)
        if is_first is None:
            return self._run(x, h, dt)
        keep, outputs = reset_mask(is_first, x), []
        for t in range(x.shape[1]):
            kept = h[0] * keep[:, t], h[1] * keep[:, t]
            y, h = self._run(x[:, t : t + 1], kept, dt[:, t : t + 1])
            outputs.append(y)
        return torch.cat(outputs, dim=1), h

    def _run(
        self, x: Tensor, h: tuple[Tensor, Tensor], dt: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        x = torch.cat([x, dt.unsqueeze(2)], dim=2) if self.timed else x
        y, (h, c) = self.layer(x, (h[0].unsqueeze(0).contiguous(), h[1].unsqueeze(0).contiguous()))
        return y, (h[0], c[0])
