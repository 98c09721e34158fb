"""The numba kernels of the LTC as one differentiable operation of PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.cpu import ltc_cpu
from liquid_control.policy.kernels.cpu.jit import COMPILES
from liquid_control.policy.kernels.cpu.ltc_packing import circuit, pack, unpack
from liquid_control.policy.kernels.cpu.sequence import Sequence, empty_gradients
from liquid_control.policy.kernels.cpu.simd import LANES, lines
from liquid_control.policy.kernels.cpu.thread_pool import run_blocks


def choose(cell: LtcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: applies to every LTC."""
    return unroll if COMPILES else None


def unroll(
    cell: LtcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`LtcCell.forward_sequence` for CPU tensors of float32 or float64: x (B, T, F), h (B, U), dt
    (B, T), is_first and mask (B, T) or None → y (B, T, M), h (B, U). Differentiable once, with
    respect to everything but is_first and mask."""
    parameters = [cell.raw_cm, cell.raw_gleak, cell.vleak]
    for synapses in (cell.sensory, cell.recurrent):
        parameters += [synapses.raw_w, synapses.sigma, synapses.mu, synapses.erev]
    if cell.affine:
        parameters += [cell.input_scale, cell.input_shift]
    is_first = torch.zeros(dt.shape, dtype=torch.bool) if is_first is None else is_first.bool()
    mask = torch.ones(dt.shape, dtype=torch.bool) if mask is None else mask.bool()
    y, h = _Unroll.apply(
        x,
        h.to(x),
        dt.to(x),
        is_first,
        mask,
        cell.wiring,
        cell.unfolds,
        cell.positivity,
        torch.is_grad_enabled(),
        *parameters,
    )
    return cell.map_outputs(y), h


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x, h, dt, is_first, mask, wiring, unfolds, positivity, differentiable, *parameters
    ):
        sequence = _sequence(x, h, dt, is_first, mask)
        arrays = (p.detach().numpy() for p in parameters)
        weights = pack(wiring, *arrays, positivity=positivity)
        blocks = -(-len(h) // LANES)
        states = lines(
            blocks * x.shape[1] * h.shape[1] if differentiable else 0, weights.neurons.dtype
        )
        y, last = (
            x.new_empty(*x.shape[:2], wiring.motor),
            torch.empty_like(h, memory_format=torch.contiguous_format),
        )
        run_blocks(
            ltc_cpu.forward,
            blocks,
            torch.get_num_threads(),
            circuit(wiring)[0],
            weights,
            sequence,
            unfolds,
            states,
            y.numpy(),
            last.numpy(),
        )
        ctx.save_for_backward(x, h, dt, is_first, mask, *parameters)
        ctx.rest = wiring, unfolds, positivity, states
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_h):
        x, h, dt, is_first, mask, *parameters = ctx.saved_tensors
        wiring, unfolds, positivity, states = ctx.rest
        sequence, parameters = (
            _sequence(x, h, dt, is_first, mask),
            [p.detach().numpy() for p in parameters],
        )
        weights = pack(wiring, *parameters, positivity=positivity)
        rows = (
            ltc_cpu.SYNAPSE * (len(weights.sensory) + len(weights.recurrent)) + weights.neurons.size
        )
        blocks = -(-len(x) // LANES)
        gradients = empty_gradients(sequence, blocks, rows)
        run_blocks(
            ltc_cpu.backward,
            blocks,
            torch.get_num_threads(),
            circuit(wiring)[0],
            weights,
            sequence,
            unfolds,
            states,
            d_y.contiguous().numpy(),
            d_h.contiguous().numpy(),
            gradients,
        )
        d_inputs = (torch.from_numpy(g) for g in gradients[:3])
        d_parameters = (
            torch.from_numpy(g)
            for g in unpack(
                wiring, gradients.weights.sum(axis=0), *parameters, positivity=positivity
            )
        )
        return *d_inputs, None, None, None, None, None, None, *d_parameters


def _sequence(x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor, mask: Tensor) -> Sequence:
    return Sequence(
        *(tensor.detach().contiguous().numpy() for tensor in (x, h, dt, is_first, mask))
    )
