"""Procedural roads: the centre line of the driven lane as a smooth plane curve, drawn from a seed.

The lane's centre is the reference: `station` s [m] runs along it, `offset` [m] is positive to its
left. A second lane lies to the left, so the road's own centre line is half a lane left of the
reference (right-hand traffic).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

LANE_WIDTH = 3.5
SHARPEST_CURVATURE = 1.0 / 15.0
GENTLEST_CURVATURE = 1 / 200.0
SPACING = 0.5
"""Distance between samples of the curve [m]."""

MAX_HEADING = np.deg2rad(70.0)
"""The road never turns further than this from east, so x grows for ever and the road cannot meet
itself."""


@dataclasses.dataclass(frozen=True, eq=False)
class Road:
    """Samples every `spacing` metres, each array (N,): `x`, `y` [m], `heading` [rad], `curvature`
    [1/m]."""

    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    curvature: np.ndarray
    spacing: float = SPACING

    @property
    def length(self) -> float:
        return (len(self.x) - 1) * self.spacing

    def at(self, station: float) -> tuple[float, float, float, float]:
        """x, y, heading, curvature at a station, linear between samples; the ends are held."""
        position = min(max(station / self.spacing, 0.0), len(self.x) - 1.000001)
        i = int(position)
        j, w = i + 1, position - i
        u, x, y, heading, curvature = (
            1 - w,
            self.x.item,
            self.y.item,
            self.heading.item,
            self.curvature.item,
        )
        return (
            x(i) * u + x(j) * w,
            y(i) * u + y(j) * w,
            heading(i) * u + heading(j) * w,
            curvature(i) * u + curvature(j) * w,
        )

    def project(self, x: float, y: float, near: float) -> tuple[float, float]:
        """Station and offset of a point, found by Newton steps from the station `near` (a few
        metres off at most). Who is before the beginning or behind the end is held at it, as `at`
        does: a vehicle may turn round and drive back."""
        station = near
        for _ in range(3):
            cx, cy, heading, curvature = self.at(station)
            cos, sin = math.cos(heading), math.sin(heading)
            along, left = (x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin
            station = min(max(station + along / max(1.0 - curvature * left, 0.2), 0.0), self.length)
            if abs(along) < 1e-3:
                break
        return station, left


def build_road(
    rng: np.random.Generator,
    length: float,
    sharpest: float = SHARPEST_CURVATURE,
    gentlest: float = GENTLEST_CURVATURE,
) -> Road:
    """A road of about `length` metres: straights, bends and hairpin-free serpentines with smooth
    transitions.

    Bends have curvatures between `gentlest` and `sharpest` [1/m].
    """
    pieces, heading, drawn = [np.zeros(int(15 / SPACING))], 0.0, 15.0
    while drawn < length + 60.0:
        piece = _draw_piece(rng, heading, sharpest, gentlest)
        pieces.append(piece)
        heading += piece.sum() * SPACING
        drawn += len(piece) * SPACING
    curvature = _smooth(np.concatenate(pieces))[: int((length + 60.0) / SPACING) + 1]
    headings = np.concatenate([[0.0], np.cumsum((curvature[1:] + curvature[:-1]) / 2) * SPACING])
    middle = (headings[1:] + headings[:-1]) / 2
    x = np.concatenate([[0.0], np.cumsum(np.cos(middle)) * SPACING])
    y = np.concatenate([[0.0], np.cumsum(np.sin(middle)) * SPACING])
    return Road(x, y, headings, curvature)


def _draw_piece(
    rng: np.random.Generator, heading: float, sharpest: float, gentlest: float
) -> np.ndarray:
    """Piecewise constant curvature: a straight or a bend whose turn keeps the heading within
    MAX_HEADING."""
    if rng.random() < 0.3:
        return np.zeros(int(rng.uniform(10.0, 50.0) / SPACING))
    curvature = np.exp(rng.uniform(np.log(gentlest), np.log(sharpest)))
    turn = rng.uniform(0.15, 1.4)
    room_left, room_right = MAX_HEADING - heading, MAX_HEADING + heading
    left = rng.random() < room_left / (room_left + room_right)
    turn = min(turn, room_left if left else room_right, 60.0 * curvature)
    samples = max(int(turn / curvature / SPACING), 1)
    return np.full(samples, curvature if left else -curvature)


def _smooth(curvature: np.ndarray) -> np.ndarray:
    """Raised-cosine smoothing over 14 m: clothoid-like transitions; peaks and total turn are kept
    or lowered."""
    kernel = np.hanning(int(14.0 / SPACING) + 1)
    padded = np.pad(curvature, len(kernel) // 2, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
