"""Charts of a replay as SVG text, coloured by the page's style sheet: policy against driver, error
by bend and speed, residual, path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from liquid_control.evaluate.replay.log import ReplayLog
from liquid_control.report.charts import (
    element,
    path_points,
    rule,
    scale_bar,
    svg,
    tick_label,
    ticks,
    upright,
)
from liquid_control.stats.whiteness import band

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 320, 52, 14, 12, 40
CELLS = 56
SHORTEST_BAR = 1.5
STEP = 1.0  # s of dead reckoning between drawn points
LONGEST_STEP = 1.0  # s; the path stops over a longer gap
MAP_HEIGHT, MAP_MARGIN = 320, 24


def scatter(recorded: np.ndarray, angle: np.ndarray, classes: str) -> str:
    """Two-dimensional histogram of the policy's angle (N,) against the driver's (N,) [rad]; the
    opacity of a cell grows with the logarithm of its count."""
    edge = max(float(np.percentile(np.abs(np.concatenate([recorded, angle])), 99.9)), 0.01) * 1.05
    degrees = math.degrees(edge)
    counts, edges = np.histogramdd(
        np.stack([recorded, angle], 1).clip(-edge, edge), CELLS, [(-edge, edge)] * 2
    )[:2]
    x, y, parts = _axes(
        (-degrees, degrees), (-degrees, degrees), "driver, °", "policy, °", square=True
    )
    parts.append(
        element("line", "diagonal", x1=x(-degrees), y1=y(-degrees), x2=x(degrees), y2=y(degrees))
    )
    size = 2 * degrees / CELLS
    wide, tall = abs(x(size) - x(0)), abs(y(size) - y(0))
    for i, k in zip(*np.nonzero(counts), strict=True):
        corner = math.degrees(edges[0][i]), math.degrees(edges[1][k]) + size
        opacity = 0.35 + 0.65 * math.log1p(counts[i, k]) / math.log1p(counts.max())
        parts.append(
            element(
                "rect",
                f"dot {classes}",
                x=x(corner[0]),
                y=y(corner[1]),
                width=wide,
                height=tall,
                opacity=f"{opacity:.2f}",
            )
        )
    return svg("".join(parts), WIDTH, HEIGHT)


def bins(rows: Mapping[str, Sequence[Mapping]], label: Callable[[float], str], unit: str) -> str:
    """RMSE [°] in every bin: a bar for each model (rows of `figures` by name), and a line for
    driving straight ahead."""
    places = sorted(
        {(row["from"], row["to"]) for of_model in rows.values() for row in of_model},
        key=lambda place: place[0],
    )
    if not places:
        return ""
    highest = max(
        max(row["rmse"], row["straight_ahead"]) for of_model in rows.values() for row in of_model
    )
    _, y, parts = _axes(
        (0, 1), (0.0, math.degrees(highest) * 1.08), unit, "RMSE, °", numbered=False
    )
    slot = (WIDTH - LEFT - RIGHT) / len(places)
    wide = slot * 0.72 / len(rows)
    for number, of_model in enumerate(rows.values()):
        for row in of_model:
            left = LEFT + places.index((row["from"], row["to"])) * slot + slot * 0.14
            rmse, straight = math.degrees(row["rmse"]), math.degrees(row["straight_ahead"])
            top = min(y(rmse), y(0) - SHORTEST_BAR)
            figures = (
                f"{row['frames']} frames, RMSE {rmse:.2f}°, "
                f"bias {math.degrees(row['bias']):+.2f}°, straight ahead {straight:.2f}°"
            )
            title = f"<title>{figures}</title>"
            parts.append(
                element(
                    "rect",
                    f"bin m{number % 4}",
                    title,
                    x=left + number * wide,
                    y=top,
                    width=wide - 1.5,
                    height=y(0) - top,
                )
            )
            parts.append(
                element(
                    "line",
                    "straight",
                    x1=left - 3,
                    x2=left + slot * 0.72 + 3,
                    y1=y(straight),
                    y2=y(straight),
                )
            )
    for place, (low, high) in enumerate(places):
        words = f"{label(low)}–{label(high)}" if high is not None else f"> {label(low)}"
        parts.append(tick_label(words, LEFT + (place + 0.5) * slot, HEIGHT - BOTTOM + 16))
    return svg("".join(parts), WIDTH, HEIGHT)


def residual(found: Mapping[str, tuple[np.ndarray, np.ndarray, int]]) -> str:
    """Autocorrelation of each model's error, (lags [s], values, samples) by name, with the band of
    white noise."""
    if not found:
        return ""
    end = max(float(lags[-1]) for lags, _, _ in found.values())
    low = min(-0.25, *(float(values.min()) for _, values, _ in found.values()))
    x, y, parts = _axes((0.0, end), (low * 1.05, 1.02), "later by, s", "autocorrelation")
    for number, (lags, values, samples) in enumerate(found.values()):
        wide = band(samples)
        if number == 0:
            parts.append(
                element(
                    "rect",
                    "band",
                    x=x(0.0),
                    y=y(wide),
                    width=x(end) - x(0.0),
                    height=y(-wide) - y(wide),
                )
            )
        points = np.stack([[x(lag) for lag in lags], [y(value) for value in values]], 1)
        parts.append(element("polyline", f"line m{number % 4}", points=path_points(points)))
    return svg("".join(parts), WIDTH, HEIGHT)


def _no_gyro(log: ReplayLog) -> bool:
    gyro = log.contributions.get("yaw_rate")
    return gyro is None or bool(gyro.reason)


def path_map(log: ReplayLog, marks: Mapping[str, float]) -> str:
    """Path by dead reckoning from yaw rate and speed; `marks`: seconds by label. Empty where either
    is not recorded."""
    frames = log.issued.of_frames()
    known = np.isfinite(frames.measured_speed) & np.isfinite(frames.yaw_rate)
    if _no_gyro(log) or np.count_nonzero(known) < 10:
        return ""
    seconds, speed, rate = (
        log.since_start(frames.stamp_ns)[known],
        frames.measured_speed[known],
        frames.yaw_rate[known],
    )
    dt = np.diff(seconds, prepend=seconds[0])
    dt = np.where((dt > 0) & (dt < LONGEST_STEP), dt, 0.0)
    yaw = np.cumsum(rate * dt)
    path = np.stack([np.cumsum(speed * np.cos(yaw) * dt), np.cumsum(speed * np.sin(yaw) * dt)], 1)
    if np.ptp(path, axis=0).max() < 1.0:
        return ""
    path = path @ upright(path)
    low, high = path.min(0), path.max(0)
    scale = min(
        (WIDTH - 2 * MAP_MARGIN) / max(high[0] - low[0], 1.0),
        (MAP_HEIGHT - 2 * MAP_MARGIN - 20) / max(high[1] - low[1], 1.0),
    )
    placed = (path - (low + high) / 2) * scale * [1, -1] + [WIDTH / 2, MAP_HEIGHT / 2 - 8]
    drawn = np.unique(
        np.concatenate(
            [
                np.searchsorted(seconds, np.arange(0.0, seconds[-1], max(STEP, seconds[-1] / 900))),
                [len(path) - 1],
            ]
        )
    )
    parts = [element("polyline", "line way", points=path_points(placed[drawn]))]
    for name, place in (("start", 0), ("end", -1)):
        parts.append(
            element("circle", name, cx=float(placed[place, 0]), cy=float(placed[place, 1]), r=5)
        )
    for words, at in marks.items():
        across, down = placed[min(int(np.searchsorted(seconds, at)), len(placed) - 1)]
        parts.append(element("circle", "worst", cx=float(across), cy=float(down), r=8))
        parts.append(
            element(
                "text", "number", words, x=float(across), y=float(down) + 4, text_anchor="middle"
            )
        )
    parts.append(scale_bar(scale, MAP_MARGIN, MAP_HEIGHT - 20, 50.0))
    return svg("".join(parts), WIDTH, MAP_HEIGHT, "map")


def _axes(
    across: tuple[float, float],
    up: tuple[float, float],
    x_words: str,
    y_words: str,
    square: bool = False,
    numbered: bool = True,
) -> tuple[Callable[[float], float], Callable[[float], float], list[str]]:
    """Functions from data to pixels, and the grid with numbers and labels; `square`: both axes have
    one scale."""
    left, right, top, base = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    if square:
        spare = ((right - left) - (base - top)) / 2
        left, right = left + spare, right - spare

    def x(value: float) -> float:
        return float(left + (value - across[0]) / (across[1] - across[0]) * (right - left))

    def y(value: float) -> float:
        return float(base - (value - up[0]) / (up[1] - up[0]) * (base - top))

    parts = []
    for tick in ticks(*up, 5):
        parts.append(rule(y(tick), f"{tick:g}", left, right))
    for tick in ticks(*across, 6) if numbered else ():
        parts.append(element("line", "grid", x1=x(tick), x2=x(tick), y1=top, y2=base))
        parts.append(tick_label(f"{tick:g}", x(tick), base + 16))
    middle = (top + base) / 2
    parts.append(tick_label(x_words, (left + right) / 2, HEIGHT - 6))
    turn = f"rotate(-90 {left - 38:.0f} {middle:.0f})"
    parts.append(
        element(
            "text", "tick", y_words, x=left - 38, y=middle, text_anchor="middle", transform=turn
        )
    )
    return x, y, parts
