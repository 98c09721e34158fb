"""The result of `bench cells` as a table for the terminal, a JSON file and a plot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

COLOURS = {"LTC": "#b3541e", "wired CfC": "#2a6f97"}


def write_report(result: Mapping, out: Path) -> None:
    """Writes cells.json and cells.png into `out`."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "cells.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    _plot(result, out / "cells.png")


def table(result: Mapping) -> str:
    """A line per comparison, then what the first use costs and on what machine."""
    head = ("", "ncps", "ours", "times faster", "must", "aim", "difference")
    lines = [head]
    for row in result["rows"]:
        lines.append(
            (
                row["name"],
                _time(row["peer"]),
                _time(row["ours"]),
                f"{row['ratio']:.1f}",
                *("-" if goal is None else f"{goal:g}" for goal in (row["must"], row["aim"])),
                f"{row['difference']:.0e}",
            )
        )
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    first, machine = result["first_use"], result["machine"]
    text.append(
        f"first use: {first['compiling']:.1f} s to compile, "
        f"{first['cached']:.2f} s when the disk has it"
    )
    if "gpu" in machine:
        text.append(f"{machine['gpu']}, CUDA {machine['cuda']}, triton {machine['triton']}")
    text.append(
        f"{machine['processor']}, {machine['threads']} threads, "
        f"torch {machine['torch']}, numba {machine['numba']}, "
        f"ncps {machine['ncps']}, {machine['date']}"
    )
    return "\n".join(text)


def _time(seconds: float) -> str:
    return (
        f"{seconds * 1e6:.2f} µs"
        if seconds < 1e-4
        else f"{seconds * 1e6:.0f} µs"
        if seconds < 1e-3
        else f"{seconds * 1e3:.2f} ms"
    )


def _plot(result: Mapping, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    bars, *lines = figure.subplots(1, 3 if result["scaling"] else 1, squeeze=False)[0]
    names = [row["name"].replace(", ", "\n", 1) for row in result["rows"]]
    colours = [COLOURS[row["name"].split(",")[0]] for row in result["rows"]]
    drawn = bars.barh(names, [row["ratio"] for row in result["rows"]], color=colours)
    bars.bar_label(drawn, fmt="%.0f x", padding=3)
    for goal, style in (("must", "-"), ("aim", ":")):
        label = goal
        for place, row in enumerate(result["rows"]):
            if row[goal] is not None:
                bars.plot(
                    [row[goal]] * 2,
                    [place - 0.4, place + 0.4],
                    color="black",
                    linestyle=style,
                    label=label,
                )
                label = None
    bars.set(
        xscale="log",
        xlim=(1, 6 * max(row["ratio"] for row in result["rows"])),
        title="times faster than ncps",
        ylabel="",
    )
    bars.invert_yaxis()
    bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2, frameon=False)
    for axes, along, title in zip(lines, ("T", "B"), ("time steps", "batch"), strict=False):
        points = [point for point in result["scaling"] if point["along"] == along]
        size = "time" if along == "T" else "batch"
        for cell, colour in COLOURS.items():
            for side, style, label in (("ours", "o-", cell), ("peer", "s--", f"{cell}, ncps")):
                of = [
                    (point[size], point[side])
                    for point in points
                    if point["cell"] == cell and side in point
                ]
                solid = side == "ours"
                label += f" ~ {along}^{_growth(of):.2f}" if solid else ""
                axes.plot(
                    *zip(*of, strict=True),
                    style,
                    color=colour,
                    alpha=1.0 if solid else 0.5,
                    label=label,
                    markersize=4,
                )
        fixed = f"B = {points[0]['batch']}" if along == "T" else f"T = {points[0]['time']}"
        axes.set(
            xscale="log",
            yscale="log",
            xlabel=title,
            ylabel="s",
            title=f"forward + backward, {fixed}",
        )
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


def _growth(points: list[tuple[float, float]]) -> float:
    """The exponent with which seconds grow with size over the three largest sizes."""
    return float(np.polyfit(*np.log(np.array(points[-3:])).T, 1)[0])
