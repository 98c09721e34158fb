"""Charts as SVG text. Pages use these; still figures (PNG files for documents) use matplotlib.

The page's style sheet (templates/style.css) colours an SVG by the classes of its elements, so it
follows light and dark mode. A time chart carries its scales as data attributes, from which the
page's script reads the values under the pointer and moves the video. Data is in the caller's
units.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from html import escape

import cv2
import numpy as np

from liquid_control.report.media import data_uri

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 1080, 76, 12, 10, 24
INNER = WIDTH - LEFT - RIGHT
POINTS = 900
BINS = 42
ABOVE, BELOW = (11, 158, 245), (235, 130, 45)  # BGR
SCALE_BARS = tuple(factor * 10**power for power in range(-1, 5) for factor in (1, 2, 5))  # m


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One line of a chart: seconds (N,) and values (N,)."""

    name: str
    classes: str
    seconds: np.ndarray
    values: np.ndarray


def element(tag: str, classes: str, content: str = "", **attributes: object) -> str:
    """One SVG element; content is markup, underscores in attribute names become hyphens."""
    written = {
        name.replace("_", "-"): f"{value:.1f}" if isinstance(value, float) else value
        for name, value in attributes.items()
    }
    return (
        f'<{tag} class="{classes}"'
        + "".join(f' {name}="{value}"' for name, value in written.items())
        + f">{content}</{tag}>"
    )


def time_chart(
    series: list[Series],
    unit: str,
    end: float,
    height: int = 210,
    levels: Mapping[float, str] | None = None,
    spans: Iterable[tuple[float, float, str]] = (),
    digits: int = 2,
) -> str:
    """Lines over 0..`end` seconds. `levels`: value → classes of a horizontal line; `spans`: (start,
    end, classes), shaded."""
    levels, end, base = levels or {}, end or 1.0, height - BOTTOM
    values = np.concatenate(
        [np.array(list(levels), float)] + [one.values[np.isfinite(one.values)] for one in series]
    )
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    margin = 0.08 * (high - low) or 0.5
    low, high = low - margin, high + margin

    def x(seconds):
        return LEFT + np.asarray(seconds) / end * INNER

    def y(value):
        return base - (np.asarray(value) - low) / (high - low) * (base - TOP)

    parts = [
        element(
            "rect",
            f"span {kind}",
            x=float(x(start)),
            y=TOP,
            width=float(max(x(stop) - x(start), 1.5)),
            height=base - TOP,
        )
        for start, stop, kind in spans
    ]
    parts += [rule(float(y(tick)), f"{tick:g}") for tick in ticks(low, high, 4)]
    parts += [
        element("line", kind, x1=LEFT, x2=WIDTH - RIGHT, y1=float(y(level)), y2=float(y(level)))
        for level, kind in levels.items()
    ]
    for one in map(thin, series):
        known = np.isfinite(one.values)
        points = path_points(np.stack([x(one.seconds[known]), y(one.values[known])], 1))
        parts.append(
            element("polyline", f"line {one.classes}", data_name=escape(one.name), points=points)
        )
    scales = {
        "data-end": end,
        "data-low": low,
        "data-high": high,
        "data-base": base,
        "data-unit": escape(unit),
        "data-digits": digits,
    }
    return svg("".join(parts) + time_axis(end, base), WIDTH, height, "over-time", scales)


def histogram(
    values: np.ndarray, unit: str, marks: Mapping[str, float], width: int = 460, height: int = 250
) -> str:
    """Counts of values (N,), the last bin with all beyond the 99.9th percentile; `marks`: name →
    value, as vertical lines."""
    values = values[np.isfinite(values)]
    high = (
        float(max(np.percentile(values, 99.9), *marks.values(), 1e-3)) * 1.04
        if len(values)
        else 1.0
    )
    counts, edges = np.histogram(np.minimum(values, high), BINS, (0.0, high))
    left, base, peak = 44, height - BOTTOM, max(int(counts.max()), 1)
    inner, tallest = width - left - RIGHT, height - BOTTOM - TOP - 18 * len(marks)
    parts = []
    for tick in ticks(0, peak, 3):
        parts.append(rule(base - tick / peak * tallest, f"{tick:g}", left, width - RIGHT))
    for i, count in enumerate(counts):
        title = f"<title>{edges[i]:.1f} to {edges[i + 1]:.1f} {escape(unit)}: {count}</title>"
        tall = float(count / peak * tallest)
        if count:
            step = inner / BINS
            parts.append(
                element(
                    "rect",
                    "bar",
                    title,
                    x=left + i * step + 0.75,
                    y=base - tall,
                    width=step - 1.5,
                    height=tall,
                )
            )
    for tick in ticks(0.0, high, 6):
        parts.append(tick_label(f"{tick:g}", left + tick / high * inner, height - 6))
    for row, (name, value) in enumerate(marks.items()):
        at, line = left + value / high * inner, TOP + 18 * row
        anchor, shift = ("start", 6) if at < left + 0.6 * inner else ("end", -6)
        parts.append(element("line", "mark", x1=at, x2=at, y1=line, y2=base))
        parts.append(
            element("text", "label", escape(name), x=at + shift, y=line + 11, text_anchor=anchor)
        )
    return svg("".join(parts), width, height)


