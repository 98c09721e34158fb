"""From an LTC's wiring and parameters to the tables of its kernels, and from their gradients back. numpy only."""

from __future__ import annotations

import functools

import numpy as np

from liquid_control.policy.kernels import ltc_cpu
from liquid_control.policy.wiring import NcpWiring, Synapse


@functools.lru_cache(maxsize=64)
def circuit(wiring: NcpWiring) -> tuple[ltc_cpu.Circuit, np.ndarray, np.ndarray]:
    """The wiring as the kernels want it, and the order in which they have the sensory and the recurrent synapses."""
    (start, source, sensory), (start_r, source_r, recurrent) = (_by_target(s, wiring.neurons) for s in (wiring.sensory, wiring.synapses))
    return ltc_cpu.Circuit(start, source, start_r, source_r), sensory, recurrent


def _by_target(synapses: tuple[Synapse, ...], neurons: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(synapses, np.int64).reshape(-1, 3)
    order = np.argsort(table[:, 1], kind="stable")
    return np.searchsorted(table[order, 1], np.arange(neurons + 1)), np.ascontiguousarray(table[order, 0]), order


def pack(wiring: NcpWiring, raw_cm, raw_gleak, vleak, *synapses) -> ltc_cpu.Weights:
    """The cell's parameters as the kernels want them; `synapses` holds raw_w, sigma, mu, erev, sensory ones first."""
    tables = []
    for order, (raw_w, sigma, mu, erev) in zip(circuit(wiring)[1:], (synapses[:4], synapses[4:]), strict=True):
        w = _softplus(raw_w)
        tables.append(np.stack([sigma, -sigma * mu, w * erev, w], axis=1)[order])
    gleak = _softplus(raw_gleak)
    return ltc_cpu.Weights(*tables, np.stack([_softplus(raw_cm), gleak * vleak, gleak], axis=1))


def unpack(wiring: NcpWiring, gradient: np.ndarray, raw_cm, raw_gleak, vleak, *synapses) -> list[np.ndarray]:
    """From gradients in the order of `pack`'s tables, flattened, to gradients of the cell's parameters."""
    result = []
    for order, (raw_w, sigma, mu, erev) in zip(circuit(wiring)[1:], (synapses[:4], synapses[4:]), strict=True):
        table, gradient = np.split(gradient, [ltc_cpu.SYNAPSE * len(order)])
        slope, offset, w_erev, w = np.empty_like(table).reshape(ltc_cpu.SYNAPSE, -1)
        for place, column in zip((slope, offset, w_erev, w), table.reshape(-1, ltc_cpu.SYNAPSE).T, strict=True):
            place[order] = column
        result += [(w + erev * w_erev) * _logistic(raw_w), slope - mu * offset, -sigma * offset, _softplus(raw_w) * w_erev]
    cm, gleak_vleak, gleak = gradient.reshape(-1, ltc_cpu.NEURON).T
    own = [cm * _logistic(raw_cm), (gleak + vleak * gleak_vleak) * _logistic(raw_gleak), _softplus(raw_gleak) * gleak_vleak]
    return own + result


def _softplus(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(raw, raw.dtype.type(0))


def _logistic(raw: np.ndarray) -> np.ndarray:
    return np.exp(raw - _softplus(raw))
