"""The CfC's state over a whole sequence for GPUs, in triton. `cfc.py` is the definition.

The inputs' part of the heads is one matrix product over all inputs (`pre`), and so are the
gradients of the weights; here are the sequential parts. A program takes one sample through time
with its state and the weights in registers. The state is updated in place, layer by layer: a layer
listens to the layers before it after this input, and to its own state before it.
"""

from __future__ import annotations

import triton
import triton.language as tl

from liquid_control.policy.kernels.gpu.triton_synapses import logistic

KEPT = tl.constexpr(6)
"""Rows kept per input: the state before and after, tanh ff1, tanh ff2, s, t_a."""


SIZES = ["time", "features", "units", "motor"]
"""As in `triton_ltc`."""


@triton.jit(do_not_specialize=SIZES[:1] + SIZES[2:])
def advance(
    pre,
    h,
    dt,
    is_first,
    mask,
    weights,
    layer,
    y,
    last,
    kept,
    time,
    units,
    motor,
    SIZE: tl.constexpr,
    LAYERS: tl.constexpr,
    GATE: tl.constexpr,
    RESETS: tl.constexpr,
    MASKED: tl.constexpr,
    KEEP: tl.constexpr,
):
    """Sample p from h (B, U) through all inputs: pre (B T, 4, U), weights (4, sources U, U), layer
    (U,) → y (B, T, M), last (B, U) and for the way back kept (B T, 6, U). GATE: h = ff1 (1 - s) +
    ff2 s, else ff1 + ff2 s."""
    sample = tl.program_id(0).to(tl.int64)
    row = sample * time
    u = tl.arange(0, SIZE)
    real = u < units
    to_ff1, to_ff2, to_t_a, to_t_b = _load_weights(
        weights + u[None, :] * units + u[:, None], u, units, units * units
    )
    own = tl.load(layer + u, mask=real, other=0)
    state = tl.load(h + sample * units + u, mask=real, other=0.0)
    z_ff1, z_ff2, z_t_a, z_t_b = _load_four(pre + row * 4 * units + u, units, real)
    span = tl.load(dt + row)
    for t in range(time):
        if RESETS:
            state = tl.where(tl.load(is_first + row), 0.0, state)
        before = state
        following = row + tl.where(t + 1 < time, 1, 0)  # prefetched
        next_ff1, next_ff2, next_t_a, next_t_b = _load_four(
            pre + following * 4 * units + u, units, real
        )
        next_span = tl.load(dt + following)
        kept_ff1, kept_ff2, kept_s, kept_t_a = state, state, state, state
        for turn in tl.static_range(LAYERS):
            source = state[None, :]
            ff1, ff2 = (
                _tanh(z_ff1 + tl.sum(to_ff1 * source, 1)),
                _tanh(z_ff2 + tl.sum(to_ff2 * source, 1)),
            )
            t_a, t_b = z_t_a + tl.sum(to_t_a * source, 1), z_t_b + tl.sum(to_t_b * source, 1)
            s = logistic(t_a * span + t_b)
            after = ff1 + ff2 * s
            if GATE:
                after -= ff1 * s
            now = own == turn
            state = tl.where(now, after, state)
            kept_ff1, kept_ff2 = tl.where(now, ff1, kept_ff1), tl.where(now, ff2, kept_ff2)
            kept_s, kept_t_a = tl.where(now, s, kept_s), tl.where(now, t_a, kept_t_a)
        if KEEP:
            rest = kept + row * KEPT * units + u
            tl.store(rest, before, mask=real)
            tl.store(rest + units, state, mask=real)
            tl.store(rest + 2 * units, kept_ff1, mask=real)
            tl.store(rest + 3 * units, kept_ff2, mask=real)
            tl.store(rest + 4 * units, kept_s, mask=real)
            tl.store(rest + 5 * units, kept_t_a, mask=real)
        if MASKED:
            state = tl.where(tl.load(mask + row), state, before)
        tl.store(y + row * motor + u, state, mask=u < motor)
        z_ff1, z_ff2, z_t_a, z_t_b, span = next_ff1, next_ff2, next_t_a, next_t_b, next_span
        row += 1
    tl.store(last + sample * units + u, state, mask=real)


