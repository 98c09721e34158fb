"""One input at a time on a robot: batch 1, numpy in and out, a few microseconds, no PyTorch.

The same equations as the cells' `step`, from the same parameters (a cell's `state_dict` as numpy arrays, or what safetensors
reads from a model's weights). The sixteen lanes are synapses or neurons here. Construction compiles: seconds the first time
on a machine, from numba's cache after that. An object holds scratch memory and serves one thread.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numba import njit

from liquid_control.errors import ConfigError, ShapeError, TimeError
from liquid_control.policy.kernels.lanes import FUSE, LANES, load, sigmoid, store, tanh
from liquid_control.policy.kernels.ltc_tables import circuit, pack
from liquid_control.policy.wiring import NcpWiring

HEADS = 4
"""ff1, ff2, t_a, t_b."""


class LtcStep:
    """`LtcCell.step` for one sample. `weights` holds the parameters under LtcCell's names; raises ConfigError when one is missing
    or of the wrong size."""

    def __init__(self, wiring: NcpWiring, weights: Mapping[str, np.ndarray], unfolds: int = 6) -> None:
        if isinstance(unfolds, bool) or not isinstance(unfolds, int) or unfolds < 1:
            raise ConfigError("LtcStep.unfolds", unfolds, "a whole number of at least 1")
        sizes = {name: wiring.neurons for name in ("raw_cm", "raw_gleak", "vleak")}
        for part, synapses in (("sensory", wiring.sensory), ("recurrent", wiring.synapses)):
            sizes |= {f"{part}.{name}": len(synapses) for name in ("raw_w", "sigma", "mu", "erev")}
        lists = circuit(wiring)[0]
        tables = pack(wiring, *(_parameter(weights, name, (size,)) for name, size in sizes.items()))
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        self._unfolds = unfolds
        self._lists = np.concatenate(lists)
        self._tables = np.concatenate([*(_columns(table) for table in tables[:2]), tables.neurons.T.ravel()])
        self._scratch = np.zeros(_padded(max(len(wiring.sensory), len(wiring.synapses))) + 3 * self.neurons, np.float32)
        self.step(np.zeros(self.inputs, np.float32), self.initial_state(), 1.0)

    def initial_state(self) -> np.ndarray:
        """Resting state (U,)."""
        return np.zeros(self.neurons, np.float32)

    def step(self, x: np.ndarray, h: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """x (F,), h (U,), dt → y (M,), h (U,), float32. Raises ShapeError and TimeError."""
        x, h = _check(x, h, dt, self.inputs, self.neurons)
        after = np.empty(self.neurons, np.float32)
        _ltc(x, h, dt, self._lists, self._tables, self._unfolds, self._scratch, after)
        return after[: self.outputs], after


class WiredCfcStep:
    """`WiredCfcCell.step` for one sample. `weights` holds the parameters under WiredCfcCell's names; raises ConfigError when one is
    missing or of the wrong size."""

    def __init__(self, wiring: NcpWiring, weights: Mapping[str, np.ndarray]) -> None:
        self.inputs, self.neurons, self.outputs = wiring.inputs, wiring.neurons, wiring.motor
        existing = np.zeros((self.neurons, self.inputs + self.neurons), bool)
        for offset, synapses in ((0, wiring.sensory), (self.inputs, wiring.synapses)):
            for source, target, _ in synapses:
                existing[target, offset + source] = True
        tables, layers, before = [], [], range(-self.inputs, 0)
        for name, neurons in (("inter", wiring.inter_neurons), ("command", wiring.command_neurons), ("motor", wiring.motor_neurons)):
            size, sources = len(neurons), len(before) + len(neurons)
            mask = np.ones((size, sources), bool)
            mask[:, : len(before)] = existing[np.ix_(neurons, [self.inputs + source for source in before])]
            table = np.zeros((sources + 1, HEADS, _padded(size)), np.float32)
            table[:-1, :, :size] = (_parameter(weights, f"{name}.weight", (HEADS, size, sources)) * mask).transpose(2, 0, 1)
            table[-1, :, :size] = _parameter(weights, f"{name}.bias", (HEADS * size,)).reshape(HEADS, size)
            tables.append(table.ravel())
            layers += [neurons.start, size]
            before = neurons
        self._tables, self._layers = np.concatenate(tables), np.array(layers)
        self._scratch = np.zeros(max(self.inputs, *layers[1::2]) + 2 * _padded(max(layers[1::2])), np.float32)
        self.step(np.zeros(self.inputs, np.float32), self.initial_state(), 1.0)

    def initial_state(self) -> np.ndarray:
        """State (U,) at the start of a sequence."""
        return np.zeros(self.neurons, np.float32)

    def step(self, x: np.ndarray, h: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
        """x (F,), h (U,), dt → y (M,), h (U,), float32. Raises ShapeError and TimeError."""
        x, h = _check(x, h, dt, self.inputs, self.neurons)
        after = np.empty(self.neurons, np.float32)
        _cfc(x, h, dt, self._layers, self._tables, self._scratch, after)
        return after[: self.outputs], after


@njit(cache=True, error_model="numpy", fastmath=set(FUSE))
def _ltc(x, h, dt, lists, tables, unfolds, scratch, v):
    """`lists` holds the circuit, `tables` the weights column by column, each one part after the other; v (U,) is written."""
    neurons = len(h)
    starts = lists[: neurons + 1]
    middle = neurons + 1 + starts[neurons]
    sources = lists[neurons + 1 : middle]
    starts_r, sources_r = lists[middle : middle + neurons + 1], lists[middle + neurons + 1 :]
    size, size_r = _lanes(len(sources)) * LANES, _lanes(len(sources_r)) * LANES
    table, table_r, own = tables[: 4 * size], tables[4 * size : 4 * (size + size_r)], tables[4 * (size + size_r) :]
    capacitance, numerator, denominator = scratch[:neurons], scratch[neurons : 2 * neurons], scratch[2 * neurons : 3 * neurons]
    activation, rate = scratch[3 * neurons :], np.float32(unfolds / dt)
    _activate(x, sources, table, activation)
    for u in range(neurons):
        v[u], capacitance[u] = h[u], own[u] * rate
        a, b = own[neurons + u], own[2 * neurons + u] + capacitance[u]
        for s in range(starts[u], starts[u + 1]):
            a, b = a + activation[s] * table[2 * size + s], b + activation[s] * table[3 * size + s]
        numerator[u], denominator[u] = a, b
    for _ in range(unfolds):
        _activate(v, sources_r, table_r, activation)
        for u in range(neurons):
            a, b = capacitance[u] * v[u] + numerator[u], denominator[u]
            for s in range(starts_r[u], starts_r[u + 1]):
                a, b = a + activation[s] * table_r[2 * size_r + s], b + activation[s] * table_r[3 * size_r + s]
            v[u] = a / b


@njit
def _activate(values, sources, table, activation):
    lanes = _lanes(len(sources))
    for s in range(len(sources)):
        activation[s] = values[sources[s]]
    for i in range(lanes):
        store(activation, i, sigmoid(load(activation, i) * load(table, i) + load(table, lanes + i)))


@njit(cache=True, error_model="numpy", fastmath=set(FUSE))
def _cfc(x, h, dt, layers, tables, scratch, after):
    """`layers` holds first neuron and size of each layer, `tables` their matrices (sources + 1, HEADS, padded units), bias last."""
    values, table, sources = scratch, tables, len(x)
    dt = np.float32(dt)
    values[:sources] = x
    for layer in range(len(layers) // 2):
        first, size = layers[2 * layer], layers[2 * layer + 1]
        lanes = _lanes(size)
        values[sources : sources + size] = h[first : first + size]
        sources += size
        for i in range(lanes):
            bias = sources * HEADS * lanes + i
            ff1, ff2, t_a, t_b = load(table, bias), load(table, bias + lanes), load(table, bias + 2 * lanes), load(table, bias + 3 * lanes)
            for k in range(sources):
                row, value = k * HEADS * lanes + i, values[k]
                ff1, ff2 = ff1 + load(table, row) * value, ff2 + load(table, row + lanes) * value
                t_a, t_b = t_a + load(table, row + 2 * lanes) * value, t_b + load(table, row + 3 * lanes) * value
            s, ff1 = sigmoid(t_a * dt + t_b), tanh(ff1)
            store(values[sources:], i, ff1 + (tanh(ff2) - ff1) * s)
        table = table[(sources + 1) * HEADS * lanes * LANES :]
        for u in range(size):
            values[u] = values[sources + u]
            after[first + u] = values[u]
        sources = size


@njit
def _lanes(size):
    return (size + LANES - 1) // LANES


def _padded(size: int) -> int:
    return -(-size // LANES) * LANES


def _columns(table: np.ndarray) -> np.ndarray:
    """(S, columns) → its columns one after the other, each padded with zeros to full lanes."""
    result = np.zeros((table.shape[1], _padded(len(table))), np.float32)
    result[:, : len(table)] = table.T
    return result.ravel()


def _parameter(weights: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in weights:
        raise ConfigError("weights", sorted(weights), f"a parameter {name}")
    values = np.asarray(weights[name], np.float32)
    if values.shape != shape:
        raise ShapeError(name, values.shape, shape)
    return values


def _check(x: np.ndarray, h: np.ndarray, dt: float, inputs: int, neurons: int) -> tuple[np.ndarray, np.ndarray]:
    x, h = np.ascontiguousarray(x, np.float32), np.ascontiguousarray(h, np.float32)
    if x.shape != (inputs,):
        raise ShapeError("x", x.shape, (inputs,))
    if h.shape != (neurons,):
        raise ShapeError("h", h.shape, (neurons,))
    if not 0.0 < dt < math.inf:
        raise TimeError(dt)
    return x, h
