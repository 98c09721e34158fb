"""The LTC over a whole sequence, forward and backward, as numba kernels over the synapse list.

Sixteen samples form a block; a block's numbers lie as (neuron, lane), so every operation below
works on sixteen samples at once (see `simd`), and blocks run on several cores (see `thread_pool`).
`ltc.py` is the definition: same equations, same names. The forward pass keeps the voltages before
each input; the backward pass solves that input again, keeping all substeps, and differentiates it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.policy.kernels.cpu.simd import (
    LANES,
    clear,
    exp2,
    lines,
    load,
    spread,
    store,
    total,
)

COLUMNS = 5
"""Numbers per synapse: slope and offset times -log2(e), w erev, w, slope. Its activation is σ(slope
v + offset)."""
SYNAPSE, NEURON = 4, 3
"""Gradients per synapse: slope, offset, w erev, w. Numbers and gradients per neuron: cm, gleak
vleak, gleak."""


class Circuit(NamedTuple):
    """The sources of synapses, sorted by target: those of neuron u are start[u] to start[u + 1],
    all int64."""

    sensory_start: np.ndarray  # (U + 1,)
    sensory_source: np.ndarray  # (S,) input
    recurrent_start: np.ndarray  # (U + 1,)
    recurrent_source: np.ndarray  # (R,) neuron


class Weights(NamedTuple):
    """C-contiguous, in the circuit's order, all of one floating type."""

    sensory: np.ndarray  # (S, COLUMNS)
    recurrent: np.ndarray  # (R, COLUMNS)
    neurons: np.ndarray  # (U, NEURON)


@jit
def forward(first, last, circuit, weights, sequence, unfolds, states, y, h):
    """Blocks `first` to `last`: y (B, T, M) after each input and h (B, U) after the last are
    written, and rows of states (blocks, T, U) before each input unless it is empty."""
    batch, time, _ = sequence.x.shape
    neurons, motor, kind = h.shape[1], y.shape[2], h.dtype
    inputs, clock = _inputs(sequence, kind)
    v, activation, inverse, drive = _solver(circuit, neurons, unfolds, kind)
    for block in range(first, last):
        samples = min(LANES, batch - block * LANES)
        inputs[:], clock[:], v[:] = 0, 1, 0
        for lane in range(samples):
            for u in range(neurons):
                v[unfolds * neurons + u, lane] = sequence.h[block * LANES + lane, u]
        for t in range(time):
            _gather(sequence, block, t, samples, unfolds, inputs, clock)
            for u in range(neurons):
                before = load(v, unfolds * neurons + u) * load(clock, 1)
                store(v, u, before)
                if len(states):
                    store(states, (block * time + t) * neurons + u, before)
            _sense(circuit, weights, inputs, clock, drive, activation)
            _solve(circuit, weights, unfolds, v, activation, inverse, drive)
            for u in range(neurons):
                happens = load(clock, 2)
                store(
                    v,
                    unfolds * neurons + u,
                    load(v, unfolds * neurons + u) * happens + load(v, u) * (1.0 - happens),
                )
            for lane in range(samples):
                for u in range(motor):
                    y[block * LANES + lane, t, u] = v[unfolds * neurons + u, lane]
        for lane in range(samples):
            for u in range(neurons):
                h[block * LANES + lane, u] = v[unfolds * neurons + u, lane]


