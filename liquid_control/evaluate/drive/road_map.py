"""The driven path over the road, seen from above, as SVG text."""

from __future__ import annotations

import numpy as np

from liquid_control.control.driving_scale import DrivingScale
from liquid_control.evaluate.drive.log import CAR_SCALE, Track
from liquid_control.report.charts import element, path_points, scale_bar, svg, upright

WIDTH, TALLEST, SHORTEST = 720, 520, 200
SPACING = 2.0  # m between drawn points
LEAP = 20.0  # m; another road begins, so the line breaks
AROUND = 8.0  # m
"""Of a car; of other vehicles by their size."""
MARGIN = 26.0


def road_map(
    track: Track,
    scale: DrivingScale = CAR_SCALE,
    lanes: int = 2,
    put_back: np.ndarray | None = None,
) -> str:
    """Road and path with the departures in their own colour; an empty text when no place is known.

    The road is where the truth says the lane is: half a lane to the right of its centre, one and a
    half to the left; of one lane, half a lane to each side. `put_back` (T,) bool: the vehicle was
    put elsewhere after this place, which is marked, and the line breaks.
    """
    size = scale.size
    known = np.isfinite(np.stack([track.x, track.y, track.yaw, track.lane_offset])).all(0)
    x, y, yaw, offset = (
        column[known] for column in (track.x, track.y, track.yaw, track.lane_offset)
    )
    if len(x) < 2:
        return ""
    moved = np.zeros(len(x), bool) if put_back is None else np.asarray(put_back, bool)[known]
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    drawn = np.searchsorted(travelled, np.arange(0.0, travelled[-1], SPACING * size))
    ends = np.flatnonzero(moved)
    kept = np.unique(np.concatenate([drawn, [len(x) - 1], ends, np.minimum(ends + 1, len(x) - 1)]))
    moved = moved[kept]
    x, y, yaw, offset = (column[kept] for column in (x, y, yaw, offset))
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], 1)
    path = np.stack([x, y], 1)
    lane = path - offset[:, None] * normal
    turn = upright(path)
    path, lane, normal = path @ turn, lane @ turn, normal @ turn
    low, high = path.min(0) - AROUND * size, path.max(0) + AROUND * size
    zoom = min(
        (WIDTH - 2 * MARGIN) / (high[0] - low[0]),
        (TALLEST - 2 * MARGIN) / max(high[1] - low[1], 1.0 * size),
    )
    height = min(max(zoom * (high[1] - low[1]) + 2 * MARGIN, SHORTEST), TALLEST)
    middle = (low + high) / 2

    def place(points: np.ndarray) -> np.ndarray:
        return (points - middle) * zoom * [1, -1] + [WIDTH / 2, height / 2]

    leaps = np.hypot(*np.diff(path, axis=0).T) > LEAP * size
    parts = []
    for piece in _pieces(leaps):
        middle_line = place(lane[piece] + (lanes - 1) * scale.off_road * normal[piece])
        width = max(zoom * lanes * 2 * scale.off_road, 9.0)
        parts.append(_line(middle_line, "asphalt", width))
        parts.append(_line(middle_line, "dashes", 1.0))
    for piece in _pieces(leaps | moved[:-1]):
        parts.append(_line(place(path[piece]), "line path", 2.5))
        for run in _runs(np.abs(offset[piece]) > scale.departure):
            parts.append(
                _line(place(path[piece][max(run[0] - 1, 0) : run[-1] + 2]), "line departed", 5.0)
            )
    for across, down in place(path[moved]):
        parts.append(element("circle", "put-back", cx=float(across), cy=float(down), r=4))
    for name, (across, down) in zip(("start", "end"), place(path[[0, -1]]), strict=True):
        parts.append(element("circle", name, cx=float(across), cy=float(down), r=6))
        parts.append(
            element(
                "text", "label", name, x=float(across), y=float(down) - 12, text_anchor="middle"
            )
        )
    parts.append(scale_bar(zoom, MARGIN, height - 22, 60.0))
    return svg("".join(parts), WIDTH, height, "map")


def _pieces(ends: np.ndarray) -> list[np.ndarray]:
    """Runs of at least two of N places that do not go over one of `ends` (N - 1,) bool."""
    runs = np.split(np.arange(len(ends) + 1), np.flatnonzero(ends) + 1)
    return [run for run in runs if len(run) > 1]


def _runs(inside: np.ndarray) -> list[np.ndarray]:
    runs = np.split(np.arange(len(inside)), np.flatnonzero(np.diff(inside.astype(np.int8))) + 1)
    return [run for run in runs if len(run) and inside[run[0]]]


def _line(points: np.ndarray, classes: str, width: float) -> str:
    return element("polyline", classes, stroke_width=width, points=path_points(points))
