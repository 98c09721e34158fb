"""From a CfC's wiring to the circuit of its kernels. numpy only."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from liquid_control.policy.kernels import cfc_cpu
from liquid_control.policy.wiring import NcpWiring


@functools.lru_cache(maxsize=64)
def wired_circuit(wiring: NcpWiring) -> tuple[cfc_cpu.Circuit, np.ndarray]:
    """A layer listens to the layer before it (the inputs, or the state after this input) and to its own state before it."""
    before, after = wiring.inputs, wiring.inputs + wiring.neurons
    layers, rows = [], np.arange(wiring.inputs)
    existing = np.zeros((wiring.neurons, after + wiring.neurons), bool)
    for source, target, _ in wiring.sensory:
        existing[target, source] = True
    for source, target, _ in wiring.synapses:
        existing[target, after + source] = True
    for layer in (wiring.inter_neurons, wiring.command_neurons, wiring.motor_neurons):
        neurons = np.array(layer)
        existing[np.ix_(neurons, before + neurons)] = True
        sources = np.concatenate([rows, before + neurons])
        layers.append((neurons, sources, existing[np.ix_(neurons, sources)]))
        rows = after + neurons
    return connect(layers)


@functools.lru_cache(maxsize=64)
def dense_circuit(inputs: int, units: int) -> tuple[cfc_cpu.Circuit, np.ndarray]:
    """Every neuron listens to all inputs and to the whole state."""
    return connect([(np.arange(units), np.arange(inputs + units), np.ones((units, inputs + units), bool))])


def connect(layers: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[cfc_cpu.Circuit, np.ndarray]:
    """A circuit from its layers in the order of computation, each (neurons (N,) places in the state, sources (K,) rows,
    existing (N, K) bool), and where its connections stand in the layers' matrices, flattened one after the other (C,)."""
    counts = [existing.sum(axis=1) for _, _, existing in layers]
    sources = [np.broadcast_to(sources, existing.shape)[existing] for _, sources, existing in layers]
    offsets = np.cumsum([0, *(existing.size for _, _, existing in layers)])
    places = [offset + np.flatnonzero(existing) for offset, (_, _, existing) in zip(offsets, layers, strict=False)]
    start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    neurons = np.concatenate([neurons for neurons, _, _ in layers])
    circuit = cfc_cpu.Circuit(*(np.ascontiguousarray(a, np.int64) for a in (neurons, start, np.concatenate(sources))))
    return circuit, np.concatenate(places)
