"""Gated recurrent unit, with or without time as an input.

Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014, with the reset
gate after the product, as in cuDNN and PyTorch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from liquid_control.model.cores import GruConfig, GruTimedConfig
from liquid_control.model.state import StateArray
from liquid_control.policy.cells.cell import Cell, check_sizes
from liquid_control.policy.cells.gates import blend, initialise_gates
from liquid_control.policy.cells.plain_loop import has_hooks
from liquid_control.policy.cells.sequence_checks import reset_mask

GATES = 3
"""Reset, update, new."""


def build(config: GruConfig | GruTimedConfig, inputs: int, wiring: None) -> GruCell:
    """The core of a policy."""
    return GruCell(inputs, config.units, timed=config.uses_time, one_bias=True)


class GruCell(Cell):
    """GRU of `units` units, all of them outputs.

    With `timed` dt is one more input feature; without it the cell does not depend on time, as
    usual. With `one_bias` a gate has one bias, as in the paper; PyTorch's second one stays zero and
    is not trained. Raises ConfigError.
    """

    def __init__(self, inputs: int, units: int, timed: bool = True, one_bias: bool = False) -> None:
        super().__init__()
        check_sizes("GruCell", inputs=inputs, units=units)
        self.inputs, self.outputs, self.state = inputs, units, (StateArray("state", (units,)),)
        self.timed = timed
        self.layer = nn.GRU(inputs + timed, units, batch_first=True)
        initialise_gates(self.layer, GATES)
        self.layer.bias_hh_l0.requires_grad_(not one_bias)

    def forward(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        """`step` without its checks, written out so that any runtime can run it."""
        if has_hooks(self.layer):
            y, h = self._run(x.unsqueeze(1), h, dt.unsqueeze(1))
            return y[:, 0], h
        layer, x = self.layer, torch.cat([x, dt.unsqueeze(1)], dim=1) if self.timed else x
        driven = F.linear(x, layer.weight_ih_l0, layer.bias_ih_l0).chunk(GATES, dim=1)
        recurrent = F.linear(h, layer.weight_hh_l0, layer.bias_hh_l0).chunk(GATES, dim=1)
        (reset, keep, new), (h_reset, h_keep, h_new) = driven, recurrent
        new = torch.tanh(new + torch.sigmoid(reset + h_reset) * h_new)
        h = blend(new, h, torch.sigmoid(keep + h_keep))
        return h, h

    def forward_sequence(
        self, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """`unroll` without its checks, by PyTorch's own loop where no sequence starts in it."""
        if mask is not None:
            return super().forward_sequence(x, h, dt, is_first, mask)
        if is_first is None:
            return self._run(x, h, dt)
        keep, outputs = reset_mask(is_first, x), []
        for t in range(x.shape[1]):
            y, h = self._run(x[:, t : t + 1], h * keep[:, t], dt[:, t : t + 1])
            outputs.append(y)
        return torch.cat(outputs, dim=1), h

    def _run(self, x: Tensor, h: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([x, dt.unsqueeze(2)], dim=2) if self.timed else x
        y, h = self.layer(x, h.unsqueeze(0).contiguous())
        return y, h[0]
