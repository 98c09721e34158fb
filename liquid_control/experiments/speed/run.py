"""`bench speed`: policies that choose their speed against policies that only steer, trained from
the same seeds, and against the expert on the same roads. A run that was stopped goes on."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from liquid_control.bench.timing import write_result
from liquid_control.config import WorldConfig, check, group, number, path
from liquid_control.control.controller import COMFORT
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.evaluate.closed_loop.chosen_speed import sentence, speed_figures
from liquid_control.evaluate.closed_loop.condition_rows import RoadResult
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, drive_expert, drive_with
from liquid_control.experiments.speed.charts import draw_speeds
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.sim.conditions.table import CLEAN
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.lane_and_speed import LANE_AND_SPEED
from liquid_control.stats.bootstrap import difference_interval
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.verb import Verb
from liquid_control.train.from_simulation import train
from liquid_control.train.run import commit, described
from liquid_control.train.simulation_settings import LEARNED, SET, SimulationSettings

MUST = {"time_ratio": [0.95, 1.05], "lateral_acceleration_p95": COMFORT}
"""And the paired interval of departures per km, with minus without the output, is not above 0."""
PLACES = ("out", "results", "workers")
RULE = "set, without the road's plan"
"""The policy that only steers where its vehicle drives as commanded: set speed and comfort alone
make its speed."""


@dataclasses.dataclass(frozen=True)
class SpeedBenchSettings:
    """What is trained and driven. All else of the trainings is the default of train simulation."""

    out: Path = path(Path("runs/speed_bench"), "folder of the trainings", writes="folder")
    results: Path = path(
        Path("doc/results"), "folder for speed.json and speed.png", writes="folder"
    )
    seeds: int = number(3, 1, 100, "", "trainings with and without the output, each")
    seed: int = number(0, 0, LARGEST_SEED, "", "seed of the first")
    roads: int = number(40, 2, 100000, "", "held-out roads that each policy drives")
    road_seed: int = number(1, 0, LARGEST_SEED, "", "seed of the set of roads")
    world: WorldConfig = group(WorldConfig(length=550.0))
    workers: int = number(0, 0, 256, "", "processes; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def bench_speed(settings: SpeedBenchSettings) -> dict:
    """Trains, drives, writes speed.json and speed.png and returns the figures."""
    seeds = range(settings.seed, settings.seed + settings.seeds)
    models = {
        kind: [pack_model(_trained(settings, kind, seed)) for seed in seeds]
        for kind in (SET, LEARNED)
    }
    jobs = [
        RoadJob(CLEAN.name, road, settings.road_seed, settings.world)
        for road in range(settings.roads)
    ]
    experts = driven_by(settings, "expert", None, jobs)
    driven = {
        name: [driven_by(settings, name, model, jobs) for model in models[kind]]
        for name, kind in ((SET, SET), (LEARNED, LEARNED), (RULE, SET))
    }
    found = {name: summarised(of_seeds, experts) for name, of_seeds in driven.items()}
    draw_speeds(models[LEARNED][0], jobs[_winding(experts)], settings.results / "speed.png")
    measured = {
        "commit": commit(),
        "settings": described(settings, PLACES),
        "must": MUST,
        "policies": found,
        "departures_learned_minus_set": difference(driven[LEARNED], driven[SET]),
    }
    return write_result(settings.results / "speed.json", ("torch", "mujoco"), measured)


def driven_by(
    settings: SpeedBenchSettings, name: str, model: PackedModel | None, jobs: Sequence[RoadJob]
) -> list[RoadResult]:
    """The drives of a policy, or of the expert; those that are there are not repeated."""
    described_by = repr((name, model and model.sha256, jobs))
    key = hashlib.sha256(described_by.encode()).hexdigest()[:16]
    file = settings.out / "drives" / f"{key}.json"
    if file.exists():
        return [RoadResult(**row) for row in json.loads(file.read_text())]
    engine = processes(settings.workers)
    if model is None:
        results = run_jobs(drive_expert, jobs, engine, name)
    else:
        results = run_jobs(_drive, [(model, job, name) for job in jobs], engine, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with write_atomically(file) as partial:
        partial.write_text(json.dumps([dataclasses.asdict(one) for one in results]))
    return results


def summarised(of_seeds: Sequence[Sequence[RoadResult]], experts: Sequence[RoadResult]) -> dict:
    """One kind of policy over all seeds, and each seed."""
    together = [result for results in of_seeds for result in results]
    return {
        **_driving(together),
        **speed_figures(together, list(experts) * len(of_seeds)),
        "by_seed": [_driving(results) | speed_figures(results, experts) for results in of_seeds],
    }


def difference(
    first: Sequence[Sequence[RoadResult]], second: Sequence[Sequence[RoadResult]]
) -> dict:
    """Departures per km, first minus second, and its 95 % interval over seeds and roads."""
    departures, kilometres = (
        tuple(np.array([[value(one) for one in of] for of in both]) for both in (first, second))
        for value in (lambda one: float(one.departures), lambda one: one.distance_m / 1000.0)
    )
    interval = difference_interval(departures, kilometres)
    rates = [above.sum() / below.sum() for above, below in zip(departures, kilometres, strict=True)]
    return {"per_km": float(rates[0] - rates[1]), "ci": [interval.low, interval.high]}


def _driving(results: Sequence[RoadResult]) -> dict:
    metres = sum(result.distance_m for result in results)
    squares = sum(result.lateral_rmse_m**2 * result.distance_m for result in results)
    return {
        "km": metres / 1000.0,
        "departures": sum(result.departures for result in results),
        "put_backs": sum(result.off_road + result.standstills for result in results),
        "lateral_rmse_m": float(np.sqrt(squares / metres)),
    }


def _trained(settings: SpeedBenchSettings, kind: str, seed: int) -> Path:
    """The model of one training."""
    options = {"evaluation_roads": 0, "workers": settings.workers}
    wanted = SimulationSettings(settings.out / f"{kind}_{seed}", seed=seed, speed=kind, **options)
    train(wanted)
    return wanted.out / "model"


def _drive(job: tuple[PackedModel, RoadJob, str]) -> RoadResult:
    model, road, name = job
    return drive_with(load_packed(model), road, task=LANE_AND_SPEED if name == RULE else None)


def _winding(experts: Sequence[RoadResult]) -> int:
    """The road on which the expert drives slowest for its length: its bends are the sharpest."""
    return int(np.argmin([result.distance_m / result.simulated_s for result in experts]))


def show(result: Mapping) -> str:
    """Lines on each kind of policy, and the comparison."""
    lines = []
    for name, found in result["policies"].items():
        lines.append(
            f"{name}: {found['departures']} departures and {found['put_backs']} put-backs in "
            f"{found['km']:.1f} km, lateral RMSE {found['lateral_rmse_m']:.3f} m"
        )
        lines.append(f"  {sentence(found)}")
    low, high = result["departures_learned_minus_set"]["ci"]
    change = result["departures_learned_minus_set"]["per_km"]
    lines.append(f"departures per km, learned minus set: {change:+.2f} [{low:+.2f}, {high:+.2f}]")
    return "\n".join([*lines, f"as it must be: {'yes' if succeeded(result) else 'no'}"])


def succeeded(result: Mapping) -> bool:
    """Whether the policies that choose their speed are as good as `MUST` says."""
    found, (low, high) = result["policies"][LEARNED], MUST["time_ratio"]
    return (
        low <= found["time_ratio"] <= high
        and found["lateral_acceleration_p95"] <= MUST["lateral_acceleration_p95"]
        and result["departures_learned_minus_set"]["ci"][0] <= 0.0
    )


VERB = Verb(SpeedBenchSettings, bench_speed, show, succeeded)
