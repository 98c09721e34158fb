"""The sensory currents of an LTC, for GPUs: they do not depend on the state, so that they are
computed for all inputs at once.

A program computes some rows (inputs of any sample and time) and writes the gradients of the
parameters from these rows; the caller adds them up. No atomics: the same bits every time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from liquid_control.policy.kernels.gpu.triton_synapses import (
    LN_2,
    activation,
    store_synapses,
    synapses_of,
    zeros,
)

SIZES = ["rows", "chunk", "features", "units", "synapses"]
"""Sizes that triton must not specialise on: it would compile again for 1 and for multiples of
16."""


@triton.jit(do_not_specialize=SIZES)
def sense(
    x,
    place,
    weights,
    drive,
    rows,
    chunk,
    features,
    units,
    synapses,
    SIZE: tl.constexpr,
    WIDTH: tl.constexpr,
    AFFINE: tl.constexpr,
):
    """From x (rows, F) to drive (rows, 2, U): Σ w σ(.) erev and Σ w σ(.) of the sensory synapses.
    `weights` are theirs and, AFFINE, the scale and shift of the inputs. Program p does rows p chunk
    to (p + 1) chunk, WIDTH inputs at a time."""
    maps = weights + 4 * synapses
    row = tl.program_id(0).to(tl.int64) * chunk
    u, i = tl.arange(0, SIZE), tl.arange(0, WIDTH)
    real = u < units
    for first in range(0, features, WIDTH):
        seen = first + i < features
        there = tl.load(
            place + u[:, None] * features + first + i[None, :],
            mask=real[:, None] & seen[None, :],
            other=-1,
        )
        slope, offset, w_erev, w = synapses_of(weights, there, synapses)
        for n in range(tl.minimum(chunk, rows - row)):
            values = tl.load(x + (row + n) * features + first + i, mask=seen, other=0.0)
            if AFFINE:
                values = _mapped(values, maps, first + i, features)
            a = activation(values[None, :], slope, offset)
            numerator, denominator = tl.sum(a * w_erev, 1), tl.sum(a * w, 1)
            here = drive + 2 * (row + n) * units + u
            if first > 0:
                numerator += tl.load(here, mask=real, other=0.0)
                denominator += tl.load(here + units, mask=real, other=0.0)
            tl.store(here, numerator, mask=real)
            tl.store(here + units, denominator, mask=real)
        tl.debug_barrier()


@triton.jit(do_not_specialize=SIZES)
def sense_back(
    x,
    place,
    weights,
    d_drive,
    d_x,
    d_weights,
    rows,
    chunk,
    features,
    units,
    synapses,
    SIZE: tl.constexpr,
    WIDTH: tl.constexpr,
    AFFINE: tl.constexpr,
):
    """From d_drive (rows, 2, U) to d_x (rows, F) and d_weights, a list per p. Program (p, q) does
    rows p chunk to (p + 1) chunk and inputs q WIDTH to (q + 1) WIDTH."""
    maps = weights + 4 * synapses
    program = tl.program_id(0).to(tl.int64)
    row = program * chunk
    u, i = tl.arange(0, SIZE), tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    real, seen = u < units, i < features
    there = tl.load(
        place + u[None, :] * features + i[:, None], mask=real[None, :] & seen[:, None], other=-1
    )
    slope, offset, w_erev, w = synapses_of(weights, there, synapses)
    of_slope, of_offset, of_w_erev, of_w = (
        zeros(there, slope),
        zeros(there, slope),
        zeros(there, slope),
        zeros(there, slope),
    )
    of_scale, of_shift = tl.zeros([WIDTH], slope.dtype), tl.zeros([WIDTH], slope.dtype)
    for _ in range(tl.minimum(chunk, rows - row)):
        raw = tl.load(x + row * features + i, mask=seen, other=0.0)
        values = raw
        if AFFINE:
            values = _mapped(raw, maps, i, features)
        d_numerator = tl.load(d_drive + 2 * row * units + u, mask=real, other=0.0)
        d_denominator = tl.load(d_drive + (2 * row + 1) * units + u, mask=real, other=0.0)
        a = activation(values[:, None], slope, offset)
        d_inner = (d_numerator[None, :] * w_erev + d_denominator[None, :] * w) * (a - a * a)
        of_slope += d_inner * values[:, None]
        of_offset += d_inner
        of_w_erev += d_numerator[None, :] * a
        of_w += d_denominator[None, :] * a
        d_values = tl.sum(d_inner * slope, 1) * -LN_2
        if AFFINE:
            of_scale += d_values * raw
            of_shift += d_values
            d_values *= tl.load(maps + i, mask=seen, other=0.0)
        tl.store(d_x + row * features + i, d_values, mask=seen)
        row += 1
    if AFFINE:
        d_weights += program * 2 * features
    d_weights += program * 4 * synapses
    store_synapses(d_weights, weights, there, synapses, of_slope, of_offset, of_w_erev, of_w)
    if AFFINE:
        tl.store(d_weights + 4 * synapses + i, of_scale, mask=seen)
        tl.store(d_weights + 4 * synapses + features + i, of_shift, mask=seen)


@triton.jit
def _mapped(values, maps, i, features):
    scale = tl.load(maps + i, mask=i < features, other=0.0)
    return values * scale + tl.load(maps + features + i, mask=i < features, other=0.0)
