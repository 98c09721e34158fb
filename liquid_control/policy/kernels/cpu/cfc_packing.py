"""From a CfC's wiring to the circuit of its kernels. numpy only."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring


class Circuit(NamedTuple):
    """The sources of each neuron, all int64. Neurons are in the order of computation."""

    neuron: np.ndarray  # (U,) its place in the state
    start: np.ndarray  # (U + 1,) its connections are start[i] to start[i + 1]
    source: np.ndarray  # (C,) row: 0..F inputs, F..F+U the state before, F+U..F+2U the state after


@functools.lru_cache(maxsize=64)
def wired_circuit(
    wiring: NcpWiring | FreeWiring, dense_time: bool = False
) -> tuple[Circuit, np.ndarray]:
    """The circuit of a `WiredCfcCell`. A layer of an NCP listens to the layer before it (the
    inputs, or the state after this input) and to its own state before it; a free wiring is one
    layer. `dense_time`: some heads listen to all that a layer can see."""
    before, after = wiring.inputs, wiring.inputs + wiring.neurons
    free = isinstance(wiring, FreeWiring)
    existing = np.zeros((wiring.neurons, after + wiring.neurons), bool)
    for offset, synapses in ((0, wiring.sensory), (before if free else after, wiring.synapses)):
        for source, target, _ in synapses:
            existing[target, offset + source] = True
    if free:
        layers = [(np.arange(wiring.neurons), np.arange(after))]
    else:
        layers, seen = [], np.arange(wiring.inputs)
        for neurons in map(
            np.array, (wiring.inter_neurons, wiring.command_neurons, wiring.motor_neurons)
        ):
            existing[np.ix_(neurons, before + neurons)] = True
            layers.append((neurons, np.concatenate([seen, before + neurons])))
            seen = after + neurons
    return connect(
        [
            (neurons, sources, existing[np.ix_(neurons, sources)] | dense_time)
            for neurons, sources in layers
        ]
    )


@functools.lru_cache(maxsize=64)
def dense_circuit(inputs: int, units: int) -> tuple[Circuit, np.ndarray]:
    """Every neuron listens to all inputs and to the whole state."""
    return connect(
        [(np.arange(units), np.arange(inputs + units), np.ones((units, inputs + units), bool))]
    )


def connect(
    layers: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[Circuit, np.ndarray]:
    """A circuit from its layers in the order of computation, each (neurons (N,) places in the
    state, sources (K,) rows, existing (N, K) bool), and where its connections stand in the layers'
    matrices, flattened one after the other (C,)."""
    counts = [existing.sum(axis=1) for _, _, existing in layers]
    sources = [
        np.broadcast_to(sources, existing.shape)[existing] for _, sources, existing in layers
    ]
    offsets = np.cumsum([0, *(existing.size for _, _, existing in layers)])
    places = [
        offset + np.flatnonzero(existing)
        for offset, (_, _, existing) in zip(offsets, layers, strict=False)
    ]
    start = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    neurons = np.concatenate([neurons for neurons, _, _ in layers])
    circuit = Circuit(
        *(np.ascontiguousarray(a, np.int64) for a in (neurons, start, np.concatenate(sources)))
    )
    return circuit, np.concatenate(places)
