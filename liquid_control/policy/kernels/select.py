"""Which fused kernel unrolls a cell; `policy.dispatch` asks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.policy.cfc import HEADS, CfcCell, WiredCfcCell
from liquid_control.policy.kernels.cfc_tables import dense_circuit, wired_circuit
from liquid_control.policy.kernels.cfc_torch import unroll_cfc
from liquid_control.policy.kernels.ltc_torch import unroll_ltc
from liquid_control.policy.ltc import LtcCell
from liquid_control.policy.wiring import NcpWiring


def select(cell: nn.Module, x: Tensor, mask: Tensor | None) -> Callable | None:
    """unroll(cell, x, h, dt, is_first, mask) → (y, h) for these inputs, None where the readable cell has to do it."""
    if mask is not None or x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return None
    if any(parameter.dtype != x.dtype or parameter.device != x.device for parameter in cell.parameters()):
        return None
    if isinstance(cell, LtcCell):
        return _ltc
    if cell.variant != "default":
        return None
    if isinstance(cell, WiredCfcCell) and isinstance(cell.wiring, NcpWiring) and not cell.dense_time:
        return _wired_cfc
    if isinstance(cell, CfcCell) and cell.backbone is None:
        return _dense_cfc
    return None


def _ltc(cell: LtcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: None) -> tuple[Tensor, Tensor]:
    return unroll_ltc(cell, x, h, dt, is_first)


def _wired_cfc(cell: WiredCfcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: None) -> tuple[Tensor, Tensor]:
    circuit, places = wired_circuit(cell.wiring)
    layers = (cell.inter, cell.command, cell.motor)
    weights = torch.cat([layer.weight.reshape(HEADS, -1) for layer in layers], dim=1)
    bias = torch.cat([layer.bias.view(HEADS, -1) for layer in layers], dim=1)
    return unroll_cfc(circuit, weights[:, torch.from_numpy(places)].T, bias.T, 1.0, cell.outputs, x, h, dt, is_first)


def _dense_cfc(cell: CfcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: None) -> tuple[Tensor, Tensor]:
    circuit, _ = dense_circuit(cell.inputs, cell.neurons)
    weights, bias = cell.heads.weight.view(HEADS, -1), cell.heads.bias.view(HEADS, -1)
    return unroll_cfc(circuit, weights.T, bias.T, 1.0, cell.outputs, x, h, dt, is_first)