@jit
def backward(first, last, circuit, weights, sequence, unfolds, states, d_y, d_h, gradients):
    """Blocks `first` to `last`: from d_y (B, T, M) and d_h (B, U) to all of `gradients`."""
    batch, time, features = sequence.x.shape
    neurons, motor, kind = d_h.shape[1], d_y.shape[2], d_h.dtype
    sensory, recurrent = len(circuit.sensory_source), len(circuit.recurrent_source)
    inputs, clock = _inputs(sequence, kind)
    v, activation, inverse, drive = _solver(circuit, neurons, unfolds, kind)
    rows = SYNAPSE * (sensory + recurrent)
    d_weights, d_inputs = lines(rows + NEURON * neurons, kind), lines(features, kind)
    d_v, d_skip, d_drive = lines(neurons, kind), lines(neurons, kind), lines(5 * neurons, kind)
    for block in range(first, last):
        samples = min(LANES, batch - block * LANES)
        inputs[:], clock[:], d_v[:], d_weights[:] = 0, 1, 0, 0
        for lane in range(samples):
            for u in range(neurons):
                d_v[u, lane] = d_h[block * LANES + lane, u]
        for t in range(time - 1, -1, -1):
            _gather(sequence, block, t, samples, unfolds, inputs, clock)
            for u in range(neurons):
                store(v, u, load(states, (block * time + t) * neurons + u))
            _sense(circuit, weights, inputs, clock, drive, activation)
            _solve(circuit, weights, unfolds, v, activation, inverse, drive)
            for lane in range(samples):
                for u in range(motor):
                    d_v[u, lane] += d_y[block * LANES + lane, t, u]
            for u in range(neurons):
                store(d_skip, u, load(d_v, u) * (1.0 - load(clock, 2)))
                store(d_v, u, load(d_v, u) * load(clock, 2))
            clear(d_drive)
            clear(d_inputs)
            _solve_back(
                circuit, weights, unfolds, v, activation, inverse, drive, d_v, d_drive, d_weights
            )
            _sense_back(circuit, weights, inputs, clock, activation, d_drive, d_inputs, d_weights)
            for u in range(neurons):
                store(d_v, u, (load(d_v, u) + load(d_skip, u)) * load(clock, 1))
            for lane in range(samples):
                gradients.dt[block * LANES + lane, t] = (
                    -clock[3, lane] * clock[0, lane] * clock[0, lane] / unfolds
                )
                for i in range(features):
                    gradients.x[block * LANES + lane, t, i] = d_inputs[i, lane]
        for lane in range(samples):
            for u in range(neurons):
                gradients.h[block * LANES + lane, u] = d_v[u, lane]
        for row in range(len(d_weights)):
            gradients.weights[block, row] = total(load(d_weights, row))


@njit
def _inputs(sequence, kind):
    """inputs (F, LANES) and clock (4, LANES): 1/Δ, 0 where a sequence starts, 0 where the input is
    masked (else 1), gradient of 1/Δ."""
    return lines(sequence.x.shape[2], kind), lines(4, kind)


@njit
def _solver(circuit, neurons, unfolds, kind):
    """Rows for voltages (unfolds + 1, U), all activations (S + unfolds R), 1/denominator (unfolds,
    U) and what is constant over an input: cm/Δ, numerator, denominator (3, U)."""
    count = len(circuit.sensory_source) + unfolds * len(circuit.recurrent_source)
    return (
        lines((unfolds + 1) * neurons, kind),
        lines(count, kind),
        lines(unfolds * neurons, kind),
        lines(3 * neurons, kind),
    )


@njit
def _gather(sequence, block, t, samples, unfolds, inputs, clock):
    for lane in range(samples):
        sample = block * LANES + lane
        clock[0, lane] = unfolds / sequence.dt[sample, t]
        clock[1, lane] = 0 if sequence.is_first[sample, t] else 1
        clock[2, lane] = 1 if sequence.mask[sample, t] else 0
        for i in range(len(inputs)):
            inputs[i, lane] = sequence.x[sample, t, i]


@njit
def _sense(circuit, weights, inputs, clock, drive, activation):
    neurons, table = len(weights.neurons), weights.sensory
    for u in range(neurons):
        capacitance = load(clock, 0) * weights.neurons[u, 0]
        numerator, denominator = (
            spread(capacitance, weights.neurons[u, 1]),
            capacitance + weights.neurons[u, 2],
        )
        for s in range(circuit.sensory_start[u], circuit.sensory_start[u + 1]):
            a = 1.0 / (
                1.0 + exp2(load(inputs, circuit.sensory_source[s]) * table[s, 0] + table[s, 1])
            )
            numerator, denominator = numerator + a * table[s, 2], denominator + a * table[s, 3]
            store(activation, s, a)
        store(drive, u, capacitance)
        store(drive, neurons + u, numerator)
        store(drive, 2 * neurons + u, denominator)


