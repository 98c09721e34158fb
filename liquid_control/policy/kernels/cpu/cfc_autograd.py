"""The numba kernels of the CfC as one differentiable operation of PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.policy.cells.cfc import CfcCell
from liquid_control.policy.cells.wired_cfc import WiredCfcCell
from liquid_control.policy.kernels.cfc_layers import GATED, circuit_of, layer_weights
from liquid_control.policy.kernels.cpu import cfc_cpu
from liquid_control.policy.kernels.cpu.cfc_packing import Circuit
from liquid_control.policy.kernels.cpu.jit import COMPILES
from liquid_control.policy.kernels.cpu.sequence import Sequence, empty_gradients
from liquid_control.policy.kernels.cpu.simd import LANES, lines
from liquid_control.policy.kernels.cpu.thread_pool import run_blocks


def choose_wired(cell: WiredCfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: the gated rules without mixed memory."""
    return unroll if COMPILES and cell.variant in GATED else None


def choose_dense(cell: CfcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: the gated rules without backbone and mixed memory."""
    applies = COMPILES and cell.variant in GATED and cell.backbone is None
    return unroll if applies else None


def unroll(
    cell: WiredCfcCell | CfcCell,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """`forward_sequence` of a cell that `choose_wired` or `choose_dense` takes."""
    circuit, places = circuit_of(cell)
    weights, biases = layer_weights(cell)
    connections = torch.cat(weights, dim=1)
    if len(places) < connections.shape[1]:
        connections = connections[:, torch.from_numpy(places)]
    bias, gate = torch.cat(biases, dim=1).T, float(GATED[cell.variant])
    return unroll_cfc(circuit, connections.T, bias, gate, cell.outputs, x, h, dt, is_first, mask)


def unroll_cfc(
    circuit: Circuit,
    connections: Tensor,
    bias: Tensor,
    gate: float,
    motor: int,
    x: Tensor,
    h: Tensor,
    dt: Tensor,
    is_first: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """The CfC over a sequence, for CPU tensors of float32 or float64: x (B, T, F), h (B, U), dt (B,
    T), is_first and mask (B, T) or None → y (B, T, motor), the first `motor` numbers of the state
    after each input, and h (B, U).

    connections (C, 4), bias (U, 4) and `gate` as `cfc_cpu` wants them. Differentiable once, with
    respect to all tensors but is_first and mask.
    """
    is_first = torch.zeros(dt.shape, dtype=torch.bool) if is_first is None else is_first.bool()
    mask = torch.ones(dt.shape, dtype=torch.bool) if mask is None else mask.bool()
    differentiable = torch.is_grad_enabled()
    return _Unroll.apply(
        x,
        h.to(x),
        dt.to(x),
        is_first,
        mask,
        connections,
        bias,
        circuit,
        gate,
        motor,
        differentiable,
    )


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x, h, dt, is_first, mask, connections, bias, circuit, gate, motor, differentiable
    ):
        sequence, weights = _arrays(x, h, dt, is_first, mask, connections, bias)
        blocks = -(-len(h) // LANES)
        kept = lines(
            blocks * x.shape[1] * h.shape[1] * cfc_cpu.KEPT if differentiable else 0,
            sequence.h.dtype,
        )
        y, last = (
            x.new_empty(*x.shape[:2], motor),
            torch.empty_like(h, memory_format=torch.contiguous_format),
        )
        run_blocks(
            cfc_cpu.forward,
            blocks,
            torch.get_num_threads(),
            circuit,
            weights,
            sequence,
            gate,
            kept,
            y.numpy(),
            last.numpy(),
        )
        ctx.save_for_backward(x, h, dt, is_first, mask, connections, bias)
        ctx.rest = circuit, gate, kept
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_h):
        sequence, weights = _arrays(*ctx.saved_tensors)
        circuit, gate, kept = ctx.rest
        sizes = [table.size for table in weights]
        blocks = -(-len(sequence.h) // LANES)
        gradients = empty_gradients(sequence, blocks, sum(sizes))
        run_blocks(
            cfc_cpu.backward,
            blocks,
            torch.get_num_threads(),
            circuit,
            weights,
            sequence,
            gate,
            kept,
            d_y.contiguous().numpy(),
            d_h.contiguous().numpy(),
            gradients,
        )
        d_x, d_h, d_dt = (torch.from_numpy(g) for g in gradients[:3])
        d_connections, d_bias = torch.from_numpy(gradients.weights.sum(axis=0)).split(sizes)
        return (
            d_x,
            d_h,
            d_dt,
            None,
            None,
            d_connections.view(-1, cfc_cpu.HEADS),
            d_bias.view(-1, cfc_cpu.HEADS),
            None,
            None,
            None,
            None,
        )


def _arrays(x, h, dt, is_first, mask, connections, bias) -> tuple[Sequence, cfc_cpu.Weights]:
    arrays = [
        tensor.detach().contiguous().numpy()
        for tensor in (x, h, dt, is_first, mask, connections, bias)
    ]
    return Sequence(*arrays[:5]), cfc_cpu.Weights(*arrays[5:])
