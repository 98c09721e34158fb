"""`bench driving`: trains every candidate, lets all of them drive the same held-out roads under every condition, and judges the claims."""

from __future__ import annotations

import collections
import dataclasses
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tqdm import tqdm

from liquid_control.bench.driving.claims import blind_differences, claims
from liquid_control.bench.driving.drives import Cell, Entrant, Grid, cells, drive_cell, is_driven, read_grid
from liquid_control.bench.driving.report import write_report
from liquid_control.bench.driving.settings import DrivingSettings, shortened
from liquid_control.bench.driving.standing import rows, standings
from liquid_control.bench.driving.training import Training, is_trained, missing_drives, train_one, trainings
from liquid_control.data.collect import Drive, collect
from liquid_control.deploy.models import find_model
from liquid_control.errors import ConfigError
from liquid_control.parallel import map_processes
from liquid_control.policy.model_file import read_model
from liquid_control.sim.conditions.table import find_conditions
from liquid_control.train.run_folder import commit

COLLECTED, DRIVEN, STEP, START = 3.5e-3, 4.0e-3, 0.062, 8.0
"""Seconds of one core for a metre collected, a metre driven, an optimiser step and the start of a training, as measured: the shares of
the bar that each gets."""


def bench_driving(settings: DrivingSettings) -> dict:
    """Returns the whole answer, as in driving.json. Raises ConfigError for names that meet, and what training and driving raise."""
    settings, started = shortened(settings), time.perf_counter()
    conditions, wanted = find_conditions(settings.conditions), trainings(settings)
    entrants = _entrants(settings, wanted)
    settings.out.mkdir(parents=True, exist_ok=True)
    untrained = [job for job in wanted if not is_trained(job)]
    driven = cells(settings, entrants, conditions)
    done = {job.model for job in untrained}
    missing = [cell for cell in driven if cell.model in done or not is_driven(cell)]
    _work(settings, missing_drives(untrained), untrained, missing)
    grid = read_grid(driven)
    answer = _answer(settings, entrants, grid) | {"wall_s": time.perf_counter() - started}
    answer["report"] = str(write_report(answer, settings, driven, grid))
    return answer


def _work(settings: DrivingSettings, experts: list[Drive], untrained: list[Training], missing: list[Cell]) -> None:
    """Expert drives, then trainings, then benchmark drives, each side by side on all cores, under one bar."""
    stages: tuple[tuple[str, Callable, list, Callable[[object], float]], ...] = (
        ("expert drives", collect, experts, lambda job: job.world.length * COLLECTED),
        ("training", train_one, sorted(untrained, key=_training_cost, reverse=True), _training_cost),
        ("driving", drive_cell, missing, lambda cell: cell.roads * cell.length * DRIVEN),
    )
    total = sum(cost(job) for _, _, jobs, cost in stages for job in jobs)
    told = "{percentage:3.0f} % |{bar}| {elapsed} gone, {remaining} to go, {desc}{postfix}"
    with tqdm(total=total, bar_format=told, disable=not total) as bar:
        for title, work, jobs, cost in stages:
            bar.set_description_str(title)
            count = collections.Counter()
            bar.set_postfix_str(f"0 of {len(jobs)}")

            def on_done(job: object, cost=cost, count=count, jobs=jobs) -> None:
                count["done"] += 1
                bar.set_postfix_str(f"{count['done']} of {len(jobs)}", refresh=False)
                bar.update(cost(job))

            map_processes(work, jobs, settings.workers, on_done=on_done, finish=False)


def _training_cost(job: Training) -> float:
    asked = job.settings
    metres, steps = asked.rounds * asked.round_roads * 200.0, asked.steps + asked.rounds * asked.round_steps
    return START + metres * COLLECTED + steps * STEP * (1.1 if job.candidate in ("cfc_full", "cfc_mixed") else 1.0)


def _entrants(settings: DrivingSettings, wanted: Iterable[Training]) -> tuple[Entrant, ...]:
    models: dict[str, list[Path]] = {}
    for job in wanted:
        models.setdefault(job.candidate, []).append(job.model)
    for given in settings.models:
        path = find_model(given)
        name = path.resolve().parent.name if path.name == "model" else path.name
        if name in models:
            raise ConfigError("models", name, "models whose names differ from each other's and from the candidates'")
        models[name] = [path]
    return tuple(Entrant(name, tuple(paths)) for name, paths in models.items())


def _answer(settings: DrivingSettings, entrants: tuple[Entrant, ...], grid: Grid) -> dict:
    seconds = sum(columns["wall_s"].sum() for columns in grid.values())
    simulated = sum(columns["simulated_s"].sum() for columns in grid.values())
    return {
        "command": " ".join(["liquid-control", *sys.argv[1:]]), "commit": commit(), "quick": settings.quick,
        "roads": settings.roads, "length_m": settings.length, "road_seed": settings.seed, "seeds": settings.seeds,
        "recipe": dataclasses.asdict(settings.recipe),
        "candidates": {one.name: _about(one) for one in entrants},
        "distance_m": float(sum(columns["distance_m"].sum() for columns in grid.values())),
        "driving_core_s": float(seconds), "speed_up_per_core": float(simulated / seconds),
        "claims": claims(grid), "blind": blind_differences(grid), "standings": standings(grid), "rows": rows(grid),
    }  # fmt: skip


def _about(entrant: Entrant) -> Mapping:
    infos = [read_model(path) for path in entrant.models]
    return {"parameters": infos[0].recurrent_parameters, "state": infos[0].neurons, "memory": infos[0].policy.memory,
            "models": [str(path) for path in entrant.models],
            "training_s": [info.provenance.get("seconds", {}).get("total") for info in infos]}  # fmt: skip
