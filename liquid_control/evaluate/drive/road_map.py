"""The driven path over the road, seen from above, as SVG text."""

from __future__ import annotations

import numpy as np

from liquid_control.evaluate.drive.log import Track
from liquid_control.evaluate.drive.summary import DEPARTURE, OFF_ROAD
from liquid_control.report.charts import element, path_points, scale_bar, svg, upright

WIDTH, TALLEST, SHORTEST = 720, 520, 200
SPACING = 2.0  # m between drawn points
LEAP = 20.0  # m; the vehicle was put back, so the line breaks
MARGIN = 26.0


def road_map(track: Track) -> str:
    """Road and path with the departures in their own colour; an empty text when no place is known.

    The road is where the truth says the lane is: half a lane to the right of its centre, one and a
    half to the left.
    """
    known = np.isfinite(np.stack([track.x, track.y, track.yaw, track.lane_offset])).all(0)
    x, y, yaw, offset = (
        column[known] for column in (track.x, track.y, track.yaw, track.lane_offset)
    )
    if len(x) < 2:
        return ""
    travelled = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    kept = np.unique(
        np.concatenate(
            [np.searchsorted(travelled, np.arange(0.0, travelled[-1], SPACING)), [len(x) - 1]]
        )
    )
    x, y, yaw, offset = (column[kept] for column in (x, y, yaw, offset))
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], 1)
    path = np.stack([x, y], 1)
    lane = path - offset[:, None] * normal
    turn = upright(path)
    path, lane, normal = path @ turn, lane @ turn, normal @ turn
    low, high = path.min(0) - 8.0, path.max(0) + 8.0
    scale = min(
        (WIDTH - 2 * MARGIN) / (high[0] - low[0]),
        (TALLEST - 2 * MARGIN) / max(high[1] - low[1], 1.0),
    )
    height = min(max(scale * (high[1] - low[1]) + 2 * MARGIN, SHORTEST), TALLEST)
    middle = (low + high) / 2

    def place(points: np.ndarray) -> np.ndarray:
        return (points - middle) * scale * [1, -1] + [WIDTH / 2, height / 2]

    pieces = np.flatnonzero(np.hypot(*np.diff(path, axis=0).T) > LEAP) + 1
    parts = []
    for piece in np.split(np.arange(len(path)), pieces):
        if len(piece) < 2:
            continue
        centre, side = lane[piece], normal[piece]
        parts.append(
            _line(place(centre + OFF_ROAD * side), "asphalt", max(scale * 4 * OFF_ROAD, 9.0))
        )
        parts.append(_line(place(centre + OFF_ROAD * side), "dashes", 1.0))
        parts.append(_line(place(path[piece]), "line path", 2.5))
        for run in _runs(np.abs(offset[piece]) > DEPARTURE):
            parts.append(
                _line(place(path[piece][max(run[0] - 1, 0) : run[-1] + 2]), "line departed", 5.0)
            )
    for name, (across, down) in zip(("start", "end"), place(path[[0, -1]]), strict=True):
        parts.append(element("circle", name, cx=float(across), cy=float(down), r=6))
        parts.append(
            element(
                "text", "label", name, x=float(across), y=float(down) - 12, text_anchor="middle"
            )
        )
    parts.append(scale_bar(scale, MARGIN, height - 22, 60.0))
    return svg("".join(parts), WIDTH, height, "map")


def _runs(inside: np.ndarray) -> list[np.ndarray]:
    runs = np.split(np.arange(len(inside)), np.flatnonzero(np.diff(inside.astype(np.int8))) + 1)
    return [run for run in runs if len(run) and inside[run[0]]]


def _line(points: np.ndarray, classes: str, width: float) -> str:
    return element("polyline", classes, stroke_width=width, points=path_points(points))
