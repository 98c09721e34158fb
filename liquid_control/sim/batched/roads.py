"""Roads as one table, for many worlds at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from liquid_control.sim.batched.motion import ROW
from liquid_control.sim.road import SPACING, Road


@dataclasses.dataclass(frozen=True, eq=False)
class RoadTable:
    """R roads of N samples each, `SPACING` apart.

    `rows` (R * N, ROW) float32: x, y [m], cosine and sine of the heading, heading [rad], curvature
    [1/m], speed plan [m/s], and one that is 0. `stations` (R * W,) float32: of the sample at each
    whole metre of x, from the first one's on; a road's x grows for ever (`sim.road`).
    """

    rows: np.ndarray
    samples: int
    stations: np.ndarray
    width: int

    @property
    def roads(self) -> int:
        return len(self.rows) // self.samples

    @property
    def length(self) -> float:
        """Of each road [m]."""
        return (self.samples - 1) * SPACING


def road_table(roads: Sequence[Road], plans: Sequence[np.ndarray]) -> RoadTable:
    """Of roads, cut to the shortest one's samples, each with its speed plan (N,) [m/s]."""
    samples = min(len(road.x) for road in roads)
    rows = np.zeros((len(roads), samples, ROW), np.float32)
    for row, road, plan in zip(rows, roads, plans, strict=True):
        columns = road.x, road.y, np.cos(road.heading), np.sin(road.heading)
        row[:, :7] = np.stack([*columns, road.heading, road.curvature, plan], 1)[:samples]
    width = int(max(road.x[-1] for road in roads)) + 2
    at, along = np.arange(width), np.arange(samples) * SPACING
    guesses = [np.interp(at, road.x[:samples], along) for road in roads]
    stations = np.stack(guesses).astype(np.float32)
    return RoadTable(rows.reshape(-1, ROW), samples, stations.ravel(), width)
