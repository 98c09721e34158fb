"""Random graphs that stay the same for ever, and the checks on what a wiring is made of.

Drawn with the raw 64-bit output of PCG64, the one stream that numpy promises never to change: the
same seed gives the same graph on every platform and version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from liquid_control.errors import ConfigError

Synapse = tuple[int, int, int]
"""(source, target, polarity): polarity +1 excites, -1 inhibits."""
Pair = tuple[int, int]
"""(source, target), or (drawer, drawn)."""


class Layer(NamedTuple):
    """Neurons that are computed together: their places in the state, and which of the numbers
    before them each one listens to."""

    name: str
    neurons: range
    sources: np.ndarray  # (units, sources + units) bool: the layer before, then its own state


def whole(name: str, value: object, low: int, high: int | None = None) -> None:
    """Raises ConfigError unless `value` is a whole number from `low` to `high`."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, np.integer))
        or value < low
        or (high is not None and value > high)
    ):
        upper = "" if high is None else f" and at most {high}"
        raise ConfigError(
            name,
            value,
            f"a whole number of at least {low}{upper}, so that every neuron can have a partner",
        )


def share(name: str, value: object) -> float:
    """Returns `value` when it is a number from 0 to below 1; raises ConfigError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
        raise ConfigError(name, value, "a share of at least 0 and below 1")
    return float(value)


def adjacency(synapses: Iterable[Synapse], targets: int, sources: int) -> np.ndarray:
    """(targets, sources) bool: which source drives which target."""
    matrix = np.zeros((targets, sources), bool)
    for source, target, _ in synapses:
        matrix[target, source] = True
    return matrix


def distinct(name: str, synapses: Iterable[Synapse]) -> None:
    """Raises ConfigError when two synapses join the same pair."""
    pairs = [synapse[:2] for synapse in synapses]
    if len(set(pairs)) != len(pairs):
        raise ConfigError(name, f"{len(pairs) - len(set(pairs))} repeated", "distinct synapses")


def pick(bits: np.random.PCG64, count: int, size: int) -> list[int]:
    """`size` distinct numbers below `count`, uniform: the places of the smallest random keys."""
    return [int(i) for i in np.argsort(bits.random_raw(count), kind="stable")[:size]]


def draw_fans(bits: np.random.PCG64, drawers: int, targets: int, fanout: int) -> list[Pair]:
    """Distinct (drawer, target) pairs, `fanout` per drawer, with every target reached."""
    chosen = [set(pick(bits, targets, fanout)) for _ in range(drawers)]
    fan_in = [sum(target in choice for choice in chosen) for target in range(targets)]
    for orphan in [target for target in range(targets) if fan_in[target] == 0]:
        for drawer in pick(bits, drawers, drawers):
            richest = max(chosen[drawer], key=lambda target: (fan_in[target], -target))
            if fan_in[orphan] < max(1, drawers * fanout // targets) and fan_in[richest] > 1:
                chosen[drawer] ^= {orphan, richest}
                fan_in[orphan], fan_in[richest] = fan_in[orphan] + 1, fan_in[richest] - 1
    return [(drawer, target) for drawer in range(drawers) for target in sorted(chosen[drawer])]


def draw_pairs(bits: np.random.PCG64, sources: int, targets: int, size: int) -> list[Pair]:
    """`size` distinct (source, target) pairs, at least max(sources, targets), such that every
    source drives a target and every target has a source: a random draw in which each one left out
    takes a synapse over from the best connected one."""
    pairs = [
        (number // targets, number % targets) for number in pick(bits, sources * targets, size)
    ]
    for side, count in ((1, targets), (0, sources)):
        degree = np.bincount([pair[side] for pair in pairs], minlength=count)
        for orphan in np.flatnonzero(degree == 0).tolist():
            place = max(range(size), key=lambda i: degree[pairs[i][side]])
            degree[pairs[place][side]] -= 1
            pairs[place] = (pairs[place][0], orphan) if side == 1 else (orphan, pairs[place][1])
    return sorted(pairs)


def with_polarity(bits: np.random.PCG64, pairs: Sequence[Pair]) -> tuple[Synapse, ...]:
    """Polarity -1 or 1 with equal probability: the highest of 64 random bits."""
    return tuple(
        (s, t, 1 if raw >> 63 else -1)
        for (s, t), raw in zip(pairs, bits.random_raw(len(pairs)).tolist(), strict=True)
    )
