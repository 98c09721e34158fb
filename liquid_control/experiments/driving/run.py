"""`bench driving`: trains every candidate, lets all of them drive the same held-out roads under
every condition, and judges the claims."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.experiments.driving.claims import blind_differences, claims
from liquid_control.experiments.driving.drives import Cell, Grid, Scores, drive_cell, read_grid
from liquid_control.experiments.driving.progress import Progress, Stage, alone, earlier_seconds
from liquid_control.experiments.driving.report import table, write_report
from liquid_control.experiments.driving.settings import DrivingSettings, shortened
from liquid_control.experiments.driving.standing import rows, standings
from liquid_control.experiments.driving.training import (
    Training,
    is_trained,
    missing_drives,
    missing_encoders,
    train_one,
    trainings,
)
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.sim.collect import simulate
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.table import find_conditions
from liquid_control.sim.scenario import LONG_ROAD, POLICY_ROAD, SHORT_ROAD
from liquid_control.sim.world import START_STATION
from liquid_control.system.verb import Verb
from liquid_control.train.run import commit

COLLECTED, DRIVEN, STEP, START, ENCODED = 3.5e-3, 3.5e-3, 0.1, 8.0, 1e-4
"""Seconds of one core for a metre collected, a metre driven, an optimiser step, the start of a
training and a picture encoded, as measured: with the cores' `step_seconds` the shares of the
bar that each gets, and the basis of the plan in doc/benchmark.md."""

FRAMES = 2.3
"""Frames in a metre collected."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One trained model that drives; `training` makes it where it is one of ours."""

    entrant: str
    number: int
    model: Path
    scores: Scores
    training: Training | None = None


def bench_driving(settings: DrivingSettings) -> dict:
    """Returns the whole answer, as in driving.json. Raises ConfigError for names that meet, and
    what training and driving raise."""
    settings, started = shortened(settings), time.perf_counter()
    conditions = find_conditions(settings.conditions)
    with alone(settings.out):
        entries = _entries(settings)
        driven = [
            _cell(settings, entry, condition) for condition in conditions for entry in entries
        ]
        _work(settings, entries, driven)
        scores = {entry.scores.path: entry.scores for entry in entries}
        grid = read_grid(driven, scores)
        answer = _answer(settings, entries, grid)
        wall, core = earlier_seconds(settings.out)
        answer |= {"this_run_s": time.perf_counter() - started, "wall_s": wall, "core_s": core}
        answer["report"] = str(write_report(answer, settings, driven, grid))
    return answer


def _entries(settings: DrivingSettings) -> list[Entry]:
    folder, found = settings.out / "drives", []
    for job in trainings(settings):
        scores = Scores(folder / f"{job.candidate}_{job.settings.seed}.json", job.described)
        found.append(Entry(job.candidate, job.settings.seed, job.model, scores, job))
    for given in settings.models:
        path = find_model(given)
        name = path.resolve().parent.name if path.name == "model" else path.name
        if name in {entry.entrant for entry in found}:
            raise ConfigError(
                "models",
                name,
                "models whose names differ from each other's and from the candidates'",
            )
        found.append(Entry(name, 0, path, Scores(folder / f"{name}.json")))
    return found


def _cell(settings: DrivingSettings, entry: Entry, condition: Condition) -> Cell:
    return Cell(
        entry.entrant,
        entry.number,
        entry.model,
        condition,
        settings.roads,
        settings.length,
        settings.seed,
        entry.scores.path,
    )


def _work(settings: DrivingSettings, entries: Iterable[Entry], driven: Iterable[Cell]) -> None:
    """Expert drives, then trainings, then benchmark drives, each side by side on all cores, under
    one bar.

    A model is trained where it is missing and something is left for it to drive: whoever has all
    its drives need not have it.
    """
    by_path = {entry.scores.path: entry for entry in entries}
    for entry in by_path.values():
        if entry.training is None or is_trained(entry.training):
            entry.scores.adopt(entry.model)
    missing = [cell for cell in driven if not by_path[cell.scores].scores.has(cell)]
    wanted = {cell.scores: by_path[cell.scores].training for cell in missing}
    untrained = {
        path: job for path, job in wanted.items() if job is not None and not is_trained(job)
    }
    missing = [
        cell
        for cell in driven
        if cell.scores in untrained or not by_path[cell.scores].scores.has(cell)
    ]
    experts = missing_drives(list(untrained.values()))
    packed = functools.lru_cache(maxsize=None)(pack_model)
    by_job = {job.model: by_path[path].scores for path, job in untrained.items()}
    Progress(settings.out, settings.workers).run(
        Stage(
            "expert drives",
            simulate,
            list(experts),
            lambda path: experts[path].world.length * COLLECTED,
            lambda path, episode: episode.save(path),
            experts.__getitem__,
        ),
        Stage("encoders", train_one, missing_encoders(list(untrained.values())), training_cost),
        Stage(
            "training",
            train_one,
            sorted(untrained.values(), key=training_cost, reverse=True),
            training_cost,
            lambda job, _: by_job[job.model].adopt(job.model),
        ),
        Stage(
            "driving",
            drive_cell,
            missing,
            lambda cell: cell.roads * (cell.length - START_STATION) * DRIVEN,
            lambda cell, columns: by_path[cell.scores].scores.put(cell, columns),
            lambda cell: (packed(cell.model), cell),
        ),
    )


def training_cost(job: Training) -> float:
    """About how long one core trains [s]."""
    recipe, core_fit = job.settings, job.settings.core_fit
    driven = recipe.rounds * recipe.round_roads * POLICY_ROAD
    expert = LONG_ROAD * recipe.long_roads + SHORT_ROAD * recipe.short_roads
    steps = recipe.steps + recipe.rounds * recipe.round_steps
    pictures = FRAMES * core_fit.passes * ((1 + recipe.rounds) * expert + driven)
    core = (1 + recipe.rounds) * core_fit.steps * recipe.policy.core.step_seconds
    encoded = ENCODED * pictures if core_fit.steps else 0.0
    return START + driven * COLLECTED + steps * STEP + core + encoded


def _answer(settings: DrivingSettings, entries: Iterable[Entry], grid: Grid) -> dict:
    seconds = sum(columns["cpu_s"].sum() for columns in grid.values())
    simulated = sum(columns["simulated_s"].sum() for columns in grid.values())
    candidates: dict[str, list[Entry]] = {}
    for entry in entries:
        candidates.setdefault(entry.entrant, []).append(entry)
    return {
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "quick": settings.quick,
        "roads": settings.roads,
        "length_m": settings.length,
        "road_seed": settings.seed,
        "seeds": settings.seeds,
        "recipe": dataclasses.asdict(settings.recipe),
        "candidates": {name: _about(of) for name, of in candidates.items()},
        "distance_m": float(sum(columns["distance_m"].sum() for columns in grid.values())),
        "least_distance_m": float(
            min(columns["distance_m"].sum(1).min() for columns in grid.values())
        ),
        "driving_core_s": float(seconds),
        "speed_up_per_core": float(simulated / seconds),
        "claims": claims(grid),
        "blind": blind_differences(grid),
        "standings": standings(grid),
        "rows": rows(grid),
    }


def _about(entries: list[Entry]) -> Mapping:
    told = [entry.scores.model for entry in entries]
    return {
        "parameters": told[0]["recurrent_parameters"],
        "state": told[0]["state_size"],
        "core": told[0]["core"],
        "models": [one["sha256"] for one in told],
        "training_s": [(one["seconds"] or {}).get("total") for one in told],
    }


VERB = Verb(DrivingSettings, bench_driving, table)
