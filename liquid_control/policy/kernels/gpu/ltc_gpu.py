"""The triton kernels of the LTC as one differentiable operation of PyTorch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring
from liquid_control.policy.cells.ltc import LtcCell
from liquid_control.policy.kernels.gpu import triton_ltc, triton_sense
from liquid_control.policy.kernels.gpu.launch_gpu import (
    LARGEST,
    ROWS,
    WARP,
    WIDTH,
    contiguous,
    is_supported,
    on_device,
    programs,
    warps,
)


def choose(cell: LtcCell, x: Tensor, mask: Tensor | None) -> Callable | None:
    """See `policy.kernels.choose`: up to `LARGEST` neurons."""
    applies = cell.neurons <= LARGEST and cell.positivity == "softplus"
    return unroll if applies and is_supported(x) else None


def unroll(
    cell: LtcCell, x: Tensor, h: Tensor, dt: Tensor, is_first: Tensor | None, mask: Tensor | None
) -> tuple[Tensor, Tensor]:
    """`LtcCell.forward_sequence` for tensors of float32 or float64 on one GPU: x (B, T, F), h (B,
    U), dt (B, T), is_first and mask (B, T) or None → y (B, T, M), h (B, U). Differentiable once,
    with respect to everything but is_first and mask."""
    parameters = [cell.raw_cm, cell.raw_gleak, cell.vleak]
    for synapses in (cell.recurrent, cell.sensory):
        parameters += [synapses.raw_w, synapses.sigma, synapses.mu, synapses.erev]
    if cell.affine:
        parameters += [cell.input_scale, cell.input_shift]
    is_first, mask = (None if part is None else part.bool() for part in (is_first, mask))
    options = cell.wiring, cell.unfolds, cell.affine, torch.is_grad_enabled()
    y, h = _Unroll.apply(x, h.to(x), dt.to(x), is_first, mask, *options, *parameters)
    return cell.map_outputs(y), h


class _Unroll(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx, x, h, dt, is_first, mask, wiring, unfolds, affine, differentiable, *parameters
    ):
        x, h, dt, is_first, mask = contiguous(x, h, dt, is_first, mask)
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
                    x,
                    at.sensory,
                    weights[own:],
                    drive,
                    rows,
                    ROWS,
                    features,
                    units,
                    len(wiring.sensory),
                    size,
                    WIDTH,
                    affine,
                    num_warps=warps(size * WIDTH),
                )
                triton_ltc.solve[(batch,)](
                    drive,
                    h,
                    dt,
                    is_first,
                    mask,
                    at.arriving,
                    at.sources,
                    at.parts,
                    weights,
                    y,
                    last,
                    kept,
                    time,
                    unfolds,
                    units,
                    wiring.motor,
                    len(wiring.synapses),
                    size,
                    fan,
                    len(at.parts),
                    is_first is not None,
                    mask is not None,
                    differentiable,
                    num_warps=warps(size * fan, 16),
                )
        ctx.save_for_backward(x, dt, is_first, mask, weights, kept)
        ctx.rest = wiring, at, unfolds, affine, [parameter.numel() for parameter in parameters]
        return y, last

    @staticmethod
    @once_differentiable
    def backward(ctx, d_y, d_last):
        x, dt, is_first, mask, weights, kept = ctx.saved_tensors
        wiring, at, unfolds, affine, sizes = ctx.rest
        (batch, time, features), units = x.shape, wiring.neurons
        (fan, size), rows, own = (
            at.leaving.shape,
            batch * time,
            3 * units + 4 * len(wiring.synapses),
        )
        groups, chunk = programs(rows)
        d_drive, d_h = x.new_empty(batch, time, 2, units), x.new_empty(batch, units)
        d_x, d_dt = torch.empty_like(x), torch.empty_like(dt)
        d_own, d_sensory = x.new_empty(batch, own), x.new_empty(groups, len(weights) - own)
        if rows:
            with on_device(x):
                triton_ltc.solve_back[(batch,)](
                    kept,
                    dt,
                    is_first,
                    mask,
                    at.leaving,
                    at.targets,
                    weights,
                    d_y.contiguous(),
                    d_last.contiguous(),
                    d_drive,
                    d_h,
                    d_dt,
                    d_own,
                    time,
                    unfolds,
                    units,
                    wiring.motor,
                    len(wiring.synapses),
                    size,
                    fan,
                    is_first is not None,
                    mask is not None,
                    num_warps=warps(size * fan),
                )
                triton_sense.sense_back[(groups, -(-features // WIDTH))](
                    x,
                    at.sensory,
                    weights[own:],
                    d_drive,
                    d_x,
                    d_sensory,
                    rows,
                    chunk,
                    features,
                    units,
                    len(wiring.sensory),
                    size,
                    WIDTH,
                    affine,
                    num_warps=warps(size * WIDTH),
                )
        d_parameters = torch.cat([d_own.sum(0), d_sensory.sum(0)]).split(sizes)
        return d_x, d_h, d_dt, None, None, None, None, None, None, *d_parameters


class Places(NamedTuple):
    """Where the synapses of a wiring stand, on a device; -1 where there is none. All int32. SIZE
    threads have a neuron each."""

    sensory: Tensor  # (U, F)
    arriving: Tensor  # (FAN, SIZE) recurrent synapses that each thread adds up for their target
    sources: Tensor  # (FAN, SIZE) and where they come from
    parts: Tensor  # (PARTS, SIZE) the threads that do so for each neuron
    leaving: Tensor  # (FAN, SIZE) numbers of the recurrent synapses that leave each neuron
    targets: Tensor  # (FAN, SIZE) and where they go


@functools.lru_cache(maxsize=64)
def places(wiring: NcpWiring | FreeWiring, device: torch.device) -> Places:
    """Those of a wiring."""
    sensory = np.full((wiring.neurons, wiring.inputs), -1, np.int32)
    for number, (source, target, _) in enumerate(wiring.sensory):
        sensory[target, source] = number
    sources, targets = ([synapse[end] for synapse in wiring.synapses] for end in (0, 1))
    size = max(WARP, triton.next_power_of_2(wiring.neurons))
    leaving, arriving = (
        [
            [number for number, end in enumerate(ends) if end == neuron]
            for neuron in range(wiring.neurons)
        ]
        for ends in (sources, targets)
    )
    deep = 4  # fewer would only be more to add up between threads
    while sum(-(-len(fan) // deep) for fan in arriving) > size:
        deep *= 2
    pieces = [fan[first : first + deep] for fan in arriving for first in range(0, len(fan), deep)]
    parts = [
        [thread for thread, piece in enumerate(pieces) if set(piece) <= set(fan)]
        for fan in arriving
    ]
    tables = (
        _table(pieces, size),
        _table(pieces, size, sources),
        _table(parts, size),
        _table(leaving, size),
        _table(leaving, size, targets),
    )
    return Places(*(torch.from_numpy(table).to(device) for table in (sensory, *tables)))


def _table(lists: list[list[int]], size: int, of: list[int] | None = None) -> np.ndarray:
    """One list per column, -1 where it has ended; with `of` what stands there at these numbers,
    else 0. Rows are a power of two."""
    table = np.full(
        (triton.next_power_of_2(max(map(len, lists), default=0) or 1), size),
        -1 if of is None else 0,
        np.int32,
    )
    for column, numbers in enumerate(lists):
        table[: len(numbers), column] = (
            numbers if of is None else [of[number] for number in numbers]
        )
    return table
