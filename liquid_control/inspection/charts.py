"""Charts of an inspection as SVG text, coloured by the page's style sheet: when each stream has
messages, its intervals, signal against signal."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

import numpy as np

from liquid_control.inspection.stamps import EDGES, StampReport
from liquid_control.report.charts import (
    INNER,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    element,
    rule,
    svg,
    tick_label,
    ticks,
    time_axis,
)

LANE, BAR = 30, 14
NARROWEST = 2.0  # px
DOTS = 900
BARS = 60


@dataclasses.dataclass(frozen=True)
class Lane:
    """One stream over time: first and last second, gaps (start, length), marks (classes, words,
    seconds) and spans (classes, words, stretches of start and length)."""

    name: str
    first: float
    last: float
    gaps: Sequence[tuple[float, float]]
    marks: Sequence[tuple[str, str, Sequence[float]]] = ()
    spans: Sequence[tuple[str, str, Sequence[tuple[float, float]]]] = ()


def lanes(rows: Sequence[Lane], end: float) -> str:
    """When each stream has messages over 0..`end` seconds; gaps are cut out, faults are marked."""
    base, parts = TOP + LANE * len(rows), []

    def x(seconds: float) -> float:
        return LEFT + min(max(seconds / end, 0.0), 1.0) * INNER

    for i, row in enumerate(rows):
        top = TOP + i * LANE + (LANE - BAR) / 2
        box = {"y": float(top), "height": BAR, "rx": 3}
        parts.append(tick_label(escape(row.name), LEFT - 8, float(top + 11), "end"))
        parts.append(element("rect", "cell", x=LEFT, width=INNER, **box))
        parts.append(
            element(
                "rect",
                "there",
                x=x(row.first),
                width=max(x(row.last) - x(row.first), NARROWEST),
                **box,
            )
        )
        for classes, words, stretches in row.spans:
            for start, length in stretches:
                title = f"<title>{escape(words)}: {length:.1f} s from {start:.1f} s</title>"
                parts.append(
                    element(
                        "rect",
                        classes,
                        title,
                        x=x(start),
                        width=max(x(start + length) - x(start), NARROWEST),
                        **box,
                    )
                )
        for start, length in row.gaps:
            title = f"<title>{length:.2f} s without a message from {start:.1f} s</title>"
            width = max(x(start + length) - x(start), NARROWEST)
            parts.append(
                element(
                    "rect",
                    "silent",
                    title,
                    x=x(start),
                    width=width,
                    y=float(top - 2),
                    height=BAR + 4,
                )
            )
        for classes, words, moments in row.marks:
            for moment in moments:
                title = f"<title>{escape(words)} at {moment:.2f} s</title>"
                parts.append(
                    element("circle", classes, title, cx=x(moment), cy=float(top + BAR / 2), r=4)
                )
    scales = {"data-end": end, "data-base": base}
    return svg("".join(parts) + time_axis(end, base), WIDTH, base + 24, "over-time", scales)


def intervals(stamps: StampReport, width: int = 520, height: int = 190) -> str:
    """Histogram of the intervals between stamps; its heights are logarithmic, so that rare long
    ones stay visible."""
    middle = np.sqrt(EDGES[1:] * EDGES[:-1])
    total = np.cumsum(stamps.intervals)
    if not total[-1]:
        return ""
    furthest = float(middle[np.searchsorted(total, 0.9995 * total[-1])])
    high = 1000.0 * max(3.2 * stamps.interval, min(furthest, 8.0 * stamps.interval))  # ms
    counts, edges = np.histogram(
        np.minimum(1000.0 * middle, high * 0.999), BARS, (0.0, high), weights=stamps.intervals
    )
    left, base, tallest = 52, height - 36, height - 36 - TOP
    inner, peak = width - left - RIGHT, np.log1p(counts.max())
    parts = []
    for power in range(0, int(np.log10(counts.max())) + 1, 1 if counts.max() < 1e4 else 2):
        y = float(base - np.log1p(10.0**power) / peak * tallest)
        parts.append(rule(y, f"{10**power:,}", left, width - RIGHT))
    step = inner / BARS
    for i, count in enumerate(counts):
        if count:
            beyond = " and more" if i == BARS - 1 else ""
            title = f"<title>{edges[i]:.1f} to {edges[i + 1]:.1f} ms{beyond}: {int(count)}</title>"
            tall = max(float(np.log1p(count) / peak * tallest), 1.0)
            parts.append(
                element(
                    "rect",
                    "bar",
                    title,
                    x=left + i * step + 0.5,
                    y=base - tall,
                    width=step - 1.0,
                    height=tall,
                )
            )
    parts += [
        tick_label(f"{tick:g}", left + tick / high * inner, base + 16)
        for tick in ticks(0.0, high, 6)
    ]
    parts.append(tick_label("ms between stamps", width - RIGHT, height - 4, "end"))
    return svg("".join(parts), width, height)


def scatter(
    x: np.ndarray,
    y: np.ndarray,
    slope: float,
    offset: float,
    names: tuple[str, str],
    width: int = 520,
    height: int = 300,
) -> str:
    """Two signals (N,) as at most `DOTS` dots, and the straight line fitted to all of them."""
    if not len(x):
        return ""
    shown = np.linspace(0, len(x) - 1, min(len(x), DOTS)).astype(int)
    x, y = x[shown], y[shown]
    (left, right), (low, high) = (_range(values) for values in (x, y))
    margin, base = 56, height - 38

    def at(a, b) -> dict[str, float]:
        across, up = (a - left) / (right - left), (b - low) / (high - low)
        return {
            "x": float(margin + across * (width - margin - RIGHT)),
            "y": float(base - up * (base - TOP)),
        }

    parts = []
    for tick in ticks(low, high, 5):
        parts.append(rule(at(left, tick)["y"], f"{tick:g}", margin, width - RIGHT))
    for tick in ticks(left, right, 6):
        parts.append(tick_label(f"{tick:g}", at(tick, low)["x"], base + 16))
    for a, b in zip(x, y, strict=True):
        place = at(a, b)
        parts.append(element("circle", "dot", cx=place["x"], cy=place["y"], r=2))
    if np.isfinite(slope) and slope:
        ends = sorted(np.clip([(low - offset) / slope, (high - offset) / slope], left, right))
        first, last = (at(a, slope * a + offset) for a in ends)
        parts.append(
            element("line", "fit", x1=first["x"], y1=first["y"], x2=last["x"], y2=last["y"])
        )
    parts.append(tick_label(escape(names[0]), width - RIGHT, height - 4, "end"))
    parts.append(element("text", "tick", escape(names[1]), x=margin + 6, y=TOP + 10))
    return svg("".join(parts), width, height)


def _range(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + margin
