"""The CfC over a whole sequence, forward and backward, as numba kernels over the list of
connections.

Laid out as in `ltc_cpu`: sixteen samples side by side, blocks of them on several cores. `cfc.py` is
the definition. All that a neuron can listen to stands in one table of rows: the inputs, the state
before this input, the state after it (of layers that were computed already). The forward pass keeps
what each neuron made of its sums.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.policy.kernels.cpu.simd import (
    LANES,
    clear,
    lines,
    load,
    sigmoid,
    spread,
    store,
    tanh,
    total,
)

HEADS = 4
"""ff1, ff2, t_a, t_b."""
KEPT = 5
"""Rows kept per neuron and input: the state before, tanh ff1, tanh ff2, s, t_a."""


class Weights(NamedTuple):
    """C-contiguous, of one floating type, neurons and connections in the circuit's order."""

    connections: np.ndarray  # (C, HEADS)
    bias: np.ndarray  # (U, HEADS)


@jit
def forward(first, last, circuit, weights, sequence, gate, kept, y, h):
    """Blocks `first` to `last`: y (B, T, M) after each input and h (B, U) after the last are
    written, and rows of kept (blocks, T, U, KEPT) unless it is empty. `gate` 1: h = ff1 (1 - s) +
    ff2 s; 0: h = ff1 + ff2 s."""
    batch, time, features = sequence.x.shape
    neurons, motor = h.shape[1], y.shape[2]
    rows, clock = _tables(sequence)
    for block in range(first, last):
        samples = min(LANES, batch - block * LANES)
        rows[:], clock[:] = 0, 1
        for lane in range(samples):
            for u in range(neurons):
                rows[features + neurons + u, lane] = sequence.h[block * LANES + lane, u]
        for t in range(time):
            _gather(sequence, block, t, samples, rows, clock)
            for u in range(neurons):
                store(rows, features + u, load(rows, features + neurons + u) * load(clock, 1))
            for i in range(neurons):
                u = circuit.neuron[i]
                ff1, ff2, s, t_a = _heads(circuit, weights, i, rows, clock)
                store(rows, features + neurons + u, ff1 - ff1 * s * gate + ff2 * s)
                if len(kept):
                    row = ((block * time + t) * neurons + u) * KEPT
                    store(kept, row, load(rows, features + u))
                    store(kept, row + 1, ff1)
                    store(kept, row + 2, ff2)
                    store(kept, row + 3, s)
                    store(kept, row + 4, t_a)
            for u in range(neurons):
                happens, after = load(clock, 2), load(rows, features + neurons + u)
                store(
                    rows,
                    features + neurons + u,
                    after * happens + load(rows, features + u) * (1.0 - happens),
                )
            for lane in range(samples):
                for u in range(motor):
                    y[block * LANES + lane, t, u] = rows[features + neurons + u, lane]
        for lane in range(samples):
            for u in range(neurons):
                h[block * LANES + lane, u] = rows[features + neurons + u, lane]


