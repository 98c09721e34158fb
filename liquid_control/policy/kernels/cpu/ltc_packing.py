"""From an LTC's wiring and parameters to the tables of its kernels, and from their gradients back.
numpy only."""

from __future__ import annotations

import functools

import numpy as np

from liquid_control.model.free_wiring import FreeWiring
from liquid_control.model.wiring import NcpWiring, Synapse
from liquid_control.policy.kernels.cpu import ltc_cpu
from liquid_control.policy.kernels.cpu.simd import LOG2_E

FLOOR = 1e-30
"""`policy.cells.synapses.FLOOR`; this module imports no PyTorch."""


@functools.lru_cache(maxsize=64)
def circuit(wiring: NcpWiring | FreeWiring) -> tuple[ltc_cpu.Circuit, np.ndarray, np.ndarray]:
    """The wiring as the kernels want it, and the order in which they have the sensory and the
    recurrent synapses."""
    (start, source, sensory), (start_r, source_r, recurrent) = (
        _by_target(s, wiring.neurons) for s in (wiring.sensory, wiring.synapses)
    )
    return ltc_cpu.Circuit(start, source, start_r, source_r), sensory, recurrent


def _by_target(
    synapses: tuple[Synapse, ...], neurons: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = np.array(synapses, np.int64).reshape(-1, 3)
    order = np.argsort(table[:, 1], kind="stable")
    return (
        np.searchsorted(table[order, 1], np.arange(neurons + 1)),
        np.ascontiguousarray(table[order, 0]),
        order,
    )


def pack(
    wiring: NcpWiring | FreeWiring, raw_cm, raw_gleak, vleak, *rest, positivity: str = "softplus"
) -> ltc_cpu.Weights:
    """An LtcCell's parameters as the kernels want them. `rest` holds raw_w, sigma, mu, erev of the
    sensory synapses, the same of the recurrent ones, and of an affine cell the scale and shift of
    the inputs, which become part of the synapses."""
    lists, *orders = circuit(wiring)
    tables = []
    for order, (raw_w, sigma, mu, erev), maps in zip(
        orders, (rest[:4], rest[4:8]), (rest[8:], ()), strict=True
    ):
        w, slope, offset = _positive(raw_w, positivity), sigma, -sigma * mu
        tables.append(np.stack([slope, offset, w * erev, w, slope], axis=1)[order])
        if maps:
            scale, shift = (values[lists.sensory_source] for values in maps)
            tables[-1][:, 1] += tables[-1][:, 0] * shift
            tables[-1][:, [0, 4]] *= scale[:, None]
        tables[-1][:, :2] *= -LOG2_E
    gleak = _positive(raw_gleak, positivity)
    return ltc_cpu.Weights(
        *tables, np.stack([_positive(raw_cm, positivity), gleak * vleak, gleak], axis=1)
    )


def unpack(
    wiring: NcpWiring | FreeWiring,
    gradient: np.ndarray,
    raw_cm,
    raw_gleak,
    vleak,
    *rest,
    positivity: str = "softplus",
) -> list[np.ndarray]:
    """From gradients of all synapses and neurons, flattened, to gradients of `pack`'s arguments."""
    lists, *orders = circuit(wiring)
    result, of_maps = [], []
    for order, (raw_w, sigma, mu, erev), maps in zip(
        orders, (rest[:4], rest[4:8]), (rest[8:], ()), strict=True
    ):
        table, gradient = np.split(gradient, [ltc_cpu.SYNAPSE * len(order)])
        slope, offset, w_erev, w = np.empty_like(table).reshape(ltc_cpu.SYNAPSE, -1)
        for place, column in zip(
            (slope, offset, w_erev, w), table.reshape(-1, ltc_cpu.SYNAPSE).T, strict=True
        ):
            place[order] = column
        d_mu = -sigma * offset
        if maps:
            source = np.empty_like(order)
            source[order] = lists.sensory_source
            scale, shift = maps
            of_maps = [
                np.bincount(source, sigma * of, len(scale)).astype(scale.dtype)
                for of in (slope, offset)
            ]
            slope, mu = slope * scale[source], mu - shift[source]
        result += [
            (w + erev * w_erev) * _slope(raw_w, positivity),
            slope - mu * offset,
            d_mu,
            _positive(raw_w, positivity) * w_erev,
        ]
    cm, gleak_vleak, gleak = gradient.reshape(-1, ltc_cpu.NEURON).T
    own = [
        cm * _slope(raw_cm, positivity),
        (gleak + vleak * gleak_vleak) * _slope(raw_gleak, positivity),
        _positive(raw_gleak, positivity) * gleak_vleak,
    ]
    return own + result + of_maps


def _positive(raw: np.ndarray, positivity: str) -> np.ndarray:
    """`policy.cells.synapses.positive`."""
    value = np.abs(raw) if positivity == "absolute" else _softplus(raw)
    return value + raw.dtype.type(FLOOR)


def _slope(raw: np.ndarray, positivity: str) -> np.ndarray:
    """The derivative of `_positive`."""
    if positivity == "absolute":
        return np.where(raw < 0, -1, 1).astype(raw.dtype)
    return np.exp(raw - _softplus(raw))


def _softplus(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(raw, raw.dtype.type(0))
