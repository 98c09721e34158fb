"""Where the middle of the lane is beside the driven line, by the lines and edges on the ground.

A driver wanders in the lane. Strips of ground across the driven line, one behind the other, show
the lane's lines wander the other way. All strips are moved so that they agree with their mean, the
cross-section of the lane; the moves are one best path through all of them (A. Viterbi, "Error
bounds for convolutional codes", 1967), and the mean becomes sharper with each turn (E.
Learned-Miller, "Data driven image models through continuous joint alignment", PAMI 2006). On
average over a recording the driver counts as in the middle.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import cv2
import numpy as np

from liquid_control.sim.recorded.road import RecordedRoad

ACROSS = 0.7
"""Half the length of a strip, in widths of the lane."""
LARGEST = 0.4
"""A driver's distance from the middle, in widths of the lane."""
PIXEL, SPACING = 0.01, 0.08
"""Size of a strip's pixel, and from strip to strip, in widths of the lane."""
SHOWN = 0.4
"""Where a strip is sampled, the picture shows at least this to both sides, in widths of the
lane."""
STEEPEST = 0.5
"""Change of the distance along the path."""
STIFFNESS = 4.0
"""Cost of a squared change of the distance, over one width of the lane, in correlations."""
EDGE = 40.0
"""Change from pixel to pixel beyond which an edge counts no more [grey levels]."""
TURNS = 8
SURE = 0.35
"""Least correlation with the mean of nine tenths of the strips where the lines are believed."""
FEWEST = 50
"""Strips of all roads together."""
SMOOTHING = 5
"""Width of the mean over the distance from the middle, in strips; it is taken twice."""


def with_middle(roads: Sequence[RecordedRoad]) -> tuple[list[RecordedRoad], float | None]:
    """The roads of one recording with `path.middle`, and how far the driver was from the middle,
    root mean square [m]; as they are, and None, where the ground has no lines along the way."""
    strips = [_Strips.of(road) for road in roads]
    if sum(map(len, strips)) < FEWEST:
        return list(roads), None
    moves, agreement = _aligned(strips, roads[0].scale.lane_width * PIXEL)
    if np.quantile(np.concatenate(agreement), 0.1) < SURE:
        return list(roads), None
    found = []
    for road, strip, middle in zip(roads, strips, moves, strict=True):
        path = road.path
        if len(strip):
            at_frames = np.interp(path.station, strip.station, _smooth(_smooth(middle)))
            road = dataclasses.replace(road, path=dataclasses.replace(path, middle=at_frames))
        found.append(road)
    return found, float(np.sqrt(np.mean(np.concatenate(moves) ** 2)))


@dataclasses.dataclass(frozen=True, eq=False)
class _Strips:
    """Of one road: `station` (n,) [m]; `edges` (n, m, 3), the change from pixel to pixel to the
    left; `seen` (n, m) of 0 or 1."""

    station: np.ndarray
    edges: np.ndarray
    seen: np.ndarray

    def __len__(self) -> int:
        return len(self.station)

    @classmethod
    def of(cls, road: RecordedRoad) -> _Strips:
        path, camera, width = road.path, road.camera, road.scale.lane_width
        count = round(2 * ACROSS / PIXEL) + 1
        across = (np.arange(count) - (count - 1) / 2) * PIXEL * width
        ahead = _distance(road)
        stations = np.arange(ahead, path.length, SPACING * width)
        behind = np.searchsorted(path.station, stations - ahead, "right") - 1
        strips = np.zeros((len(stations), count, 3), np.float32)
        seen = np.zeros((len(stations), count), np.float32)
        for row, (station, frame) in enumerate(
            zip(stations.tolist(), behind.tolist(), strict=True)
        ):
            x, y, heading = path.pose(station)
            east = x - across * math.sin(heading) - path.x[frame]
            north = y + across * math.cos(heading) - path.y[frame]
            cos, sin = math.cos(path.heading[frame]), math.sin(path.heading[frame])
            ground = np.stack([east * cos + north * sin, north * cos - east * sin], -1)
            pixels = camera.project(np.pad(ground, ((0, 0), (0, 1)))).astype(np.float32)
            limits = np.array([camera.width - 1, camera.height - 1])
            seen[row] = np.all((pixels >= 0) & (pixels <= limits), -1)
            columns, rows = (np.ascontiguousarray(part)[:, None] for part in pixels.T)
            strips[row] = cv2.remap(road.pictures[frame], columns, rows, cv2.INTER_LINEAR)[:, 0]
        known = seen[:, 1:] * seen[:, :-1]
        edges = np.clip(np.diff(strips, axis=1), -EDGE, EDGE) * known[..., None]
        return cls(stations, edges, known)


