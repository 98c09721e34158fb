"""The triton kernels of the LTC as one differentiable operation of PyTorch."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.policy.free_wiring import FreeWiring
from liquid_control.policy.kernels import triton_ltc, triton_sense
from liquid_control.policy.kernels.launch_gpu import ROWS, WIDTH, on_device, programs, warps
from liquid_control.policy.wiring import NcpWiring


def unroll_ltc(cell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    """`LtcCell.unroll` between its checks and its output map, for tensors of float32 or float64 on one GPU: x (B, T, F), h (B, U),
    dt (B, T), is_first and mask (B, T) or None → voltages y (B, T, M), h (B, U). Differentiable once, with respect to everything
    but is_first and mask."""
    parameters = [cell.raw_cm, cell.raw_gleak, cell.vleak]
    for synapses in (cell.recurrent, cell.sensory):
        parameters += [synapses.raw_w, synapses.sigma, synapses.mu, synapses.erev]
    if cell.affine:
        parameters += [cell.input_scale, cell.input_shift]
    options = cell.wiring, cell.unfolds, cell.affine, torch.is_grad_enabled()
    return _Unroll.apply(x, h.to(x), dt.to(x), is_first, mask, *options, *parameters)


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h, dt, is_first, mask, wiring, unfolds, affine, differentiable, *parameters):
        x, h, dt, is_first, mask = (None if part is None else part.contiguous() for part in (x, h, dt, is_first, mask))
        (batch, time, features), units = x.shape, wiring.neurons
        at = places(wiring, x.device)
        weights = torch.cat(parameters)
        own = 3 * units + 4 * len(wiring.synapses)
        drive = x.new_empty(batch, time, 2, units)
        y, last = x.new_empty(batch, time, wiring.motor), torch.empty_like(h)
        kept = x.new_empty(batch, time, 2 * unfolds + 1 if differentiable else 0, units)
        (fan, size), rows = at.arriving.shape, batch * time
        if rows:
            with on_device(x):
                triton_sense.sense[(-(-rows // ROWS),)](
                    x, at.sensory, weights[own:], drive, rows, ROWS, features, units, len(wiring.sensory),
                    size, WIDTH, affine, num_warps=warps(size * WIDTH))  # fmt: skip
                triton_ltc.solve[(batch,)](
                    drive, h, dt, is_first, mask, at.arriving, at.sources, weights, y, last, kept,
                    time, unfolds, units, wiring.motor, len(wiring.synapses),
                    size, fan, is_first is not None, mask is not None, differentiable, num_warps=warps(size * fan, 16))  # fmt: skip
        ctx.save_for_backward(x, dt, is_first, mask, weights, kept)
        ctx.rest = wiring, unfolds, affine, [len(parameter) for parameter in parameters]
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_last):
        x, dt, is_first, mask, weights, kept = ctx.saved_tensors
        wiring, unfolds, affine, sizes = ctx.rest
        (batch, time, features), units = x.shape, wiring.neurons
        at = places(wiring, x.device)
        (fan, size), rows, own = at.leaving.shape, batch * time, 3 * units + 4 * len(wiring.synapses)
        groups, chunk = programs(rows)
        d_drive, d_h = x.new_empty(batch, time, 2, units), x.new_empty(batch, units)
        d_x, d_dt = torch.empty_like(x), torch.empty_like(dt)
        d_own, d_sensory = x.new_empty(batch, own), x.new_empty(groups, len(weights) - own)
        if rows:
            with on_device(x):
                triton_ltc.solve_back[(batch,)](
                    kept, dt, is_first, mask, at.leaving, at.targets, weights, d_y.contiguous(), d_last.contiguous(),
                    d_drive, d_h, d_dt, d_own, time, unfolds, units, wiring.motor, len(wiring.synapses),
                    size, fan, is_first is not None, mask is not None, num_warps=warps(size * fan))  # fmt: skip
                triton_sense.sense_back[(groups, -(-features // WIDTH))](
                    x, at.sensory, weights[own:], d_drive, d_x, d_sensory, rows, chunk, features, units, len(wiring.sensory),
                    size, WIDTH, affine, num_warps=warps(size * WIDTH))  # fmt: skip
        d_parameters = torch.cat([d_own.sum(0), d_sensory.sum(0)]).split(sizes)
        return d_x, d_h, d_dt, None, None, None, None, None, None, *d_parameters


class Places(NamedTuple):
    """Where the synapses of a wiring stand, on a device; -1 where there is none. All int32."""

    sensory: Tensor  # (U, F)
    arriving: Tensor  # (FAN, SIZE) numbers of the recurrent synapses that reach each neuron, and their sources
    sources: Tensor
    leaving: Tensor  # (FAN, SIZE) the same of those that leave it, and their targets
    targets: Tensor


@functools.lru_cache(maxsize=64)
def places(wiring: NcpWiring | FreeWiring, device: torch.device) -> Places:
    """Those of a wiring."""
    sensory = np.full((wiring.neurons, wiring.inputs), -1, np.int32)
    for number, (source, target, _) in enumerate(wiring.sensory):
        sensory[target, source] = number
    pairs = [(source, target) for source, target, _ in wiring.synapses]
    tables = sensory, *_fans(pairs, 1, wiring.neurons), *_fans(pairs, 0, wiring.neurons)
    return Places(*(torch.from_numpy(table).to(device) for table in tables))


def _fans(pairs: list[tuple[int, int]], end: int, neurons: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers, and neurons at the other end, of the synapses that have each neuron at `end`. Sizes are powers of two, as triton's are."""
    fans = [[number for number, pair in enumerate(pairs) if pair[end] == neuron] for neuron in range(neurons)]
    shape = triton.next_power_of_2(max(map(len, fans)) or 1), triton.next_power_of_2(neurons)
    numbers, others = np.full(shape, -1, np.int32), np.zeros(shape, np.int32)
    for neuron, fan in enumerate(fans):
        numbers[: len(fan), neuron] = fan
        others[: len(fan), neuron] = [pairs[number][1 - end] for number in fan]
    return numbers, others
