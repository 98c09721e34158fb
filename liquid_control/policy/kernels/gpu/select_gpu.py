"""Which fused kernel unrolls a cell on a GPU; `policy.kernels.choose` asks. Needs triton, which
PyTorch for GPUs brings along."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.policy.cells.cfc import CfcCell, WiredCfcCell
from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.cfc_layers import GATED, layer_weights
from liquid_control.policy.kernels.gpu.cfc_gpu import dense_places, unroll_cfc, wired_places
from liquid_control.policy.kernels.gpu.launch_gpu import LARGEST
from liquid_control.policy.kernels.gpu.ltc_gpu import unroll_ltc

OLDEST = (7, 5)
"""Compute capability that triton compiles for."""


def select(cell: nn.Module, x: Tensor, mask: Tensor | None) -> Callable | None:
    """unroll(cell, x, h, dt, is_first, mask) → (y, h) for these inputs, None where the readable
    cell has to do it."""
    if x.dtype not in (torch.float32, torch.float64) or (
        x.is_cuda and torch.cuda.get_device_capability(x.device) < OLDEST
    ):
        return None
    if any(
        parameter.dtype != x.dtype or parameter.device != x.device
        for parameter in cell.parameters()
    ):
        return None
    if isinstance(cell, LtcCell) and cell.neurons <= LARGEST:
        return unroll_ltc
    if isinstance(cell, WiredCfcCell) and cell.variant in GATED and cell.neurons <= LARGEST:
        return _wired_cfc
    if (
        isinstance(cell, CfcCell)
        and cell.variant in GATED
        and cell.backbone is None
        and cell.neurons <= LARGEST
    ):
        return _dense_cfc
    return None


def _wired_cfc(
    cell: WiredCfcCell,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    places = wired_places(cell.wiring, cell.dense_time, x.device)
    weights, biases = layer_weights(cell)
    return unroll_cfc(
        places, weights, biases, GATED[cell.variant], cell.outputs, x, h, dt, is_first, mask
    )


def _dense_cfc(
    cell: CfcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    places = dense_places(cell.inputs, cell.neurons, x.device)
    weights, biases = [cell.heads.weight.view(HEADS, -1)], [cell.heads.bias.view(HEADS, -1)]
    return unroll_cfc(
        places, weights, biases, GATED[cell.variant], cell.outputs, x, h, dt, is_first, mask
    )
