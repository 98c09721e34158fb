"""The LTC's state over a whole sequence for GPUs, in triton. `ltc.py` is the definition: same
equations, same names.

A program takes one sample through time, with its voltages and all weights in registers: mostly one
warp, with a neuron (or two) per thread, which exchange voltages. The synapses that reach a neuron
are spread over all threads, because in a circuit of layers few neurons have many. The backward pass
has the voltages of every substep, so that only their gradient is a chain; there a thread has the
synapses that leave its neuron. It writes the gradients of the parameters from its sample, and the
caller adds them up. No atomics: the same bits every time.

Weights and their gradients are one flat list: raw_cm, raw_gleak, vleak of the neurons, then the
recurrent synapses'.
"""

from __future__ import annotations

import triton
import triton.language as tl

from liquid_control.policy.kernels.gpu.triton_synapses import (
    LN_2,
    activation,
    logistic,
    softplus,
    store_synapses,
    synapses_of,
    zeros,
)

SIZES = ["time", "unfolds", "units", "motor", "synapses"]
"""Sizes that triton must not specialise on: it would compile again for 1 and for multiples of
16."""


@triton.jit(do_not_specialize=SIZES)
def solve(
    drive,
    h,
    dt,
    is_first,
    mask,
    place,
    source,
    parts,
    weights,
    y,
    last,
    kept,
    time,
    unfolds,
    units,
    motor,
    synapses,
    SIZE: tl.constexpr,
    FAN: tl.constexpr,
    PARTS: tl.constexpr,
    RESETS: tl.constexpr,
    MASKED: tl.constexpr,
    KEEP: tl.constexpr,
):
    """Sample p from h (B, U) through all inputs: y (B, T, M), last (B, U), and for the way back
    kept (B T, 2 unfolds + 1, U): the voltages before each substep, those after the last one, and 1
    / denominator of each. place and source (FAN, SIZE): the synapses of each thread, by number or
    -1, and where they come from; parts (PARTS, SIZE): which threads have those that reach a neuron,
    or -1."""
    row = tl.program_id(0).to(tl.int64) * time
    u = tl.arange(0, SIZE)
    real = u < units
    fan = tl.arange(0, FAN)[None, :] * SIZE + u[:, None]
    there, source_of = tl.load(place + fan), tl.load(source + fan)
    part = tl.load(parts + tl.arange(0, PARTS)[None, :] * SIZE + u[:, None])
    slope, offset, w_erev, w = synapses_of(weights + 3 * units, there, synapses)
    cm, gleak, vleak = _neurons(weights, u, units)
    v = tl.load(h + tl.program_id(0).to(tl.int64) * units + u, mask=real, other=0.0)
    numerator, denominator = _load_drive(drive, row, u, units, real)
    span = tl.load(dt + row)
    for t in range(time):
        if RESETS:
            v = tl.where(tl.load(is_first + row), 0.0, v)
        before = v
        capacitance = cm * (unfolds / span)
        constant, total = numerator + gleak * vleak, denominator + gleak + capacitance
        following = row + tl.where(t + 1 < time, 1, 0)  # prefetched
        numerator, denominator = _load_drive(drive, following, u, units, real)
        span = tl.load(dt + following)
        rest = kept + row * (2 * unfolds + 1) * units + u
        for n in range(unfolds):
            a = activation(_at(v, source_of, SIZE, FAN), slope, offset)
            inverse = 1.0 / (_gather(tl.sum(a * w, 1), part, SIZE, PARTS) + total)
            if KEEP:
                tl.store(rest + n * units, v, mask=real)
                tl.store(rest + (unfolds + 1 + n) * units, inverse, mask=real)
            v = (
                _gather(tl.sum(a * w_erev, 1), part, SIZE, PARTS) + capacitance * v + constant
            ) * inverse
        if KEEP:
            tl.store(rest + unfolds * units, v, mask=real)
        if MASKED:
            v = tl.where(tl.load(mask + row), v, before)
        tl.store(y + row * motor + u, v, mask=u < motor)
        row += 1
    tl.store(last + tl.program_id(0).to(tl.int64) * units + u, v, mask=real)