def _distance(road: RecordedRoad) -> float:
    """How far ahead of the rear axle strips are sampled [m]."""
    camera = road.camera
    bottom = camera.ground(np.array([camera.centre[0], camera.height - 2.0]))[0]
    wide = SHOWN * road.scale.lane_width * camera.focal[0] / (camera.width / 2)
    return max(float(np.nan_to_num(bottom)), camera.forward + wide, 0.0)


def _aligned(strips: Sequence[_Strips], pixel: float) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Of each road's strips, the middle's distance to the left of the path [m], and the
    correlation with the mean there."""
    reach = round(LARGEST / PIXEL)
    edges, seen = (
        np.pad(np.concatenate([getattr(one, name) for one in strips]), pad)
        for name, pad in (
            ("edges", ((0, 0), (reach, reach), (0, 0))),
            ("seen", ((0, 0), (reach, reach))),
        )
    )
    length = seen.shape[1] - 2 * reach
    bounds = np.cumsum([0, *map(len, strips)]).tolist()
    energy = _matched((edges**2).sum(-1), np.ones(length, np.float32), reach)
    place = np.arange(length)
    moves = np.zeros(len(edges), int)
    for _ in range(TURNS):
        index = np.arange(len(edges))[:, None], place + moves[:, None] + reach
        mean = edges[index].sum(0) / np.maximum(seen[index].sum(0), 1.0)[:, None]  # (m, 3)
        both = sum(_matched(edges[..., of], mean[:, of], reach) for of in range(3))
        power = _matched(seen, (mean**2).sum(-1), reach) * energy
        agreement = both / np.sqrt(np.maximum(power, 1e-6))  # (n, 2 reach + 1)
        moves = np.concatenate(
            [_cheapest(agreement[a:b]) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]
        )
        moves = np.clip(moves - round(float(moves.mean())), -reach, reach)
    best = np.take_along_axis(agreement, moves[:, None] + reach, 1)[:, 0]
    distance = (moves - moves.mean()) * pixel
    parts = list(zip(bounds[:-1], bounds[1:], strict=True))
    return [distance[a:b] for a, b in parts], [best[a:b] for a, b in parts]


def _matched(rows: np.ndarray, kernel: np.ndarray, reach: int) -> np.ndarray:
    """(n, 2 reach + 1) sums of rows (n, m + 2 reach) times a kernel (m,) at every place."""
    kernel = np.ascontiguousarray(kernel, np.float32)[None]
    found = cv2.filter2D(
        np.ascontiguousarray(rows),
        cv2.CV_32F,
        kernel,
        anchor=(0, 0),
        borderType=cv2.BORDER_CONSTANT,
    )
    return found[:, : 2 * reach + 1]


def _cheapest(agreement: np.ndarray) -> np.ndarray:
    """(n,) places of the smooth way through (n, places) of the largest sum."""
    count, places = agreement.shape
    steepest = math.ceil(STEEPEST * SPACING / PIXEL)
    steps = np.arange(-steepest, steepest + 1)
    costs = STIFFNESS * (steps * PIXEL / SPACING) ** 2 * SPACING
    total, back = np.zeros(places), np.zeros((count, places), int)
    every = np.arange(places)
    before = every[None] - steps[:, None]  # (steps, places)
    inside = (before >= 0) & (before < places)
    for row in range(count):
        reached = np.where(inside, total[np.clip(before, 0, places - 1)] - costs[:, None], -np.inf)
        best = reached.argmax(0)
        back[row] = before[best, every]
        total = reached[best, every] + agreement[row]
    way, place = np.empty(count, int), int(total.argmax()) if count else 0
    for row in range(count - 1, -1, -1):
        way[row], place = place, back[row, place]
    return way


def _smooth(values: np.ndarray) -> np.ndarray:
    if len(values) < SMOOTHING:
        return values
    longer = np.pad(values, SMOOTHING // 2, "reflect", reflect_type="odd")
    return np.convolve(longer, np.full(SMOOTHING, 1.0 / SMOOTHING), "valid")
