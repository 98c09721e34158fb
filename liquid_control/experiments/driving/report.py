"""The answer as files: driving.json, driving.csv (a row per policy and condition), roads.csv
(per road), and the page, driving.html."""

from __future__ import annotations

import collections
import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from liquid_control.experiments.driving.charts import CURVES, curves, forest, written
from liquid_control.experiments.driving.claims import LOSES, REFUTED, SUPPORTED, UNDECIDED, WINS
from liquid_control.experiments.driving.failures import film_failures
from liquid_control.experiments.driving.figures import DEPARTURES, MEASURES, RMSE, Measure
from liquid_control.experiments.driving.settings import DrivingSettings
from liquid_control.experiments.driving.trials import FIELDS, INTEGER_FIELDS, Results, Trial
from liquid_control.report.page import render_page
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.sim.seeds import road_seed
from liquid_control.system.files import write_atomically

MARKS = {"better": "▼", "worse": "▲"}


def write_report(
    answer: Mapping,
    settings: DrivingSettings,
    trials: Sequence[Trial],
    results: Results,
    models: Mapping[tuple[str, int], Path],
) -> Path:
    """Writes all files into `settings.out`, each atomically; returns the page's path. `models`:
    directories by name and number."""
    out = settings.out
    films = film_failures(trials, results, models) if settings.videos else []
    _write(out / "driving.json", json.dumps(answer, indent=1) + "\n")
    _write(out / "driving.csv", _table([_flat(row) for row in answer["rows"]]))
    _write(out / "roads.csv", _table(_roads(trials, results)))
    _write(out / "driving.html", page(answer, films))
    return out / "driving.html"


def page(answer: Mapping, films: Sequence[Mapping] = ()) -> str:
    """The page as text."""
    rows, names = answer["rows"], list(answer["presets"])
    charts = [
        (title, measure, curves(rows, measure, places, words, logarithmic))
        for title, words, logarithmic, places in CURVES
        for measure in (DEPARTURES, RMSE)
    ]
    counts = {
        found: sum(claim["verdict"] == found for claim in answer["claims"])
        for found in (SUPPORTED, REFUTED, UNDECIDED)
    }
    claims = [
        claim
        | {
            "measure": MEASURES[claim["measure"]],
            "chart": forest(claim["compared"], MEASURES[claim["measure"]]),
        }
        for claim in answer["claims"]
    ]
    facts = dict(
        answer=answer,
        names=names,
        reference=_reference(rows, names),
        counts=counts,
        claims=claims,
        maps=[_map(rows, measure) for measure in MEASURES.values()],
        charts=[chart for chart in charts if chart[2]],
        films=films,
        standings=answer["standings"],
        orders=(WINS, LOSES, UNDECIDED),
        departures=DEPARTURES,
        conditions=CONDITIONS,
    )
    return render_page("driving", facts)


def table(answer: Mapping) -> str:
    """For the terminal: departures per 10 km of every policy, then the verdicts."""
    names = list(answer["presets"])
    by_place = {(row["preset"], row["condition"]): row for row in answer["rows"]}
    conditions = list(dict.fromkeys(row["condition"] for row in answer["rows"]))
    lines = [["departures/10 km", *names]]
    lines += [
        [condition, *(written(by_place[name, condition], DEPARTURES) for name in names)]
        for condition in conditions
    ]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])])
        for line in lines
    ]
    text += ["", *(f"{claim['verdict']:13}  {claim['claim']}" for claim in answer["claims"])]
    kilometres, minutes = answer["distance_m"] / 1000, answer["wall_s"] / 60
    total = (
        f"{kilometres:.1f} km at {answer['speed_up_per_core']:.0f} times real time a core, "
        f"{minutes:.1f} min; {answer['report']}"
    )
    return "\n".join([*text, "", total])


def _map(rows: Sequence[Mapping], measure: Measure) -> dict:
    """One heat map: a family of conditions after another, a row each, a cell for every
    policy."""
    largest = max(row[measure.name] for row in rows) or 1.0
    families: dict[str, dict[str, list[dict]]] = {}
    for row in rows:
        value = row[measure.name]
        level = (
            math.log1p(value) / math.log1p(largest) if measure.kind == "rate" else value / largest
        )
        against = row.get("against", {}).get(measure.name)
        title = (
            f"{row['preset']}, {row['condition']}: {written(row, measure)} {measure.unit}, "
            f"{row['distance_m'] / 1000:.1f} km"
        )
        if against:
            low, high = (measure.written(bound) for bound in against["ci"])
            title += (
                f"; from {row['against']['reference']} "
                f"{against['difference']:+.{measure.digits}f} [{low}, {high}]"
            )
        cell = {
            "name": row["preset"],
            "text": measure.written(value),
            "value": value,
            "level": round(level, 3),
            "title": title,
            "mark": MARKS.get(against["outcome"], "") if against else "",
            "outcome": against["outcome"] if against else "",
        }
        families.setdefault(row["family"], {}).setdefault(row["condition"], []).append(cell)
    for conditions in families.values():
        for cells in conditions.values():
            least = min(cell["value"] for cell in cells)
            for cell in cells:
                cell["best"] = cell["value"] == least
    return {"measure": measure, "families": families, "largest": measure.written(largest)}


def _reference(rows: Sequence[Mapping], names: Sequence[str]) -> str:
    return next((row["against"]["reference"] for row in rows if "against" in row), names[0])


def _flat(row: Mapping) -> dict:
    flat: dict[str, object] = {}
    for name, value in row.items():
        if name.endswith("_ci"):
            flat |= {f"{name[:-3]}_low": value[0], f"{name[:-3]}_high": value[1]}
        elif name != "against":
            flat[name] = value
    for name, found in row.get("against", {}).items():
        if name != "reference":
            flat |= {
                f"{name}_difference": found["difference"],
                f"{name}_difference_low": found["ci"][0],
                f"{name}_difference_high": found["ci"][1],
                f"{name}_outcome": found["outcome"],
            }
    return flat


def _table(rows: Iterable[Mapping]) -> str:
    rows = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _roads(trials: Sequence[Trial], results: Results) -> Iterator[dict]:
    count: collections.Counter = collections.Counter()
    for trial in trials:
        place = trial.name, trial.condition.name
        for road in range(trial.roads):
            values = {name: results[place][name][count[place], road] for name in FIELDS}
            numbers = {
                name: int(value) if name in INTEGER_FIELDS else float(value)
                for name, value in values.items()
            }
            yield {
                "preset": trial.name,
                "model": trial.number,
                "condition": trial.condition.name,
                "seed": road_seed(trial.seed, road),
            } | numbers
        count[place] += 1


def _write(path: Path, text: str) -> None:
    with write_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")
