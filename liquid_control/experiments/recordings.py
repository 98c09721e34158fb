"""Does learning from recordings cost anything? The same simulated expert drives, once as episodes
and once as rosbag2 with JPEG pictures and recorded commands, the same network, fit and seeds; then
all kinds of policy on the same held-out roads.

No side has DAgger rounds or auxiliary targets, which a recording does not hold. Policies of kind
`bags` learn from the command, as on a vehicle; in these drives that is what the safety gate let
through. Those of kind `proposals` learn from what the expert wanted.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from liquid_control.config import PolicyConfig, PreprocessConfig, WorldConfig, check, number, path
from liquid_control.data.episode import load_episode
from liquid_control.deploy.export import export_onnx
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.policy.saved import save_model
from liquid_control.recordings.rosbag.writer import PARTIAL, PROPOSAL, BagSettings
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.seeds import LARGEST_SEED, road_seed
from liquid_control.system.jobs import processes
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import CloneSettings, clone, scaled_network
from liquid_control.train.from_recordings import RecordedSettings, train_recorded
from liquid_control.train.run_folder import commit, tensorboard
from liquid_control.train.split import split_recordings

STEERING_NOISE = (0.01, 0.02, 0.03, 0.045)
RESAMPLES = 10_000
FIGURES = ("departures", "rmse")
KINDS = {"episodes": None, "bags": "", "proposals": PROPOSAL}
"""Topic that each kind of policy takes its target from; None: the episode's own, empty: the one
that is found."""


@dataclasses.dataclass(frozen=True)
class RecordingsSettings:
    """The drives, the runs on them and the exam."""

    out: Path = path(
        Path("runs/bench_recordings"),
        "folder of drives and runs, and of the result, train_bags.json; an interrupted run resumes",
        writes="folder",
    )
    long_roads: int = number(40, 0, 10000, "", "expert roads of 400 m")
    short_roads: int = number(
        60, 0, 10000, "", "expert roads of 120 m, for more variety of appearance"
    )
    runs: int = number(3, 1, 100, "", "training runs of each kind, each with another seed")
    steps: int = number(900, 1, 10**7, "", "optimiser steps of a run")
    exam_roads: int = number(40, 2, 1000, "", "held-out roads that each policy drives")
    seed: int = number(
        0, 0, LARGEST_SEED, "", "seed of the roads, and of the first run; further runs count up"
    )
    workers: int = number(0, 0, 256, "", "processes that collect, read and drive; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def bench_recordings(settings: RecordingsSettings) -> dict:
    """Returns each kind's figures with 95 % confidence intervals over roads, and those of the
    paired differences."""
    jobs = _drives(settings)
    collect_missing(jobs, processes(settings.workers), "drives")
    exams = {kind: [] for kind in KINDS}
    for run in range(settings.runs):
        for kind, steering in KINDS.items():
            folder = settings.out / f"{kind}_{run}"
            how = CloneSettings(seed=settings.seed + run, steps=settings.steps, patience=0)
            if not (folder / "model" / "model.json").exists():
                if steering is None:
                    _from_episodes(settings, how, folder)
                else:
                    _from_bags(settings, how, folder, steering)
            exams[kind].append(_exam(settings, folder))
    episodes = [load_episode(path) for path, job in jobs.items() if job.recording is None]
    answer = {
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "settings": {
            name: value
            for name, value in dataclasses.asdict(settings).items()
            if name not in ("out", "workers")
        },
        "drives": {
            "roads": len(episodes),
            "frames": sum(map(len, episodes)),
            "minutes": round(sum(np.ptp(episode.stamp_ns) for episode in episodes) / 6e10, 1),
        },
        **compare(exams, settings.seed),
        "runs": {kind: [_totals(exam) for exam in exams[kind]] for kind in KINDS},
    }
    partial = settings.out / "train_bags.partial"
    partial.write_text(json.dumps(answer, indent=1) + "\n")
    partial.replace(settings.out / "train_bags.json")
    return answer


def compare(exams: Mapping[str, list[dict]], seed: int) -> dict:
    """Departures a road and lateral RMSE [m] by kind, [low, high] being 95 % intervals over roads,
    runs pooled within a road.

    `difference` is that of each other kind to `episodes`, road by road; `as_well` whether zero lies
    in its interval or above it.
    """
    tables = {kind: _table(of_kind) for kind, of_kind in exams.items()}
    roads = tables["episodes"].shape[0]
    rng = np.random.default_rng([seed, 0xB007])
    draws = rng.integers(roads, size=(RESAMPLES, roads))
    told: dict = {}
    spread = {kind: _figures(table[draws]) for kind, table in tables.items()}
    for kind, table in tables.items():
        told[kind] = {
            name: {"mean": value, "interval": _interval(spread[kind][name])}
            for name, value in _figures(table).items()
        }
    others = [kind for kind in tables if kind != "episodes"]
    told["difference"] = {
        kind: {
            name: {
                "mean": told[kind][name]["mean"] - told["episodes"][name]["mean"],
                "interval": _interval(spread[kind][name] - spread["episodes"][name]),
            }
            for name in FIGURES
        }
        for kind in others
    }
    told["as_well"] = {
        kind: {name: told["difference"][kind][name]["interval"][0] <= 0.0 for name in FIGURES}
        for kind in others
    }
    return told


def _totals(exam: dict) -> dict:
    return {name: value for name, value in exam.items() if not isinstance(value, list)}


def _table(exams: list[dict]) -> np.ndarray:
    """(R, 3): departures, metres², metres of each road, summed over the runs."""
    rows = [
        [
            (r["departures"], r["lateral_rmse_m"] ** 2 * r["distance_m"], r["distance_m"])
            for r in exam["per_road"]
        ]
        for exam in exams
    ]
    table = np.sum(np.array(rows, np.float64), axis=0)
    table[:, 0] /= len(exams)
    return table


def _figures(table: np.ndarray) -> dict:
    """Of tables (..., R, 3): mean departures a road, and the distance-weighted RMSE [m]."""
    departures, squares, distance = (table[..., column].sum(-1) for column in range(3))
    values = {
        "departures": departures / table.shape[-2],
        "rmse": np.sqrt(squares / np.maximum(distance, 1e-9)),
    }
    return {name: float(value) if np.ndim(value) == 0 else value for name, value in values.items()}


def _interval(values: np.ndarray) -> list[float]:
    return [float(value) for value in np.percentile(values, (2.5, 97.5))]


def _drives(settings: RecordingsSettings) -> dict[Path, DriveJob]:
    """Every drive twice: as an episode and as a recording. World, driver and noise come from the
    seed, so both are the same drive."""
    for kind in ("drives", "recordings"):
        (settings.out / kind).mkdir(parents=True, exist_ok=True)
    for broken in (settings.out / "recordings").glob(f"*{PARTIAL}"):
        shutil.rmtree(broken)
    jobs = {}
    for index in range(settings.long_roads + settings.short_roads):
        world = WorldConfig(
            length=400.0 if index < settings.long_roads else 120.0, stratum=index % 8
        )
        name = f"expert_{index:04d}"
        drive = DriveJob(
            road_seed(settings.seed, index),
            PreprocessConfig(),
            world,
            steering_noise=STEERING_NOISE[index // 8 % 4],
        )
        jobs[settings.out / "drives" / f"{name}.npz"] = drive
        jobs[settings.out / "recordings" / name] = dataclasses.replace(
            drive, recording=BagSettings(), name=name
        )
    return jobs


def _from_episodes(settings: RecordingsSettings, how: CloneSettings, folder: Path) -> None:
    """As `train_recorded` does, with what the simulation itself knows of the drives."""
    episodes = {}
    for file in sorted((settings.out / "drives").glob("*.npz")):
        episode = load_episode(file)
        episodes[file.stem] = dataclasses.replace(
            episode, auxiliary=np.full_like(episode.auxiliary, math.nan)
        )
    split = split_recordings(
        episodes, RecordedSettings.held_out_share, how.seed, RecordedSettings.block
    )
    torch.manual_seed(how.seed)
    network, _ = scaled_network(PolicyConfig(), PreprocessConfig(), split)
    folder.mkdir(parents=True, exist_ok=True)
    with tensorboard(folder) as writer:
        result = clone(network, split, how, folder, 1.0, writer)
    provenance = {"method": "behaviour cloning of simulated episodes", "history": result["history"]}
    save_model(folder / "model", network, provenance, {"held_out": result["held_out"]}, export_onnx)


def _from_bags(
    settings: RecordingsSettings, how: CloneSettings, folder: Path, steering: str
) -> None:
    bags = tuple(
        sorted(path for path in (settings.out / "recordings").iterdir() if path.suffix != PARTIAL)
    )
    reading = RecordingSettings(topics=TopicMap(steering=steering))
    train_recorded(
        RecordedSettings(
            bags,
            out=folder,
            cache=settings.out / "cache",
            clone=how,
            recording=reading,
            workers=settings.workers,
        )
    )


def _exam(settings: RecordingsSettings, folder: Path) -> dict:
    place = folder / f"exam_{settings.exam_roads}.json"
    if not place.exists():
        exam = evaluate(
            EvaluationSettings(
                folder / "model", settings.exam_roads, settings.seed, workers=settings.workers
            )
        )
        partial = place.with_suffix(".partial")
        partial.write_text(json.dumps(exam | {"model": folder.name}))
        partial.replace(place)
    return json.loads(place.read_text())


VERB = Verb(
    RecordingsSettings,
    bench_recordings,
    succeeded=lambda answer: all(answer["as_well"]["bags"].values()),
)
