"""Which fused kernel unrolls a cell; `policy.dispatch` asks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.policy.kernels.ltc_torch import unroll_ltc
from liquid_control.policy.ltc import LtcCell


def select(cell: nn.Module, x: Tensor, mask: Tensor | None) -> Callable | None:
    """unroll(cell, x, h, dt, is_first, mask) → (y, h) for these inputs, None where the readable cell has to do it."""
    if mask is not None or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return None
    if any(parameter.dtype != x.dtype or parameter.device != x.device for parameter in cell.parameters()):
        return None
    return _ltc if isinstance(cell, LtcCell) else None


def _ltc(cell: LtcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: None) -> tuple[Tensor, Tensor]:
    return unroll_ltc(cell, x, h, dt, is_first)