@njit
def _solve(circuit, weights, unfolds, v, activation, inverse, drive):
    neurons, table = len(weights.neurons), weights.recurrent
    for n in range(unfolds):
        offset = len(circuit.sensory_source) + n * len(circuit.recurrent_source)
        for u in range(neurons):
            numerator = load(drive, u) * load(v, n * neurons + u) + load(drive, neurons + u)
            denominator = load(drive, 2 * neurons + u)
            for s in range(circuit.recurrent_start[u], circuit.recurrent_start[u + 1]):
                a = 1.0 / (
                    1.0
                    + exp2(
                        load(v, n * neurons + circuit.recurrent_source[s]) * table[s, 0]
                        + table[s, 1]
                    )
                )
                numerator, denominator = numerator + a * table[s, 2], denominator + a * table[s, 3]
                store(activation, offset + s, a)
            q = 1.0 / denominator
            store(inverse, n * neurons + u, q)
            store(v, (n + 1) * neurons + u, numerator * q)


@njit
def _solve_back(circuit, weights, unfolds, v, activation, inverse, drive, d_v, d_drive, d_weights):
    """d_v goes from after to before the input; d_drive (5, U) takes the gradients of `drive`, and
    two rows of a substep's own."""
    neurons, table = len(weights.neurons), weights.recurrent
    shift = SYNAPSE * len(circuit.sensory_source)
    for n in range(unfolds - 1, -1, -1):
        offset = len(circuit.sensory_source) + n * len(circuit.recurrent_source)
        for u in range(neurons):
            d_numerator = load(d_v, u) * load(inverse, n * neurons + u)
            d_denominator = 0.0 - d_numerator * load(v, (n + 1) * neurons + u)
            store(
                d_drive,
                u,
                load(d_drive, u) + d_numerator * load(v, n * neurons + u) + d_denominator,
            )
            store(d_drive, neurons + u, load(d_drive, neurons + u) + d_numerator)
            store(d_drive, 2 * neurons + u, load(d_drive, 2 * neurons + u) + d_denominator)
            store(d_drive, 3 * neurons + u, d_numerator)
            store(d_drive, 4 * neurons + u, d_denominator)
            store(d_v, u, d_numerator * load(drive, u))
        for u in range(neurons):
            d_numerator, d_denominator = (
                load(d_drive, 3 * neurons + u),
                load(d_drive, 4 * neurons + u),
            )
            for s in range(circuit.recurrent_start[u], circuit.recurrent_start[u + 1]):
                source, a = circuit.recurrent_source[s], load(activation, offset + s)
                d_inner = (d_numerator * table[s, 2] + d_denominator * table[s, 3]) * (a - a * a)
                _add(
                    d_weights,
                    shift + SYNAPSE * s,
                    d_inner,
                    load(v, n * neurons + source),
                    a,
                    d_numerator,
                    d_denominator,
                )
                store(d_v, source, load(d_v, source) + d_inner * table[s, 4])


@njit
def _sense_back(circuit, weights, inputs, clock, activation, d_drive, d_inputs, d_weights):
    neurons, table = len(weights.neurons), weights.sensory
    row = SYNAPSE * (len(circuit.sensory_source) + len(circuit.recurrent_source))
    d_rate = spread(load(clock, 0), 0.0)
    for u in range(neurons):
        d_capacitance, d_numerator, d_denominator = (
            load(d_drive, u),
            load(d_drive, neurons + u),
            load(d_drive, 2 * neurons + u),
        )
        d_rate = d_rate + d_capacitance * weights.neurons[u, 0]
        store(d_weights, row, load(d_weights, row) + d_capacitance * load(clock, 0))
        store(d_weights, row + 1, load(d_weights, row + 1) + d_numerator)
        store(d_weights, row + 2, load(d_weights, row + 2) + d_denominator)
        row += NEURON
        for s in range(circuit.sensory_start[u], circuit.sensory_start[u + 1]):
            source, a = circuit.sensory_source[s], load(activation, s)
            d_inner = (d_numerator * table[s, 2] + d_denominator * table[s, 3]) * (a - a * a)
            _add(
                d_weights, SYNAPSE * s, d_inner, load(inputs, source), a, d_numerator, d_denominator
            )
            store(d_inputs, source, load(d_inputs, source) + d_inner * table[s, 4])
    store(clock, 3, d_rate)


@njit
def _add(d_weights, row, d_inner, v, a, d_numerator, d_denominator):
    store(d_weights, row, load(d_weights, row) + d_inner * v)
    store(d_weights, row + 1, load(d_weights, row + 1) + d_inner)
    store(d_weights, row + 2, load(d_weights, row + 2) + d_numerator * a)
    store(d_weights, row + 3, load(d_weights, row + 3) + d_denominator * a)