@jit
def backward(first, last, circuit, weights, sequence, gate, kept, d_y, d_h, gradients):
    """Blocks `first` to `last`: from d_y (B, T, M) and d_h (B, U) to all of `gradients`."""
    batch, time, features = sequence.x.shape
    neurons, motor = d_h.shape[1], d_y.shape[2]
    rows, clock = _tables(sequence)
    d_rows, d_weights, d_skip = (
        lines(len(rows), d_h.dtype),
        lines(gradients.weights.shape[1], d_h.dtype),
        lines(neurons, d_h.dtype),
    )
    for block in range(first, last):
        samples = min(LANES, batch - block * LANES)
        rows[:], clock[:], d_rows[:], d_weights[:] = 0, 1, 0, 0
        for lane in range(samples):
            for u in range(neurons):
                d_rows[features + u, lane] = d_h[block * LANES + lane, u]
        for t in range(time - 1, -1, -1):
            _gather(sequence, block, t, samples, rows, clock)
            for u in range(neurons):
                row = ((block * time + t) * neurons + u) * KEPT
                ff1, ff2, s = load(kept, row + 1), load(kept, row + 2), load(kept, row + 3)
                store(rows, features + u, load(kept, row))
                store(rows, features + neurons + u, ff1 - ff1 * s * gate + ff2 * s)
                store(d_rows, features + neurons + u, load(d_rows, features + u))
            clear(d_rows[: features + neurons])
            for lane in range(samples):
                for u in range(motor):
                    d_rows[features + neurons + u, lane] += d_y[block * LANES + lane, t, u]
            for u in range(neurons):
                d = load(d_rows, features + neurons + u)
                store(d_skip, u, d * (1.0 - load(clock, 2)))
                store(d_rows, features + neurons + u, d * load(clock, 2))
            d_dt = spread(load(clock, 0), 0.0)
            for i in range(neurons - 1, -1, -1):
                u = circuit.neuron[i]
                row = ((block * time + t) * neurons + u) * KEPT
                ff1, ff2, s, d = (
                    load(kept, row + 1),
                    load(kept, row + 2),
                    load(kept, row + 3),
                    load(d_rows, features + neurons + u),
                )
                d_t_b = d * (ff2 - ff1 * gate) * (s - s * s)
                d_dt = d_dt + d_t_b * load(kept, row + 4)
                d_ff1, d_ff2 = d * (1.0 - s * gate) * (1.0 - ff1 * ff1), d * s * (1.0 - ff2 * ff2)
                _spread_back(
                    circuit,
                    weights,
                    i,
                    rows,
                    d_rows,
                    d_weights,
                    d_ff1,
                    d_ff2,
                    d_t_b * load(clock, 0),
                    d_t_b,
                )
            for u in range(neurons):
                store(
                    d_rows,
                    features + u,
                    (load(d_rows, features + u) + load(d_skip, u)) * load(clock, 1),
                )
            store(clock, 3, d_dt)
            for lane in range(samples):
                gradients.dt[block * LANES + lane, t] = clock[3, lane]
                for i in range(features):
                    gradients.x[block * LANES + lane, t, i] = d_rows[i, lane]
        for lane in range(samples):
            for u in range(neurons):
                gradients.h[block * LANES + lane, u] = d_rows[features + u, lane]
        for row in range(len(d_weights)):
            gradients.weights[block, row] = total(load(d_weights, row))


@njit
def _tables(sequence):
    """rows (F + 2 U, LANES) and clock (4, LANES): dt, 0 where a sequence starts, 0 where the input
    is masked (else 1), gradient of dt."""
    kind = sequence.h.dtype
    return lines(sequence.x.shape[2] + 2 * sequence.h.shape[1], kind), lines(4, kind)


@njit
def _gather(sequence, block, t, samples, rows, clock):
    for lane in range(samples):
        sample = block * LANES + lane
        clock[0, lane] = sequence.dt[sample, t]
        clock[1, lane] = 0 if sequence.is_first[sample, t] else 1
        clock[2, lane] = 1 if sequence.mask[sample, t] else 0
        for i in range(sequence.x.shape[2]):
            rows[i, lane] = sequence.x[sample, t, i]


@njit
def _heads(circuit, weights, i, rows, clock):
    like, bias, table = load(clock, 0), weights.bias, weights.connections
    ff1, ff2, t_a, t_b = (
        spread(like, bias[i, 0]),
        spread(like, bias[i, 1]),
        spread(like, bias[i, 2]),
        spread(like, bias[i, 3]),
    )
    for c in range(circuit.start[i], circuit.start[i + 1]):
        value = load(rows, circuit.source[c])
        ff1, ff2 = ff1 + value * table[c, 0], ff2 + value * table[c, 1]
        t_a, t_b = t_a + value * table[c, 2], t_b + value * table[c, 3]
    return tanh(ff1), tanh(ff2), sigmoid(t_a * load(clock, 0) + t_b), t_a


@njit
def _spread_back(circuit, weights, i, rows, d_rows, d_weights, d_ff1, d_ff2, d_t_a, d_t_b):
    table = weights.connections
    for c in range(circuit.start[i], circuit.start[i + 1]):
        source = circuit.source[c]
        d_value = (
            d_ff1 * table[c, 0] + d_ff2 * table[c, 1] + d_t_a * table[c, 2] + d_t_b * table[c, 3]
        )
        store(d_rows, source, load(d_rows, source) + d_value)
        _add(d_weights, HEADS * c, load(rows, source), d_ff1, d_ff2, d_t_a, d_t_b)
    _add(
        d_weights, HEADS * (len(circuit.source) + i), spread(d_ff1, 1.0), d_ff1, d_ff2, d_t_a, d_t_b
    )


@njit
def _add(d_weights, row, value, d_ff1, d_ff2, d_t_a, d_t_b):
    store(d_weights, row, load(d_weights, row) + d_ff1 * value)
    store(d_weights, row + 1, load(d_weights, row + 1) + d_ff2 * value)
    store(d_weights, row + 2, load(d_weights, row + 2) + d_t_a * value)
    store(d_weights, row + 3, load(d_weights, row + 3) + d_t_b * value)
