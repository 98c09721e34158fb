"""Closed-loop evaluation: a model drives held-out roads, under any conditions, with the same
`Controller` as on the robot."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from liquid_control.adaptation.settings import MODES
from liquid_control.config import (
    REQUIRED,
    PreprocessConfig,
    WorldConfig,
    check,
    choice,
    group,
    number,
    path,
    several,
    text,
)
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.data.from_recording import file_hashes
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.deploy.runtime import Runtime
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop import recorded_rows
from liquid_control.evaluate.closed_loop.aboard import PERSONS, Aboard
from liquid_control.evaluate.closed_loop.chosen_speed import against_driver, sentence, speed_figures
from liquid_control.evaluate.closed_loop.condition_rows import RoadResult, condition_row, table
from liquid_control.evaluate.closed_loop.examine import Examined, examine
from liquid_control.evaluate.closed_loop.numbers import LEAST, NumbersRuntime, reads_numbers
from liquid_control.evaluate.closed_loop.recorded import (
    conditions_of,
    drive_all,
    held_out_only,
    load_all,
    not_measured,
    stretch_jobs,
)
from liquid_control.evaluate.closed_loop.recorded_rows import recording_row, stretch_row, totals
from liquid_control.evaluate.closed_loop.worlds import (
    MUJOCO,
    SIMULATED,
    cache_folder,
    engine_of,
    recordings_of,
    refuse_other_vehicle,
    refuse_undrawn,
    with_image,
)
from liquid_control.evaluate.learned_from import learned_from
from liquid_control.model.car import chooses_speed
from liquid_control.model.installed import find_model
from liquid_control.model.model_file import ModelInfo, read_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.perception.view import ViewSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.report.page import require
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.conditions.network_input import CorruptedInput
from liquid_control.sim.conditions.table import CLEAN, CONDITIONS, find_conditions
from liquid_control.sim.expert import ExpertRuntime
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.sim.tasks.lane_and_speed import LANE_AND_SPEED, task_of
from liquid_control.sim.tasks.task import Task
from liquid_control.sim.world import World
from liquid_control.system.files import clear_results
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb, as_lines

RESULTS = ("report.html", "summary.json", "worst.mp4")
"""What an examination in recordings may leave in --out."""

OF_DRIVE = [
    field.name
    for field in dataclasses.fields(RoadResult)
    if field.name in Examined.__dataclass_fields__
]


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """Drive `model` over `roads` held-out roads of the set that `seed` names, spread evenly over
    the strata of appearance; or over every stretch of the recordings that `worlds` names, in which
    case `roads` and `world` have no meaning."""

    model: Path = path(REQUIRED, "path of a model directory, or the name of an installed model")
    roads: int = number(20, 1, 100000, "", "held-out roads to drive")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the set of roads")
    conditions: tuple[str, ...] = several(
        (CLEAN.name,),
        "driving conditions by name (doc/benchmark.md), or all; each drives the same roads",
    )
    world: WorldConfig = group(WorldConfig(length=550.0))
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")
    require_signature: str = text(
        "", "public key (PEM file) that must have signed the model; empty: no signature is needed"
    )

    worlds: tuple[str, ...] = several(
        (MUJOCO,),
        "where to drive: mujoco, twin (doc/twin.md), or recording:PATH [recording:PATH ...] of any "
        "format that replay reads",
        flag="world",
    )
    only: str = choice(
        "all",
        ("all", "held_out"),
        "stretches of recordings to drive: all, or those that the policy did not learn from",
    )
    recording: RecordingSettings = group(RecordingSettings(), flat=True)
    view: ViewSettings = group(ViewSettings())
    cache: Path | None = path(
        None, "folder for the decoded pictures of recordings; without it they are decoded again"
    )
    adaptation: str = choice(
        "off", MODES, "what adapts on the roads, driven one after another (doc/adaptation.md)"
    )
    person: str = choice(
        "none",
        PERSONS,
        "who takes over: no person, the expert before the vehicle leaves its lane, or a driver who "
        "does so without need and steers wrong",
    )
    out: Path | None = path(
        None,
        "folder for report.html, summary.json and worst.mp4 of a drive in recordings",
        writes="folder",
    )

    def __post_init__(self) -> None:
        check(self)
        conditions, recordings = (
            find_conditions(self.conditions),
            recordings_of(self.worlds, SIMULATED),
        )
        refuse_undrawn(self.worlds[0], conditions)
        if recordings:
            conditions_of(self.conditions)
            for name, without in (("adaptation", MODES[0]), ("person", PERSONS[0])):
                if getattr(self, name) != without:
                    raise ConfigError(name, getattr(self, name), f"{without} in recordings")


@dataclasses.dataclass(frozen=True)
class RoadJob:
    """Held-out road number `road` of the set that `seed` names, under a condition. `engine`: the
    world that computes it, mujoco or twin."""

    condition: str
    road: int
    seed: int
    world: WorldConfig
    engine: str = MUJOCO


def evaluate(settings: EvaluationSettings, progress: bool = True) -> dict:
    """Returns, ready for JSON: the totals of the first condition, a row with intervals for each
    under `conditions`, and all `RoadResult`s under `per_road`; of recordings see
    `evaluate_recorded`. Raises ModelFileError for a model that is not there, damaged, or not signed
    as it must be."""
    started = time.perf_counter()
    settings = dataclasses.replace(settings, model=find_model(settings.model))
    info = read_model(settings.model, settings.require_signature)
    if recordings_of(settings.worlds, SIMULATED):
        return evaluate_recorded(settings, progress)
    refuse_other_vehicle(info)
    conditions = find_conditions(settings.conditions)
    model = pack_model(settings.model)
    jobs = [
        [
            RoadJob(c.name, road, settings.seed, settings.world, settings.worlds[0])
            for road in range(settings.roads)
        ]
        for c in conditions
    ]
    title, engine = "roads" if progress else None, processes(settings.workers)
    aboard: list[dict] = []
    if settings.adaptation == MODES[0] and settings.person == PERSONS[0]:
        results = run_jobs(drive_road, [(model, job) for day in jobs for job in day], engine, title)
    else:
        with_them = (model, settings.adaptation, settings.person)
        days = run_jobs(drive_day, [(*with_them, day) for day in jobs], engine, title)
        results, aboard = ([one[i] for day in days for one in day] for i in (0, 1))
    speed = _chosen_speed(info, settings, jobs[0], results[: settings.roads])
    wall = time.perf_counter() - started
    first = [r for r in results if r.condition == conditions[0].name]
    distance = sum(r.distance_m for r in first)
    return {
        "model": str(settings.model),
        "world": list(settings.worlds),
        "seed": settings.seed,
        "roads": settings.roads,
        "distance_m": round(distance, 1),
        "departures": sum(r.departures for r in first),
        "departures_per_km": sum(r.departures for r in first) / max(distance / 1000, 1e-9),
        "off_road": sum(r.off_road for r in first),
        "put_backs": sum(r.off_road + r.standstills for r in first),
        "lateral_rmse_m": math.sqrt(
            sum(r.lateral_rmse_m**2 * r.distance_m for r in first) / max(distance, 1e-9)
        ),
        "largest_offset_m": max(r.largest_offset_m for r in first),
        "gate_activations": sum(r.gate_activations for r in first),
        "speed_up": sum(r.simulated_s for r in results) / wall,
        "speed_up_per_core": sum(r.simulated_s for r in results) / sum(r.cpu_s for r in results),
        "wall_s": wall,
        **speed,
        "conditions": [
            condition_row(c, [r for r in results if r.condition == c.name]) for c in conditions
        ],
        "per_road": [
            dataclasses.asdict(r) | more
            for r, more in zip(results, aboard or [{}] * len(results), strict=True)
        ],
    }


def evaluate_recorded(settings: EvaluationSettings, progress: bool) -> dict:
    """Returns, ready for JSON: the figures of the first condition over all stretches, a row with
    intervals for each condition, and rows by recording and by stretch. Raises the errors of
    `load_roads` for a recording that cannot be driven in."""
    started = time.perf_counter()
    paths, conditions = (
        recordings_of(settings.worlds, SIMULATED),
        conditions_of(settings.conditions),
    )
    model = pack_model(settings.model)
    info = read_model(settings.model)
    spec = info.spec
    preprocess = with_image(spec)
    out = settings.out
    if out is not None:
        require("jinja2", "av", "matplotlib")
        out.mkdir(parents=True, exist_ok=True)
        clear_results(out, *RESULTS)
    with cache_folder(settings.cache) as cache:
        roads = load_all(paths, settings.recording, settings.view, preprocess, Path(cache))
        learned = {
            name: learned_from(
                info.provenance, Path(name), file_hashes(Path(name), Path(cache)).values()
            ).of((road.path.stamp_ns[0], road.path.stamp_ns[-1]) for road in found.roads)
            for name, found in roads.items()
        }
        if settings.only == "held_out":
            roads = held_out_only(roads, learned)
        loaded = time.perf_counter() - started
        results = drive_all(model, roads, conditions, settings.seed, settings.workers, progress)
        first = [result for result in results if result.condition == conditions[0].name]
        facts = {
            "model": str(settings.model),
            "world": list(settings.worlds),
            "seed": settings.seed,
            "stretches": len(first),
            "only": settings.only,
            "learned_from": [name for name, one in learned.items() if one.learned],
            "not_measured": not_measured(spec, roads),
            **totals(first),
            **({"chosen_speed": against_driver(first)} if chooses_speed(spec) else {}),
            "load_s": loaded,
            "wall_s": time.perf_counter() - started,
            "conditions": [
                recorded_rows.condition_row(c, [r for r in results if r.condition == c.name])
                for c in conditions
            ],
            "per_recording": [
                recording_row(name, found, [r for r in first if r.recording == name])
                for name, found in roads.items()
            ],
            "per_stretch": [stretch_row(result) for result in results],
        }
        if out is None:
            return facts
        from liquid_control.evaluate.closed_loop.recorded_page import write_examination

        jobs = stretch_jobs(roads, conditions[0].name, settings.seed)
        runtime = partial(load_packed, model)
        write_examination(out, facts, first, jobs, runtime, info.state_names)
    return facts | {"out": str(out)}


def drive_road(job: tuple[PackedModel, RoadJob]) -> RoadResult:
    """A model drives one held-out road; see `drive_with`."""
    model, road = job
    return drive_with(load_packed(model), road)


def drive_day(
    job: tuple[PackedModel, str, str, Sequence[RoadJob]],
) -> list[tuple[RoadResult, dict]]:
    """A model drives roads one after another, with what adapts and who takes over."""
    model, adaptation, person, roads = job
    aboard, runtime = Aboard(adaptation, person), load_packed(model)
    return [(drive_with(runtime, road, aboard), aboard.facts()) for road in roads]


def _chosen_speed(
    info: ModelInfo, settings: EvaluationSettings, jobs: list[RoadJob], results: list[RoadResult]
) -> dict:
    """Of a policy that chooses its speed, the figures of `speed_figures` on these roads, under
    `chosen_speed`."""
    if not chooses_speed(info.spec):
        return {}
    experts = run_jobs(drive_expert, jobs, processes(settings.workers))
    return {"chosen_speed": speed_figures(results, experts)}


def drive_expert(job: RoadJob) -> RoadResult:
    """As `drive_with`, of the expert who chooses the speed, too. He does not look at pictures,
    which are small."""
    seen = PreprocessConfig(height=LEAST, width=2 * LEAST)
    return _driven(lambda world: ExpertRuntime(world, seen), LANE_AND_SPEED, _unseen(job))


def drive_with(
    runtime: Runtime, job: RoadJob, aboard: Aboard | None = None, task: Task | None = None
) -> RoadResult:
    """Drives one held-out road to its end. A vehicle that leaves the road or stands still is
    counted and put back. `aboard`: goes with the policy. `task`: None for the policy's. A policy of
    lane numbers gets them from the world."""
    task = task or task_of(runtime.spec)
    if not reads_numbers(runtime.spec):
        return _driven(lambda world: runtime, task, job, aboard)
    rng = np.random.default_rng([job.seed, job.road])
    return _driven(lambda world: NumbersRuntime(runtime, world, rng), task, _unseen(job), aboard)


def _unseen(job: RoadJob) -> RoadJob:
    """The job with small pictures, for a driver that does not look at them."""
    small = dataclasses.replace(job.world, image_height=LEAST, image_width=2 * LEAST)
    return dataclasses.replace(job, world=small)


def _driven(
    driver: Callable[[World], Runtime], task: Task, job: RoadJob, aboard: Aboard | None = None
) -> RoadResult:
    started, busy = time.perf_counter(), time.process_time()
    condition, stratum, seed = (
        CONDITIONS[job.condition],
        job.road % STRATA,
        road_seed(job.seed, job.road),
    )
    world = World(
        dataclasses.replace(job.world, stratum=stratum),
        seed,
        held_out=True,
        condition=condition,
        task=task,
        engine=engine_of(job.engine),
    )
    runtime = driver(world)
    if condition.input_corruption:
        runtime = CorruptedInput(runtime, seed, **condition.input_corruption)
    if aboard is not None:
        runtime = aboard.begin(world, runtime, job.road, seed)
    controller = Controller(runtime, speed=world.set_speed)
    watch = aboard and aboard.watching(world, lambda: controller.observer.assumed)
    found = examine(world, controller, SafetyGate(condition.gate, condition.vehicle), watch)
    world.close()
    figures = {name: getattr(found, name) for name in OF_DRIVE}
    figures |= {"wall_s": time.perf_counter() - started, "cpu_s": time.process_time() - busy}
    return RoadResult(
        road=job.road, seed=seed, stratum=stratum, condition=condition.name, **figures
    )


def show(facts: Mapping) -> str:
    """The facts as lines and a table."""
    if "stretches" not in facts:
        plain = {name: value for name, value in facts.items() if name != "chosen_speed"}
        said = [sentence(facts["chosen_speed"])] if "chosen_speed" in facts else []
        return "\n".join([as_lines(plain), "", table(facts), *said])
    report = [f"report: {facts['out']}/report.html"] if "out" in facts else []
    return "\n".join([recorded_rows.table(facts), "", *recorded_rows.sentences(facts), *report])


VERB = Verb(EvaluationSettings, evaluate, show)
