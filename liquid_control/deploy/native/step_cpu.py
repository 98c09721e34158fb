"""One step at batch 1 as numba kernels: the sixteen vector lanes are synapses (LTC) or neurons
(CfC).

All constants of a kernel are in one float32 array, because every array argument costs 70 ns. It
begins with `HEADER` int32; the int32 lists, the tables and scratch rows follow; `step` writes it. A
kernel returns False for an unusable argument.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.policy.kernels.cpu.simd import LANES, exp2, load, sigmoid, store, tanh

HEADER = 16
"""Inputs, neurons, motor neurons, where the tables begin, where scratch begins; then unfolds (LTC)
or layers and gate (CfC)."""
HEADS = 4
"""ff1, ff2, t_a, t_b."""


@jit
def ltc_step(x, h, dt, buffer, out):
    """x (F,), h (U,) → out (U + M,), the state and then the output. Lists: the circuit. Tables: the
    weights column by column, synapses and neurons padded to full lanes, then scale and shift of the
    output."""
    header = buffer[:HEADER].view(np.int32)
    inputs, neurons, motor, unfolds = header[0], header[1], header[2], header[5]
    if len(x) != inputs or len(h) != neurons or not 0.0 < dt < np.inf:
        return False
    lists, tables, scratch = (
        buffer[HEADER : header[3]].view(np.int32),
        buffer[header[3] :],
        buffer[header[4] :],
    )
    lanes = _lanes(neurons)
    starts = lists[: neurons + 1]
    middle = neurons + 1 + starts[neurons]
    sources = lists[neurons + 1 : middle]
    starts_r = lists[middle : middle + neurons + 1]
    sources_r = lists[middle + neurons + 1 : middle + neurons + 1 + starts_r[neurons]]
    size, size_r = _lanes(len(sources)) * LANES, _lanes(len(sources_r)) * LANES
    table, table_r, own = (
        tables[: 4 * size],
        tables[4 * size : 4 * (size + size_r)],
        tables[4 * (size + size_r) :],
    )
    # Rows of `scratch`: v, cm/Δ, the constant parts of numerator and denominator, numerator,
    # denominator, activations.
    v, numerator, denominator = scratch, scratch[4 * lanes * LANES :], scratch[5 * lanes * LANES :]
    activation, rate = scratch[6 * lanes * LANES :], np.float32(unfolds / dt)
    for u in range(neurons):
        v[u] = h[u]
    for i in range(lanes):
        capacitance = load(own, i) * rate
        store(scratch, lanes + i, capacitance)
        store(numerator, i, load(own, lanes + i))
        store(denominator, i, load(own, 2 * lanes + i) + capacitance)
    _activate(x, sources, table, activation)
    _collect(starts, table, size, activation, numerator, denominator)
    for i in range(lanes):
        store(scratch, 2 * lanes + i, load(numerator, i))
        store(scratch, 3 * lanes + i, load(denominator, i))
    for _ in range(unfolds):
        for i in range(lanes):
            store(
                numerator, i, load(scratch, lanes + i) * load(v, i) + load(scratch, 2 * lanes + i)
            )
            store(denominator, i, load(scratch, 3 * lanes + i))
        _activate(v, sources_r, table_r, activation)
        _collect(starts_r, table_r, size_r, activation, numerator, denominator)
        for i in range(lanes):
            store(v, i, load(numerator, i) / load(denominator, i))
    maps = own[3 * lanes * LANES :]
    for u in range(neurons):
        out[u] = v[u]
    for u in range(motor):
        out[neurons + u] = v[u] * maps[u] + maps[motor + u]
    return True


@jit
def cfc_step(x, h, dt, buffer, out):
    """x (F,), h (U,) → out (U + M,), the state and then the output. Lists: first neuron and size of
    each layer. Tables: their matrices (sources + 1, HEADS, padded units), bias last."""
    header = buffer[:HEADER].view(np.int32)
    sources, neurons, motor, layers, gate = (
        header[0],
        header[1],
        header[2],
        header[5],
        np.float32(header[6]),
    )
    if len(x) != sources or len(h) != neurons or not 0.0 < dt < np.inf:
        return False
    lists, table, values = (
        buffer[HEADER : header[3]].view(np.int32),
        buffer[header[3] :],
        buffer[header[4] :],
    )
    dt = np.float32(dt)
    values[:sources] = x
    for layer in range(layers):
        first, size = lists[2 * layer], lists[2 * layer + 1]
        lanes = _lanes(size)
        values[sources : sources + size] = h[first : first + size]
        sources += size
        for i in range(lanes):
            bias = sources * HEADS * lanes + i
            ff1, ff2, t_a, t_b = (
                load(table, bias),
                load(table, bias + lanes),
                load(table, bias + 2 * lanes),
                load(table, bias + 3 * lanes),
            )
            for k in range(sources):
                row, value = k * HEADS * lanes + i, values[k]
                ff1, ff2 = ff1 + load(table, row) * value, ff2 + load(table, row + lanes) * value
                t_a, t_b = (
                    t_a + load(table, row + 2 * lanes) * value,
                    t_b + load(table, row + 3 * lanes) * value,
                )
            s, ff1 = sigmoid(t_a * dt + t_b), tanh(ff1)
            store(values[sources:], i, ff1 - ff1 * s * gate + tanh(ff2) * s)
        table = table[(sources + 1) * HEADS * lanes * LANES :]
        for u in range(size):
            values[u] = values[sources + u]
            out[first + u] = values[u]
        sources = size
    for u in range(motor):
        out[neurons + u] = out[u]
    return True


@njit
def _activate(values, sources, table, activation):
    lanes = _lanes(len(sources))
    for s in range(len(sources)):
        activation[s] = values[sources[s]]
    for i in range(lanes):
        store(
            activation,
            i,
            1.0 / (1.0 + exp2(load(activation, i) * load(table, i) + load(table, lanes + i))),
        )


@njit
def _collect(starts, table, size, activation, numerator, denominator):
    for u in range(len(starts) - 1):
        if starts[u] < starts[u + 1]:
            a, b = numerator[u], denominator[u]
            for s in range(starts[u], starts[u + 1]):
                a, b = (
                    a + activation[s] * table[2 * size + s],
                    b + activation[s] * table[3 * size + s],
                )
            numerator[u], denominator[u] = a, b


@njit
def _lanes(size):
    return (size + LANES - 1) // LANES