def heat_map(
    seconds: np.ndarray,
    values: np.ndarray,
    names: list[str],
    end: float,
    pitch: int = 15,
    gap: int = 8,
) -> str:
    """Values (N, U) within -1..1 over time, a row per neuron, rows with another first word apart.
    Hue by sign, opacity by size."""
    columns = np.clip(
        np.searchsorted(seconds, np.linspace(0, end, INNER), side="right") - 1, 0, len(seconds) - 1
    )
    layers = [name.split()[0] for name in names]
    parts, top = [], TOP
    for i, name in enumerate(names):
        top += gap * (i > 0 and layers[i] != layers[i - 1])
        row = values[columns, i]
        pixels = np.zeros((1, INNER, 4), np.uint8)
        pixels[0, :, :3] = np.where(row[:, None] >= 0, ABOVE, BELOW)
        pixels[0, :, 3] = 255 * np.abs(row) ** 0.8
        picture = data_uri("image/png", cv2.imencode(".png", pixels)[1].tobytes())
        box = {"x": LEFT, "y": top, "width": INNER, "height": pitch - 2}
        parts.append(element("rect", "cell", **box))
        parts.append(element("image", "activity", preserveAspectRatio="none", href=picture, **box))
        parts.append(tick_label(escape(name), LEFT - 8, top + pitch - 4, "end"))
        top += pitch
    end = end or 1.0
    scales = {"data-end": end, "data-base": top}
    return svg("".join(parts) + time_axis(end, top), WIDTH, top + BOTTOM, "over-time", scales)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers between low and high, about `count` of them, 1, 2 or 5 times a power of ten
    apart."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [
        round(k * step, 10) + 0.0
        for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def thin(series: Series) -> Series:
    """At most some 2 x POINTS points that keep the lowest and highest value of every stretch, so
    that no peak is lost."""
    count = len(series.values)
    if count <= 2 * POINTS:
        return series
    kept = [0, count - 1]
    for piece in np.array_split(np.arange(count), POINTS):
        known = piece[np.isfinite(series.values[piece])]
        if len(known):
            kept += [known[np.argmin(series.values[known])], known[np.argmax(series.values[known])]]
    kept = np.unique(kept)
    return dataclasses.replace(series, seconds=series.seconds[kept], values=series.values[kept])


def path_points(points: np.ndarray) -> str:
    """Points (N, 2) as the attribute of a polyline."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def rule(y: float, label: str, left: float = LEFT, right: float = WIDTH - RIGHT) -> str:
    """A horizontal grid line with its label to the left."""
    line = element("line", "grid", x1=left, x2=right, y1=float(y), y2=float(y))
    return line + tick_label(label, left - 8, float(y) + 4, "end")


def tick_label(words: str, x: float, y: float, anchor: str = "middle") -> str:
    """A label of an axis; `words` is markup, `anchor` start, middle or end."""
    return element("text", "tick", words, x=x, y=y, text_anchor=anchor)


def time_axis(end: float, base: float) -> str:
    """Labels of 0..`end` seconds below the base line of a time chart."""
    labels = [(tick, f"{tick:g}" if tick else "0 s") for tick in ticks(0.0, end, 10)]
    return "".join(tick_label(label, LEFT + t / end * INNER, base + 17) for t, label in labels)


def stretches(times: np.ndarray, bridged: float) -> list[tuple[float, float]]:
    """First and last of each group of sorted times (N,) that lie at most `bridged` apart."""
    if not len(times):
        return []
    groups = np.split(times, np.flatnonzero(np.diff(times) > bridged) + 1)
    return [(float(group[0]), float(group[-1])) for group in groups]


def upright(path: np.ndarray) -> np.ndarray:
    """Rotation (2, 2) that turns the longest direction of a path (N, 2) to the horizontal, its
    start to the left: `path @ upright(path)`."""
    centred = path - path.mean(0)
    along = np.linalg.eigh(centred.T @ centred)[1][:, 1]
    along = along if centred[0] @ along <= 0 else -along
    return np.array([[along[0], -along[1]], [along[1], along[0]]])


def scale_bar(pixels_per_metre: float, left: float, base: float, shortest: float) -> str:
    """The shortest bar of a round number of metres that is longer than `shortest` px."""
    long_enough = (length for length in SCALE_BARS if length * pixels_per_metre > shortest)
    metres = next(long_enough, SCALE_BARS[-1])
    width = metres * pixels_per_metre
    line = element("path", "scale", d=f"M{left} {base:.1f}v6h{width:.1f}v-6")
    return line + element("text", "tick", f"{metres} m", x=left + width + 8, y=base + 7)


def svg(
    content: str,
    width: float,
    height: float,
    classes: str = "",
    attributes: Mapping[str, object] | None = None,
) -> str:
    """A whole chart of `width` x `height` px, scaled by the page to the room that there is."""
    written = "".join(f' {name}="{value}"' for name, value in (attributes or {}).items())
    kind = f"chart {classes}".rstrip()
    return f'<svg viewBox="0 0 {width} {height:.0f}" class="{kind}"{written}>{content}</svg>'