@triton.jit(do_not_specialize=SIZES)
def solve_back(
    kept,
    dt,
    is_first,
    mask,
    place,
    target,
    weights,
    d_y,
    d_last,
    d_drive,
    d_h,
    d_dt,
    d_weights,
    time,
    unfolds,
    units,
    motor,
    synapses,
    SIZE: tl.constexpr,
    FAN: tl.constexpr,
    RESETS: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Sample p back: from d_y (B, T, M) and d_last (B, U) to d_drive (B T, 2, U), d_h (B, U), d_dt
    (B, T), d_weights (B, 3 U + 4 R). place and target (FAN, SIZE): the synapses that leave each
    neuron, by number or -1, and where they go."""
    sample = tl.program_id(0).to(tl.int64)
    u = tl.arange(0, SIZE)
    real = u < units
    fan = tl.arange(0, FAN)[None, :] * SIZE + u[:, None]
    there, target_of = tl.load(place + fan), tl.load(target + fan)
    own = tl.broadcast_to(
        u[:, None], SIZE, FAN
    )  # by the same exchange, so that all tiles lie alike and none is moved in the loop
    slope, offset, w_erev, w = synapses_of(weights + 3 * units, there, synapses)
    of_slope, of_offset, of_w_erev, of_w = (
        zeros(there, slope),
        zeros(there, slope),
        zeros(there, slope),
        zeros(there, slope),
    )
    cm, gleak, vleak = _neurons(weights, u, units)
    of_cm, of_leak, of_gleak = (
        tl.zeros([SIZE], slope.dtype),
        tl.zeros([SIZE], slope.dtype),
        tl.zeros([SIZE], slope.dtype),
    )
    d_v = tl.load(d_last + sample * units + u, mask=real, other=0.0)
    row = (sample + 1) * time - 1
    after, v, inverse, span, d_out = _load_step(kept, dt, d_y, row, u, unfolds, units, motor)
    for t in range(time):
        following = row - tl.where(t + 1 < time, 1, 0)
        next_after, next_v, next_inverse, next_span, next_d_out = _load_step(
            kept, dt, d_y, following, u, unfolds, units, motor
        )
        d_v += d_out
        d_skip = tl.zeros([SIZE], slope.dtype)
        if MASKED:
            happens = tl.load(mask + row)
            d_skip = tl.where(happens, 0.0, d_v)
            d_v = tl.where(happens, d_v, 0.0)
        rate = unfolds / span
        capacitance = cm * rate
        d_capacitance, d_constant, d_total = (
            tl.zeros([SIZE], slope.dtype),
            tl.zeros([SIZE], slope.dtype),
            tl.zeros([SIZE], slope.dtype),
        )
        rest = kept + row * (2 * unfolds + 1) * units + u
        for n in range(unfolds):
            ahead = rest + tl.maximum(unfolds - 2 - n, 0) * units
            after_ahead, v_ahead = (
                tl.load(ahead + units, mask=real, other=0.0),
                tl.load(ahead, mask=real, other=0.0),
            )
            inverse_ahead = tl.load(ahead + (unfolds + 1) * units, mask=real, other=0.0)
            d_numerator = d_v * inverse
            d_denominator = -d_numerator * after
            d_capacitance += d_numerator * v + d_denominator
            d_constant += d_numerator
            d_total += d_denominator
            here = _at(v, own, SIZE, FAN)
            a = activation(here, slope, offset)
            of_numerator, of_denominator = (
                _at(d_numerator, target_of, SIZE, FAN),
                _at(d_denominator, target_of, SIZE, FAN),
            )
            d_inner = (of_numerator * w_erev + of_denominator * w) * (a - a * a)
            of_slope += d_inner * here
            of_offset += d_inner
            of_w_erev += of_numerator * a
            of_w += of_denominator * a
            d_v = d_numerator * capacitance - LN_2 * tl.sum(d_inner * slope, 1)
            after, v, inverse = after_ahead, v_ahead, inverse_ahead
        d_v += d_skip
        if RESETS:
            d_v = tl.where(tl.load(is_first + row), 0.0, d_v)
        tl.store(d_drive + 2 * row * units + u, d_constant, mask=real)
        tl.store(d_drive + (2 * row + 1) * units + u, d_total, mask=real)
        tl.store(d_dt + row, -tl.sum(d_capacitance * cm, 0) * rate / span)
        of_cm += d_capacitance * rate
        of_leak += d_constant
        of_gleak += d_total
        after, v, inverse, span, d_out = next_after, next_v, next_inverse, next_span, next_d_out
        row -= 1
    tl.store(d_h + sample * units + u, d_v, mask=real)
    d_weights += sample * (3 * units + 4 * synapses)
    tl.store(d_weights + u, of_cm * logistic(tl.load(weights + u, mask=real, other=0.0)), mask=real)
    of_gleak = (of_gleak + vleak * of_leak) * logistic(
        tl.load(weights + units + u, mask=real, other=0.0)
    )
    tl.store(d_weights + units + u, of_gleak, mask=real)
    tl.store(d_weights + 2 * units + u, of_leak * gleak, mask=real)
    store_synapses(
        d_weights + 3 * units,
        weights + 3 * units,
        there,
        synapses,
        of_slope,
        of_offset,
        of_w_erev,
        of_w,
    )


@triton.jit
def _at(values, index, SIZE: tl.constexpr, FAN: tl.constexpr):
    """values (SIZE,) of the neurons in index (SIZE, FAN)."""
    return tl.gather(tl.broadcast_to(values[:, None], SIZE, FAN), index, 0)


@triton.jit
def _gather(values, part, SIZE: tl.constexpr, PARTS: tl.constexpr):
    """The sum of the threads' values (SIZE,) that belong to each neuron."""
    return tl.sum(tl.where(part >= 0, _at(values, tl.maximum(part, 0), SIZE, PARTS), 0.0), 1)


@triton.jit
def _neurons(weights, u, units):
    """cm, gleak, vleak; neurons that only fill the tile have a leak and rest at 0."""
    raw_cm = tl.load(weights + u, mask=u < units, other=0.0)
    raw_gleak = tl.load(weights + units + u, mask=u < units, other=0.0)
    return (
        softplus(raw_cm),
        softplus(raw_gleak),
        tl.load(weights + 2 * units + u, mask=u < units, other=0.0),
    )


@triton.jit
def _load_drive(drive, row, u, units, real):
    numerator = tl.load(drive + 2 * row * units + u, mask=real, other=0.0)
    return numerator, tl.load(drive + (2 * row + 1) * units + u, mask=real, other=0.0)


@triton.jit
def _load_step(kept, dt, d_y, row, u, unfolds, units, motor):
    """Voltages after and before the last substep, its 1 / denominator, dt, and the gradient of the
    output."""
    rest = kept + row * (2 * unfolds + 1) * units + u
    after = tl.load(rest + unfolds * units, mask=u < units, other=0.0)
    v = tl.load(rest + (unfolds - 1) * units, mask=u < units, other=0.0)
    inverse = tl.load(rest + 2 * unfolds * units, mask=u < units, other=0.0)
    return (
        after,
        v,
        inverse,
        tl.load(dt + row),
        tl.load(d_y + row * motor + u, mask=u < motor, other=0.0),
    )
