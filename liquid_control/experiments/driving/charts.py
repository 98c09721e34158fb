"""Charts of the benchmark as SVG text, coloured by the page: curves over the strength of a
disturbance, and differences with their intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from liquid_control.experiments.driving.figures import Measure
from liquid_control.report.charts import element, path_points, rule, svg, tick_label, ticks

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 320, 52, 16, 12, 44
SPREAD = 3.2
"""The policies' points are this far apart, so that their whiskers do not overlap [px]."""
ROW, NAMES, PLOT = 20, 130, 250

CURVES = (
    (
        "Image noise",
        "variance of Gaussian noise",
        False,
        {"clean": 0.0, "noise_0.1": 0.1, "noise_0.2": 0.2, "noise_0.3": 0.3},
    ),
    (
        "Lost frames",
        "% of frames dropped",
        False,
        {"dropped_0": 0.0, "dropped_30": 30.0, "dropped_50": 50.0, "dropped_70": 70.0},
    ),
    (
        "Latency",
        "ms late",
        False,
        {"clean": 0.0, "latency_50": 50.0, "latency_100": 100.0, "latency_200": 200.0},
    ),
    (
        "Frame rate",
        "Hz; training is at 20 to 30",
        True,
        {"rate_5": 5.0, "rate_10": 10.0, "clean": 25.0, "rate_60": 60.0},
    ),
)
"""Title, words of the axis, whether it is logarithmic, where each condition stands."""


def curves(
    rows: Sequence[Mapping],
    measure: Measure,
    places: Mapping[str, float],
    words: str,
    logarithmic: bool,
) -> str:
    """A measure of every policy over the conditions in `places`, with 95 % whiskers; empty where
    fewer than two were driven."""
    names = list(dict.fromkeys(row["preset"] for row in rows))
    there = [name for name in places if any(row["condition"] == name for row in rows)]
    if len(there) < 2:
        return ""
    shown = {(row["preset"], row["condition"]): row for row in rows if row["condition"] in there}
    many = measure.kind == "rate"
    top = max(row[measure.name] for row in shown.values()) or 1.0
    top = min(max(row[f"{measure.name}_ci"][1] or top for row in shown.values()), 2.5 * top) * 1.05
    across = [math.log(places[name]) if logarithmic else places[name] for name in there]
    low, high = min(across), max(across)

    def x(value: float) -> float:
        return LEFT + 24 + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT - 48)

    def y(value: float) -> float:
        share = math.log1p(value) / math.log1p(top) if many else value / top
        return HEIGHT - BOTTOM - min(share, 1.0) * (HEIGHT - BOTTOM - TOP)

    parts = []
    for tick in (
        [0, *(v for v in (1, 3, 10, 30, 100, 300, 1000, 3000) if v <= top)]
        if many
        else ticks(0.0, top, 5)
    ):
        parts.append(rule(y(tick), f"{tick:g}", LEFT, WIDTH - RIGHT))
    for name, place in zip(there, across, strict=True):
        parts.append(tick_label(f"{places[name]:g}", x(place), HEIGHT - BOTTOM + 18))
    parts.append(tick_label(escape(words), (LEFT + WIDTH) / 2, HEIGHT - 6))
    for number, name in enumerate(names):
        aside = (number - (len(names) - 1) / 2) * SPREAD
        marks, line = [], []
        for condition, place in zip(there, across, strict=True):
            row = shown.get((name, condition))
            if row is None:
                continue
            least, most = (top if bound is None else bound for bound in row[f"{measure.name}_ci"])
            figure = f"{written(row, measure)} {measure.unit}"
            title = f"<title>{escape(name)}, {condition}: {figure}</title>"
            at = x(place) + aside
            line.append((at, y(row[measure.name])))
            marks.append(element("line", "whisker", x1=at, x2=at, y1=y(least), y2=y(most)))
            marks.append(element("circle", "point", title, cx=at, cy=y(row[measure.name]), r=3.4))
        drawn = element("polyline", "line", points=path_points(line)) + "".join(marks)
        parts.append(f'<g class="curve c{number % 12}" data-name="{escape(name)}">{drawn}</g>')
    return svg("".join(parts), WIDTH, HEIGHT)


def forest(compared: Sequence[Mapping], measure: Measure) -> str:
    """The policy's measure minus each baseline's, a row each: left of 0 the policy is better."""
    furthest = (
        max(
            (abs(v) for one in compared for v in (one["low"], one["high"], one["difference"])),
            default=0.0,
        )
        or 1.0
    )
    width, height = NAMES + PLOT + 230, ROW * len(compared) + 26

    def x(value: float) -> float:
        return NAMES + PLOT / 2 + value / furthest * (PLOT / 2 - 6)

    parts = [element("line", "zero", x1=x(0), x2=x(0), y1=2, y2=height - 20)]
    for number, one in enumerate(compared):
        middle = ROW * number + 12.0
        parts.append(
            element(
                "text",
                "name",
                escape(one["baseline"]),
                x=NAMES - 8,
                y=middle + 4,
                text_anchor="end",
            )
        )
        parts.append(
            element(
                "line",
                f"whisker {one['outcome']}",
                x1=x(one["low"]),
                x2=x(one["high"]),
                y1=middle,
                y2=middle,
            )
        )
        parts.append(
            element("circle", f"point {one['outcome']}", cx=x(one["difference"]), cy=middle, r=4)
        )
        low, high, value = (
            measure.written(one[name]) for name in ("low", "high", "baseline_value")
        )
        label = f"{one['difference']:+.{measure.digits}f} [{low}, {high}] against {value}"
        parts.append(element("text", "tick", label, x=NAMES + PLOT + 10, y=middle + 4))
    parts.append(element("text", "tick", "← better", x=NAMES, y=height - 6))
    parts.append(tick_label("worse →", NAMES + PLOT, height - 6, "end"))
    return svg("".join(parts), width, height, "forest", {"style": f"max-width:{width}px"})


def written(row: Mapping, measure: Measure) -> str:
    """A figure with its 95 % interval."""
    low, high = row[f"{measure.name}_ci"]
    bounds = f"[{measure.written(low)}, {'∞' if high is None else measure.written(high)}]"
    return f"{measure.written(row[measure.name])} {bounds}"
