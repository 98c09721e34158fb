"""The truth check: policies are trained on bags of a MuJoCo drive, by `train recordings` alone, and
drive in MuJoCo itself, on roads that they have not seen."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from liquid_control.config import PreprocessConfig
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.steps import once, run_command
from liquid_control.experiments.recorded_world.training import Trained, trained
from liquid_control.recordings.rosbag.writer import PARTIAL, BagSettings
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.scenario import expert_drives
from liquid_control.system.jobs import processes

ROADS = 40
"""Held-out roads of 535 m that each policy drives."""

DRIVES = {10: (11, 16), 37: (40, 60)}
"""Long and short roads by the minutes that driving them takes; those of 37 minutes are the ones of
`bench recordings`."""


@dataclasses.dataclass(frozen=True)
class TruthRun:
    """One training: minutes and noise of its bags, way and seed of the training."""

    minutes: int
    noise: str
    way: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.minutes}_{self.noise}_{self.way}_{self.seed}"


def check_truth(settings: RecordedWorldSettings) -> dict:
    """Departures and RMSE in MuJoCo by minutes, noise and way, summed over the seeds, and each run.
    The short runs come first."""
    runs = [
        TruthRun(minutes, noise, way, settings.seed + seed)
        for noise in settings.noises
        for minutes in DRIVES
        if str(minutes) in settings.bag_minutes
        for way, _ in settings.ways
        for seed in range(settings.seeds)
    ]
    found = {}
    for run in runs:
        made = train_run(settings, run)
        found[run] = {**made.about, **drive_in_mujoco(settings, made.model, run.name)}
    return {
        "groups": {
            f"{minutes} min, {noise}, {way}": _summed([found[run] for run in of_group])
            for minutes in DRIVES
            for noise in settings.noises
            for way, _ in settings.ways
            if (
                of_group := [
                    r for r in runs if (r.minutes, r.noise, r.way) == (minutes, noise, way)
                ]
            )
        },
        "runs": {run.name: found[run] for run in runs},
    }


def train_run(settings: RecordedWorldSettings, run: TruthRun) -> Trained:
    """Bags and model of a run, made where they are missing."""
    flags = dict(settings.ways)[run.way]
    bags = record(settings, run.minutes, run.noise)
    return trained(settings, bags, settings.out / "truth" / run.name, run.seed, flags)


def record(settings: RecordedWorldSettings, minutes: int, noise: str) -> list[Path]:
    """The bags of an expert's drives."""
    folder = settings.out / "truth" / f"bags_{noise}"
    jobs = drives(settings.seed, minutes, noise)
    folder.mkdir(parents=True, exist_ok=True)
    for broken in folder.glob(f"*{PARTIAL}"):
        shutil.rmtree(broken)
    paths = {folder / name: job for name, job in jobs.items()}
    collect_missing(paths, processes(settings.workers), "drives")
    return list(paths)


def drives(seed: int, minutes: int, noise: str) -> dict[str, DriveJob]:
    """The drives that take `minutes`, by name; those of 10 minutes are some of those of 37."""
    most_long, most_short = DRIVES[37]
    long_roads, short_roads = DRIVES[minutes]
    jobs = expert_drives(seed, most_long, most_short, PreprocessConfig())
    names = list(jobs)
    chosen = names[:long_roads] + names[most_long : most_long + short_roads]
    changes: dict = {"recording": BagSettings()}
    if noise == "clean":
        changes["steering_noise"] = 0.0
    return {name: dataclasses.replace(jobs[name], **changes) for name in chosen}


def drive_in_mujoco(settings: RecordedWorldSettings, model: Path, name: str) -> dict:
    """Figures of `evaluate MODEL` on held-out roads of the simulation."""
    roads = max(round(ROADS * settings.share), 2)
    words = ["evaluate", str(model), "--roads", str(roads), "--seed", str(settings.seed)]
    file = settings.out / "truth" / f"driven_{name}.json"
    made = (model / "model.json").read_text() if model.is_dir() else str(model)
    done = once(file, {"words": words, "model": made}, lambda: run_command(*words))
    facts = done["found"]["facts"]
    wanted = ("distance_m", "departures", "off_road", "lateral_rmse_m", "largest_offset_m")
    return {"roads": roads, **{name: facts[name] for name in wanted}}


def _summed(rows: list[dict]) -> dict:
    distance = sum(row["distance_m"] for row in rows)
    squares = sum(row["lateral_rmse_m"] ** 2 * row["distance_m"] for row in rows)
    return {
        "runs": len(rows),
        "distance_m": round(distance, 1),
        "departures": sum(row["departures"] for row in rows),
        "departures_by_run": [row["departures"] for row in rows],
        "lateral_rmse_m": (squares / distance) ** 0.5,
        "training_s": [row["training_s"] for row in rows],
    }
