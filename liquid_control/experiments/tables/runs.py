"""`liquid-control bench tables`: trains and tests on the published tables, run by run, and reports.

A run is one model on one table with one seed. Its result is one small file; a run whose file is
there, made by the same recipe, is not repeated, so the command can be stopped and started at will.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import os
import platform
from pathlib import Path

import numpy as np
from tqdm import tqdm

from liquid_control.config import check, number, path, several
from liquid_control.errors import ConfigError
from liquid_control.experiments.tables import event_xor, half_cheetah, walker2d
from liquid_control.experiments.tables.recipes import RECIPES, TARGETS, Recipe
from liquid_control.experiments.tables.report import write_report
from liquid_control.system.allocator import keep_freed_memory
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.plain_json import plain
from liquid_control.system.threads import wait_without_spinning
from liquid_control.system.verb import Verb

FOLDERS = {"half_cheetah": half_cheetah.load, "walker2d": walker2d.load}


@dataclasses.dataclass(frozen=True)
class TablesSettings:
    """Settings of `liquid-control bench tables`."""

    data: Path = path(Path("data"), "folder with half_cheetah and walker2d, the published data")
    out: Path = path(
        Path("doc/results"),
        "folder for tables.json, tables.md, tables.png and one file per run below tables/",
        writes="folder",
    )
    only: tuple[str, ...] = several(
        (), "tables or table/model to run, such as walker2d or half_cheetah/ltc; default: all"
    )
    seeds: int = number(0, 0, 1000, "", "seeds of each model; 0: as its recipe")
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


@dataclasses.dataclass(frozen=True)
class Run:
    """One model on one table with one seed; `place` is its row among the progress bars."""

    table: str
    model: str
    seed: int
    recipe: Recipe
    data: Path
    out: Path
    place: int = 0

    @property
    def path(self) -> Path:
        return self.out / "tables" / f"{self.table}-{self.model}-{self.seed}.json"

    @property
    def done(self) -> bool:
        """Its file is there, whole, and made by this recipe."""
        try:
            return json.loads(self.path.read_text())["recipe"] == dataclasses.asdict(self.recipe)
        except (OSError, ValueError, KeyError, TypeError):
            return False


def run_tables(settings: TablesSettings) -> dict:
    """Runs what is missing and writes the report. Returns the figures of each table and model, and
    where the report is. Raises TableDataError and ConfigError."""
    runs = plan(settings)
    for table in dict.fromkeys(run.table for run in runs if run.table in FOLDERS):
        FOLDERS[table](settings.data)  # bad data stops here, before the first hour of training
    missing = [run for run in runs if not run.done]
    workers = settings.workers or os.cpu_count() or 1
    missing = [
        dataclasses.replace(run, place=1 + index % workers) for index, run in enumerate(missing)
    ]
    run_jobs(perform, missing, processes(settings.workers), "runs")
    rows = write_report(settings.out)
    told = ("mean", "sd", "runs", "published_mean", "reached")
    figures = {
        table: {
            model: {name: row[name] for name in told if row[name] is not None}
            for model, row in models.items()
            if row["runs"]
        }
        for table, models in rows.items()
    }
    return {**figures, "report": str(settings.out / "tables.md")}


def plan(settings: TablesSettings) -> list[Run]:
    """All runs asked for: models that have a target first, then the models they are compared
    with."""
    wanted = settings.only or tuple(RECIPES)
    known = [
        *RECIPES,
        *(f"{table}/{model}" for table, models in RECIPES.items() for model in models),
    ]
    for name in wanted:
        if name not in known:
            raise ConfigError("only", name, "one of " + ", ".join(known))
    chosen = [
        (table, model)
        for table, models in RECIPES.items()
        for model in models
        if {table, f"{table}/{model}"} & set(wanted)
    ]
    chosen.sort(key=lambda pair: pair[1] not in TARGETS[pair[0]])
    return [
        Run(table, model, seed, RECIPES[table][model], settings.data, settings.out)
        for table, model in chosen
        for seed in range(settings.seeds or RECIPES[table][model].seeds)
    ]


def perform(run: Run) -> None:
    """Trains and tests one run, on one thread, and writes its file."""
    wait_without_spinning()
    keep_freed_memory()
    import torch

    from liquid_control.experiments.tables.models import build
    from liquid_control.experiments.tables.training import train

    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    recipe = run.recipe
    splits = (
        FOLDERS[run.table](run.data)
        if run.table in FOLDERS
        else event_xor.make(recipe.samples, recipe.longest, recipe.tests)
    )
    network = build(run.model, recipe, splits.train, run.seed)
    with tqdm(total=recipe.epochs, desc=run.path.stem, position=run.place, leave=False) as bar:

        def show(epoch: int, error: float) -> None:
            bar.set_postfix_str(f"validation {error:.3f}", refresh=False)
            bar.update()

        results = train(network, recipe, splits, run.seed, show)
    facts = {
        "table": run.table,
        "model": run.model,
        "seed": run.seed,
        **results,
        "recipe": dataclasses.asdict(recipe),
        "sequences": {
            field.name: len(getattr(splits, field.name)) for field in dataclasses.fields(splits)
        },
        "versions": {
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, shared with other work",
        "date": datetime.date.today().isoformat(),
    }
    run.path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(run.path) as partial:
        partial.write_text(json.dumps(plain(facts), separators=(",", ":")) + "\n")


VERB = Verb(TablesSettings, run_tables)
