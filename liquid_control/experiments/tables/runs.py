"""`liquid-control bench tables`: trains and tests on the published tables, run by run, and reports.

A run is one model on one table with one seed. Its result is one small file. A run whose file was
made by the same recipe is not repeated, so the command can be stopped and resumed.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
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
from liquid_control.system.threads import cores, wait_without_spinning
from liquid_control.system.verb import Verb

PUBLISHED = {"half_cheetah": half_cheetah, "walker2d": walker2d}
"""Tables with published data; a module has `read(data)` and `split(traces)`."""


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
    place: int = 0

    @property
    def name(self) -> str:
        return f"{self.table}-{self.model}-{self.seed}"

    def path(self, out: Path) -> Path:
        return out / "tables" / f"{self.name}.json"

    def is_done(self, out: Path) -> bool:
        """Its file is there, complete, and made by this recipe."""
        try:
            done = json.loads(self.path(out).read_text())["recipe"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return done == dataclasses.asdict(self.recipe)


def run_tables(settings: TablesSettings) -> dict:
    """Runs what is missing and writes the report. Returns the figures of each table and model, and
    where the report is. Raises TableDataError and ConfigError."""
    runs = plan(settings)
    traces = {}
    for table in dict.fromkeys(run.table for run in runs if run.table in PUBLISHED):
        PUBLISHED[table].load(settings.data)  # bad data is refused before the first training
        traces[table] = PUBLISHED[table].read(settings.data)
    missing = [run for run in runs if not run.is_done(settings.out)]
    workers = settings.workers or cores()
    missing = [
        dataclasses.replace(run, place=1 + index % workers) for index, run in enumerate(missing)
    ]
    jobs = [(run, traces.get(run.table)) for run in missing]
    (settings.out / "tables").mkdir(parents=True, exist_ok=True)

    def write(index: int, facts: dict) -> None:
        with write_atomically(missing[index].path(settings.out)) as partial:
            partial.write_text(json.dumps(plain(facts), separators=(",", ":")) + "\n")

    run_jobs(perform, jobs, processes(settings.workers), "runs", write)
    rows = write_report(settings.out)
    shown = ("mean", "sd", "runs", "published_mean", "reached")
    figures = {
        table: {
            model: {name: row[name] for name in shown if row[name] is not None}
            for model, row in models.items()
            if row["runs"]
        }
        for table, models in rows.items()
    }
    return {**figures, "report": str(settings.out / "tables.md")}


def plan(settings: TablesSettings) -> list[Run]:
    """All runs of the settings: models that have a target first, then the models they are compared
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
        Run(table, model, seed, RECIPES[table][model])
        for table, model in chosen
        for seed in range(settings.seeds or RECIPES[table][model].seeds)
    ]


def perform(job: tuple[Run, list[np.ndarray] | None]) -> dict:
    """Trains and tests one run on one thread. `job`: the run, and the traces of its table, None for
    a table that is generated. Returns its facts, all that its file holds."""
    run, traces = job
    wait_without_spinning()
    keep_freed_memory()
    import torch

    from liquid_control.experiments.tables.models import build
    from liquid_control.experiments.tables.training import train

    torch.set_num_threads(1)
    torch.manual_seed(run.seed)
    recipe = run.recipe
    if traces is None:
        splits = event_xor.make(recipe.samples, recipe.longest, recipe.tests)
    else:
        splits = PUBLISHED[run.table].split(traces)
    network = build(run.model, recipe, splits.train, run.seed)
    with tqdm(total=recipe.epochs, desc=run.name, position=run.place, leave=False) as bar:

        def show(epoch: int, error: float) -> None:
            bar.set_postfix_str(f"validation {error:.3f}", refresh=False)
            bar.update()

        results = train(network, recipe, splits, run.seed, show)
    return {
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
        "machine": f"{platform.machine()}, {cores()} cores, shared with other work",
        "date": datetime.date.today().isoformat(),
    }


VERB = Verb(TablesSettings, run_tables)
