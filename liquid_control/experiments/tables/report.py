"""The published tables and the runs of this package: tables.json, tables.md, tables.png."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from liquid_control.experiments.tables.recipes import (
    HIGHER_IS_BETTER,
    METRICS,
    PUBLISHED,
    RECIPES,
    TARGETS,
    TITLES,
)

NOTES = "notes.md"
"""Kept by hand in the folder of the runs; ends the report when it is there."""
INTRODUCTION = """# The published tables, with our results

Made by `liquid-control bench tables`. Mean ± standard deviation over seeds (n of them); every \
run is a file in `tables/`, trained
and tested on one thread of two cores shared with other work. **Bold**: the best of ours in its \
table. The column "to reach" is
the target of this project: the figure published for that model. "Last epoch": the test \
result of the weights after the last
epoch, where the protocol uses those of the best validation epoch."""

HEADER = """\
| model | ours | n | published | to reach | ours, last epoch | parameters | CPU seconds a run |
|---|---|---|---|---|---|---|---|"""


def write_report(out: Path) -> dict:
    """Reads all runs below `out`/tables, writes the report into `out` and returns its rows by table
    and model."""
    runs = read_runs(out / "tables")
    rows = {
        table: {model: summarise(table, model, runs.get((table, model), [])) for model in models}
        for table, models in RECIPES.items()
    }
    published = {
        table: {model: {"mean": mean, "sd": sd} for model, (mean, sd) in PUBLISHED[table].items()}
        for table in RECIPES
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "tables.json").write_text(
        json.dumps({"ours": rows, "published": published}, indent=1) + "\n"
    )
    notes = out / "tables" / NOTES
    (out / "tables.md").write_text(markdown(rows) + (notes.read_text() if notes.is_file() else ""))
    draw(rows, runs, out / "tables.png")
    return rows


def read_runs(folder: Path) -> dict[tuple[str, str], list[dict]]:
    """The runs in `folder` by table and model, in the order of their seeds; a file that is not
    whole counts as not there."""
    runs: dict[tuple[str, str], list[dict]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            run = json.loads(path.read_text())
            runs.setdefault((run["table"], run["model"]), []).append(run)
        except (ValueError, KeyError, TypeError):
            continue
    return {key: sorted(group, key=lambda run: run["seed"]) for key, group in runs.items()}


def summarise(table: str, model: str, runs: list[dict]) -> dict:
    """Mean and spread of the test results, the published figures, and whether the target is
    reached."""
    results = [run["test"] for run in runs if run["test"] is not None]
    mean = statistics.fmean(results) if results else None
    last = [
        run["test_by_weights"]["last"] for run in runs if run["test_by_weights"]["last"] is not None
    ]
    seconds = [run["cpu_seconds"] for run in runs if "cpu_seconds" in run]
    target = TARGETS[table].get(model)
    better = (lambda a, b: a >= b) if table in HIGHER_IS_BETTER else (lambda a, b: a <= b)
    paper, paper_sd = PUBLISHED[table].get(model, (None, None))
    return {
        "runs": len(results),
        "diverged": len(runs) - len(results),
        "mean": mean,
        "sd": statistics.stdev(results) if len(results) > 1 else None,
        "results": results,
        "last_epoch_mean": statistics.fmean(last) if last else None,
        "last_epoch_sd": statistics.stdev(last) if len(last) > 1 else None,
        "published_mean": paper,
        "published_sd": paper_sd,
        "target": target,
        "reached": None if target is None or mean is None else better(mean, target),
        "parameters": runs[0]["parameters"] if runs else None,
        "cpu_seconds_per_run": statistics.fmean(seconds) if seconds else None,
    }


def markdown(rows: dict) -> str:
    """One table per published table, our models first, then the other rows of the papers."""
    parts = [INTRODUCTION, "\n![our results and the published figures](tables.png)\n"]
    for table, models in rows.items():
        means = [row["mean"] for row in models.values() if row["mean"] is not None]
        best = (max(means) if table in HIGHER_IS_BETTER else min(means)) if means else None
        parts += [f"\n## {TITLES[table]}, {METRICS[table]}\n", HEADER]
        for model, row in models.items():
            ours = _figure(row["mean"], row["sd"])
            ours = f"**{ours}**" if row["mean"] is not None and row["mean"] == best else ours
            reached = (
                ""
                if row["target"] is None
                else f"{row['target']:g}"
                + {True: " reached", False: " missed", None: ""}[row["reached"]]
            )
            seconds = (
                "" if row["cpu_seconds_per_run"] is None else f"{row['cpu_seconds_per_run']:.0f}"
            )
            parts.append(
                f"| {model} | {ours} | {row['runs']} | "
                f"{_figure(row['published_mean'], row['published_sd'])} | {reached} | "
                f"{_figure(row['last_epoch_mean'], row['last_epoch_sd'])} | "
                f"{row['parameters'] or ''} | {seconds} |"
            )
        others = [
            (name, figures) for name, figures in PUBLISHED[table].items() if name not in models
        ]
        parts.append(
            "\nAlso published: "
            + ", ".join(f"{name} {_figure(*figures)}" for name, figures in others)
            + "."
        )
    return "\n".join(parts) + "\n"


def draw(rows: dict, runs: dict[tuple[str, str], list[dict]], path: Path) -> None:
    """Above: every seed of ours, their mean, and the published figure. Below: validation curves."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(rows), 8), layout="constrained")
    for column, (table, models) in enumerate(rows.items()):
        above, below = (
            figure.add_subplot(2, len(rows), 1 + column + offset) for offset in (0, len(rows))
        )
        for place, (model, row) in enumerate(models.items()):
            colour = f"C{place}"
            above.plot(
                [place - 0.12] * len(row["results"]), row["results"], ".", color=colour, alpha=0.6
            )
            if row["mean"] is not None:
                above.errorbar(
                    place - 0.12,
                    row["mean"],
                    row["sd"] or 0,
                    fmt="_",
                    color=colour,
                    markersize=18,
                    capsize=4,
                )
            if row["published_mean"] is not None:
                above.errorbar(
                    place + 0.18,
                    row["published_mean"],
                    row["published_sd"] or 0,
                    fmt="D",
                    color="0.4",
                    mfc="none",
                    capsize=4,
                    label="published" if place == 0 else None,
                )
            for index, run in enumerate(runs.get((table, model), [])):
                points = [point for point in run["curve"] if point[2] is not None]
                below.plot(
                    [p[0] for p in points],
                    [p[2] for p in points],
                    color=colour,
                    alpha=0.7,
                    lw=1,
                    label="" if index else model,
                )
        above.set_xticks(range(len(models)), [model.replace("_", "\n") for model in models])
        above.set_xlim(-0.5, len(models) - 0.5)
        above.set_title(
            f"{TITLES[table]}: {METRICS[table]}, "
            f"{'higher' if table in HIGHER_IS_BETTER else 'lower'} is better",
            fontsize=10,
        )
        above.grid(axis="y", alpha=0.3)
        above.legend() if above.get_legend_handles_labels()[0] else None
        below.set(xlabel="epoch", ylabel="validation loss", yscale="log")
        below.grid(alpha=0.3)
        below.legend() if below.get_legend_handles_labels()[0] else None
    figure.savefig(path, dpi=110)


def _figure(mean: float | None, sd: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"