@triton.jit(do_not_specialize=SIZES)
def advance_back(
    kept,
    dt,
    is_first,
    mask,
    weights,
    layer,
    d_y,
    d_last,
    d_pre,
    d_h,
    d_dt,
    time,
    features,
    units,
    motor,
    SIZE: tl.constexpr,
    LAYERS: tl.constexpr,
    GATE: tl.constexpr,
    RESETS: tl.constexpr,
    MASKED: tl.constexpr,
):
    """Sample p back: from d_y (B, T, M) and d_last (B, U) to d_pre (B T, 4, U), d_h (B, U) and d_dt
    (B, T). Here weights are (4, U, F + U): the neurons of neighbouring threads are adjacent in
    memory, and each thread sums alone."""
    sample = tl.program_id(0).to(tl.int64)
    u = tl.arange(0, SIZE)
    real = u < units
    width = features + units
    to_ff1, to_ff2, to_t_a, to_t_b = _load_weights(
        weights + u[None, :] * width + features + u[:, None], u, units, units * width
    )
    own = tl.load(layer + u, mask=real, other=0)
    d_state = tl.load(d_last + sample * units + u, mask=real, other=0.0)
    row = (sample + 1) * time - 1
    ff1, ff2, s, t_a = _load_four(kept + (row * KEPT + 2) * units + u, units, real)
    span, d_out = tl.load(dt + row), tl.load(d_y + row * motor + u, mask=u < motor, other=0.0)
    for t in range(time):
        following = row - tl.where(t + 1 < time, 1, 0)
        next_ff1, next_ff2, next_s, next_t_a = _load_four(
            kept + (following * KEPT + 2) * units + u, units, real
        )
        next_span, next_d_out = (
            tl.load(dt + following),
            tl.load(d_y + following * motor + u, mask=u < motor, other=0.0),
        )
        d_state += d_out
        d_skip = d_state
        if MASKED:
            happens = tl.load(mask + row)
            d_skip = tl.where(happens, 0.0, d_state)
            d_state = tl.where(happens, d_state, 0.0)
        by_ff1, by_ff2, by_s = 1.0 - ff1 * ff1, s * (1.0 - ff2 * ff2), ff2 * (s - s * s)
        if GATE:
            by_ff1, by_s = by_ff1 * (1.0 - s), by_s - ff1 * (s - s * s)
        d_ff1, d_ff2, d_t_b = d_state, d_state, d_state
        for back in tl.static_range(LAYERS):
            now = own == LAYERS - 1 - back
            d = tl.where(now, d_state, 0.0)
            d_ff1, d_ff2, d_t_b = (
                tl.where(now, d * by_ff1, d_ff1),
                tl.where(now, d * by_ff2, d_ff2),
                tl.where(now, d * by_s, d_t_b),
            )
            to_layer = to_ff1 * (d * by_ff1)[None, :] + to_ff2 * (d * by_ff2)[None, :]
            to_layer += to_t_a * (d * by_s * span)[None, :] + to_t_b * (d * by_s)[None, :]
            d_state = tl.where(now, 0.0, d_state) + tl.sum(to_layer, 1)
        if MASKED:
            d_state += d_skip
        if RESETS:
            d_state = tl.where(tl.load(is_first + row), 0.0, d_state)
        rest = d_pre + row * 4 * units + u
        tl.store(rest, d_ff1, mask=real)
        tl.store(rest + units, d_ff2, mask=real)
        tl.store(rest + 2 * units, d_t_b * span, mask=real)
        tl.store(rest + 3 * units, d_t_b, mask=real)
        tl.store(d_dt + row, tl.sum(d_t_b * t_a, 0))
        ff1, ff2, s, t_a, span, d_out = next_ff1, next_ff2, next_s, next_t_a, next_span, next_d_out
        row -= 1
    tl.store(d_h + sample * units + u, d_state, mask=real)


@triton.jit
def _load_weights(weights, u, units, head):
    """A tile per head."""
    real = (u[:, None] < units) & (u[None, :] < units)
    ff1, ff2 = tl.load(weights, mask=real, other=0.0), tl.load(weights + head, mask=real, other=0.0)
    return (
        ff1,
        ff2,
        tl.load(weights + 2 * head, mask=real, other=0.0),
        tl.load(weights + 3 * head, mask=real, other=0.0),
    )


@triton.jit
def _load_four(rows, units, real):
    a, b = tl.load(rows, mask=real, other=0.0), tl.load(rows + units, mask=real, other=0.0)
    return (
        a,
        b,
        tl.load(rows + 2 * units, mask=real, other=0.0),
        tl.load(rows + 3 * units, mask=real, other=0.0),
    )


@triton.jit
def _tanh(z):
    return 2.0 * logistic(2.0 * z) - 1.0
