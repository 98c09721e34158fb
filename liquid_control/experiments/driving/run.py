"""`bench driving`: trains every preset, lets all models drive the same held-out roads under every
condition, and judges the claims."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from liquid_control.errors import ConfigError
from liquid_control.experiments.driving.claims import blind_differences, claims, rows, standings
from liquid_control.experiments.driving.report import table, write_report
from liquid_control.experiments.driving.settings import DrivingSettings, shortened
from liquid_control.experiments.driving.stages import (
    Stage,
    earlier_seconds,
    exclusive_lock,
    run_stages,
)
from liquid_control.experiments.driving.training import (
    Training,
    is_trained,
    missing_drives,
    missing_encoders,
    train_one,
    trainings,
)
from liquid_control.experiments.driving.trials import (
    ModelResults,
    Results,
    Trial,
    collect_results,
    run_trial,
)
from liquid_control.model.installed import find_model
from liquid_control.model.packed import pack_model
from liquid_control.sim.collect import simulate
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
class TrainedModel:
    """Model `number` of the policy `name`, and the results of its trials. `training`: how it is
    trained, None for a model that was given."""

    name: str
    number: int
    path: Path
    results: ModelResults
    training: Training | None = None

    @property
    def is_there(self) -> bool:
        return self.training is None or is_trained(self.training)


def bench_driving(settings: DrivingSettings) -> dict:
    """Returns the whole answer, as in driving.json. Raises ConfigError for two models of one name,
    and what training and driving raise."""
    settings, started = shortened(settings), time.perf_counter()
    conditions = find_conditions(settings.conditions)
    with exclusive_lock(settings.out):
        models = {(model.name, model.number): model for model in _models(settings)}
        trials = [
            Trial(*key, condition, settings.roads, settings.length, settings.seed)
            for condition in conditions
            for key in models
        ]
        _run(settings, models, trials)
        results = collect_results(trials, {key: model.results for key, model in models.items()})
        answer = _answer(settings, models.values(), results)
        wall, core = earlier_seconds(settings.out)
        answer |= {"this_run_s": time.perf_counter() - started, "wall_s": wall, "core_s": core}
        paths = {key: model.path for key, model in models.items()}
        answer["report"] = str(write_report(answer, settings, trials, results, paths))
    return answer


def _models(settings: DrivingSettings) -> list[TrainedModel]:
    folder, found = settings.out / "drives", []
    for job in trainings(settings):
        file = folder / f"{job.preset}_{job.settings.seed}.json"
        results = ModelResults(file, job.described)
        found.append(TrainedModel(job.preset, job.settings.seed, job.model, results, job))
    for given in settings.models:
        path = find_model(given)
        name = path.resolve().parent.name if path.name == "model" else path.name
        if name in {model.name for model in found}:
            raise ConfigError(
                "models", name, "models whose names differ from each other's and from the presets'"
            )
        found.append(TrainedModel(name, 0, path, ModelResults(folder / f"{name}.json")))
    return found


def _run(
    settings: DrivingSettings,
    models: Mapping[tuple[str, int], TrainedModel],
    trials: Sequence[Trial],
) -> None:
    """Expert drives, then trainings, then trials, each side by side on all cores, under one bar. A
    model is trained only when it is missing and a trial of it is, too."""

    def model_of(trial: Trial) -> TrainedModel:
        return models[trial.name, trial.number]

    for model in models.values():
        if model.is_there:
            model.results.set_model(model.path)
    wanted = {
        (trial.name, trial.number): model_of(trial)
        for trial in trials
        if not model_of(trial).results.has(trial)
    }
    untrained = {key: model for key, model in wanted.items() if not model.is_there}
    missing = [
        trial
        for trial in trials
        if (trial.name, trial.number) in untrained or not model_of(trial).results.has(trial)
    ]
    jobs = [model.training for model in untrained.values()]
    by_path = {model.path: model.results for model in untrained.values()}
    experts = missing_drives(jobs)
    packed = functools.lru_cache(maxsize=None)(pack_model)
    run_stages(
        settings.out,
        settings.workers,
        Stage(
            "expert drives",
            simulate,
            list(experts),
            lambda path: experts[path].world.length * COLLECTED,
            lambda path, episode: episode.save(path),
            experts.__getitem__,
        ),
        Stage("encoders", train_one, missing_encoders(jobs), training_cost),
        Stage(
            "training",
            train_one,
            sorted(jobs, key=training_cost, reverse=True),
            training_cost,
            lambda job, _: by_path[job.model].set_model(job.model),
        ),
        Stage(
            "driving",
            run_trial,
            missing,
            lambda trial: trial.roads * (trial.length - START_STATION) * DRIVEN,
            lambda trial, columns: model_of(trial).results.put(trial, columns),
            lambda trial: (packed(model_of(trial).path), trial),
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


def _answer(settings: DrivingSettings, models: Iterable[TrainedModel], results: Results) -> dict:
    seconds = sum(columns["cpu_s"].sum() for columns in results.values())
    simulated = sum(columns["simulated_s"].sum() for columns in results.values())
    by_name: dict[str, list[TrainedModel]] = {}
    for model in models:
        by_name.setdefault(model.name, []).append(model)
    return {
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "quick": settings.quick,
        "roads": settings.roads,
        "length_m": settings.length,
        "road_seed": settings.seed,
        "seeds": settings.seeds,
        "recipe": dataclasses.asdict(settings.recipe),
        "presets": {name: _about(of) for name, of in by_name.items()},
        "distance_m": float(sum(columns["distance_m"].sum() for columns in results.values())),
        "least_distance_m": float(
            min(columns["distance_m"].sum(1).min() for columns in results.values())
        ),
        "driving_core_s": float(seconds),
        "speed_up_per_core": float(simulated / seconds),
        "claims": claims(results),
        "blind": blind_differences(results),
        "standings": standings(results),
        "rows": rows(results),
    }


def _about(models: list[TrainedModel]) -> Mapping:
    facts = [model.results.model for model in models]
    return {
        "parameters": facts[0]["recurrent_parameters"],
        "state": facts[0]["state_size"],
        "core": facts[0]["core"],
        "models": [each["sha256"] for each in facts],
        "training_s": [(each["seconds"] or {}).get("total") for each in facts],
    }


VERB = Verb(DrivingSettings, bench_driving, table)
