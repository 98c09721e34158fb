"""Charts of the page that have no time axis: the neurons' principal components, sorted bars."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from liquid_control.evaluate.insight.activity import BENDS
from liquid_control.report.charts import element, svg, tick_label, ticks

POINTS = 1200


def scatter(points: np.ndarray, bend: np.ndarray, shares: Sequence[float], size: int = 460) -> str:
    """States on their first two components (T, 2), coloured by which way the road bends: `bend`
    (T,) indexes `activity.BENDS`."""
    chosen = np.unique(np.linspace(0, len(points) - 1, min(POINTS, len(points))).astype(int))
    points, bend = points[chosen], bend[chosen]
    left, base, room = 48, size - 40, size - 60
    low, high = points.min(axis=0), points.max(axis=0)
    span = (
        float((high - low).max()) * 1.06 or 1.0
    )  # one scale for both axes: the shares are seen, not only read
    corner = (low + high - span) / 2
    parts = [element("rect", "frame", x=left, y=base - room, width=room, height=room)]
    for axis, name in enumerate(
        (f"PC1, {100 * shares[0]:.0f} % of the variance", f"PC2, {100 * shares[1]:.0f} %")
    ):
        x, y = (left + room / 2, size - 8.0) if axis == 0 else (16.0, base - room / 2)
        place = {"x": x, "y": y, "transform": _turned(x, y) if axis else "rotate(0)"}
        parts.append(element("text", "label", name, text_anchor="middle", **place))
        for tick in ticks(float(corner[axis]), float(corner[axis] + span), 5):
            at = float((tick - corner[axis]) / span * room)
            spot = (left + at, base + 15.0) if axis == 0 else (left - 6.0, base - at + 4, "end")
            parts.append(tick_label(f"{tick:g}", *spot))
    for (x, y), kind in zip(points, bend, strict=True):
        place = {
            "cx": left + (x - corner[0]) / span * room,
            "cy": base - (y - corner[1]) / span * room,
        }
        parts.append(element("circle", f"dot {BENDS[int(kind)]}", r=2.2, **_floats(place)))
    return svg("".join(parts), size, size)


def bars(names: Sequence[str], values: np.ndarray, width: int = 460, pitch: int = 21) -> str:
    """Values (N,) as rows, largest first, with their figures."""
    order = np.argsort(-np.asarray(values), kind="stable")
    largest, left, parts = float(max(np.max(values), 1e-12)), 92, []
    for row, index in enumerate(order):
        y, long = row * pitch + 4, float(values[index] / largest * (width - left - 60))
        parts.append(tick_label(escape(names[index]), left - 8, y + 12, "end"))
        parts.append(element("rect", "bar", x=left, y=y, width=max(long, 0.5), height=pitch - 6))
        parts.append(element("text", "tick", f"{values[index]:.2f}", x=left + long + 6, y=y + 12))
    return svg("".join(parts), width, len(order) * pitch + 8)


def _turned(x: float, y: float) -> str:
    return f"rotate(-90 {x:.0f} {y:.0f})"


def _floats(place: dict) -> dict[str, float]:
    return {name: float(value) for name, value in place.items()}
