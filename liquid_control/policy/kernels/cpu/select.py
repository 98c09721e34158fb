"""Which fused kernel unrolls a cell on the CPU; `policy.kernels.choose` asks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from liquid_control.policy.cells.cfc import CfcCell, WiredCfcCell
from liquid_control.policy.cells.cfc_rule import HEADS
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.cfc_layers import GATED, layer_weights
from liquid_control.policy.kernels.cpu.cfc_autograd import unroll_cfc
from liquid_control.policy.kernels.cpu.cfc_packing import dense_circuit, wired_circuit
from liquid_control.policy.kernels.cpu.cfc_wide import applies, unroll_wide
from liquid_control.policy.kernels.cpu.ltc_autograd import unroll_ltc


def select(cell: nn.Module, x: Tensor, mask: Tensor | None) -> Callable | None:
    """unroll(cell, x, h, dt, is_first, mask) → (y, h) for these inputs, None where the readable
    cell has to do it."""
    if x.device.type != "cpu" or x.dtype not in (torch.float32, torch.float64):
        return None
    if any(
        parameter.dtype != x.dtype or parameter.device != x.device
        for parameter in cell.parameters()
    ):
        return None
    if isinstance(cell, LtcCell):
        return unroll_ltc
    if isinstance(cell, WiredCfcCell) and cell.variant in GATED:
        return _wired_cfc
    if isinstance(cell, CfcCell) and cell.variant in GATED and cell.backbone is None:
        return _dense_cfc
    if isinstance(cell, CfcCell) and applies(cell, x, mask):
        return unroll_wide
    return None


def _wired_cfc(
    cell: WiredCfcCell,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    circuit, places = wired_circuit(cell.wiring, cell.dense_time)
    weights, biases = layer_weights(cell)
    connections = torch.cat(weights, dim=1)[:, torch.from_numpy(places)]
    gate = float(GATED[cell.variant])
    return unroll_cfc(
        circuit,
        connections.T,
        torch.cat(biases, dim=1).T,
        gate,
        cell.outputs,
        x,
        h,
        dt,
        is_first,
        mask,
    )


def _dense_cfc(
    cell: CfcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    circuit, _ = dense_circuit(cell.inputs, cell.neurons)
    connections, bias = cell.heads.weight.view(HEADS, -1), cell.heads.bias.view(HEADS, -1)
    return unroll_cfc(
        circuit,
        connections.T,
        bias.T,
        float(GATED[cell.variant]),
        cell.outputs,
        x,
        h,
        dt,
        is_first,
        mask,
    )
