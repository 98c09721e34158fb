"""Synapses as dense tiles in triton, for the kernels of the LTC.

`there` (a tile) is the number, in the list of synapses, of that between a source and a target; -1
where there is none, which has no conductance. The parameters of a list of S synapses are one flat
list: raw_w (S), sigma (S), mu (S), erev (S); so are their gradients.
"""

from __future__ import annotations

import triton
import triton.language as tl

LOG2_E, LN_2 = tl.constexpr(1.4426950408889634), tl.constexpr(0.6931471805599453)
"""On GPUs exp2 is an instruction and exp is not."""


@triton.jit
def activation(v, slope, offset):
    return 1.0 / (1.0 + tl.exp2(v * slope + offset))


@triton.jit
def synapses_of(weights, there, synapses):
    """slope and offset times -log2(e), w erev, w."""
    raw_w, sigma, mu, erev = _parameters(weights, there, synapses)
    w = tl.where(there >= 0, softplus(raw_w), 0.0)
    return sigma * -LOG2_E, sigma * mu * LOG2_E, w * erev, w


@triton.jit
def _parameters(weights, there, synapses):
    exists = there >= 0
    raw_w = tl.load(weights + there, mask=exists, other=0.0)
    sigma = tl.load(weights + synapses + there, mask=exists, other=0.0)
    mu = tl.load(weights + 2 * synapses + there, mask=exists, other=0.0)
    return raw_w, sigma, mu, tl.load(weights + 3 * synapses + there, mask=exists, other=0.0)


@triton.jit
def store_synapses(d_weights, weights, there, synapses, of_slope, of_offset, of_w_erev, of_w):
    """From the gradients of sigma (v - mu), times v and alone, of w erev and of w, to those of the
    parameters."""
    raw_w, sigma, mu, erev = _parameters(weights, there, synapses)
    exists = there >= 0
    tl.store(d_weights + there, (of_w + erev * of_w_erev) * logistic(raw_w), mask=exists)
    tl.store(d_weights + synapses + there, of_slope - mu * of_offset, mask=exists)
    tl.store(d_weights + 2 * synapses + there, -sigma * of_offset, mask=exists)
    tl.store(d_weights + 3 * synapses + there, softplus(raw_w) * of_w_erev, mask=exists)


@triton.jit
def zeros(there, like):
    return tl.zeros(there.shape, like.dtype)


@triton.jit
def softplus(raw):
    """log(1 + e^raw), exact to the last digits for very negative numbers too, plus
    `policy.cells.synapses.FLOOR`."""
    e = tl.exp(-tl.abs(raw))
    rounded = 1.0 + e
    log = tl.log(rounded) * (e / tl.where(rounded == 1.0, 1.0, rounded - 1.0))
    return tl.maximum(raw, 0.0) + tl.where(rounded == 1.0, e, log) + 1e-30


@triton.jit
def logistic(raw):
    return 1.0 / (1.0 + tl.exp(-raw))
