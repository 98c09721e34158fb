"""Two models on the same roads or the same frames: differences with intervals, candidate minus the
model that drives."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from liquid_control.stats.bootstrap import difference_interval

PER_KM = 1000.0
BLOCK = 10.0
"""Frames of so many seconds [s] are drawn together: the error remembers its past."""


def on_roads(candidate: Sequence[Mapping], driving: Sequence[Mapping]) -> dict:
    """Of rows of `evaluate`'s `per_road`, of one condition and in the same order: by figure
    `candidate`, `driving`, `difference`, `ci` (95 %, over roads), and whether the candidate is
    `worse` or `better`, which is the whole interval on one side of 0."""
    both = candidate, driving
    metres = [_column(rows, "distance_m") for rows in both]
    counts = [_column(rows, "departures") for rows in both]
    squares = [
        _column(rows, "lateral_rmse_m") ** 2 * of for rows, of in zip(both, metres, strict=True)
    ]
    kilometres = [of / PER_KM for of in metres]
    return {
        "departures_per_km": _compared(counts, kilometres),
        "lateral_rmse_m": _compared(squares, metres, root=True),
    }


def on_frames(seconds: np.ndarray, candidate: np.ndarray, driving: np.ndarray) -> dict:
    """As `on_roads`, of the errors (N,) of both on frames at `seconds` (N,), which need not be of
    one drive as long as the drives are further apart than a block: RMSE. The interval is over
    blocks of `BLOCK` seconds."""
    block = np.unique(np.floor(seconds / BLOCK), return_inverse=True)[1]
    frames = np.bincount(block).astype(float)
    squares = [np.bincount(block, error**2) for error in (candidate, driving)]
    return _compared(squares, [frames, frames], root=True)


def _compared(above: Sequence[np.ndarray], below: Sequence[np.ndarray], root: bool = False) -> dict:
    values = [float(one.sum() / max(of.sum(), 1e-9)) for one, of in zip(above, below, strict=True)]
    values = [math.sqrt(value) for value in values] if root else values
    interval = difference_interval(tuple(above), tuple(below), root=root)
    return {
        "candidate": values[0],
        "driving": values[1],
        "difference": values[0] - values[1],
        "ci": [interval.low, interval.high],
        "worse": interval.low > 0.0,
        "better": interval.high < 0.0,
    }


def _column(rows: Sequence[Mapping], name: str) -> np.ndarray:
    least = 1e-3 if name == "distance_m" else -math.inf
    return np.maximum([float(row[name]) for row in rows], least)
