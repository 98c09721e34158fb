"""Measures whether learning from recordings costs anything: policies are trained on the same
simulated drives, as episodes and as rosbag2 with JPEG pictures and recorded commands, with the same
network, settings and seeds, and all drive the same held-out roads.

No kind is trained in closed loop or has auxiliary targets, which a recording does not hold.
Policies of kind `bags` learn from the command, as on a vehicle: in these drives, the output of the
safety gate. Those of kind `proposals` learn from the expert's proposal.
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

from liquid_control.config import PreprocessConfig, check, number, path
from liquid_control.data.episode import load_episode
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.model.car import lane_keeping
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.recordings.rosbag.writer import PARTIAL, PROPOSAL, BagSettings
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.scenario import expert_drives
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.system.files import read_json, write_atomically
from liquid_control.system.jobs import processes
from liquid_control.system.verb import Verb
from liquid_control.train.cloning import CloneSettings, clone
from liquid_control.train.device import choose_device
from liquid_control.train.from_recordings import train
from liquid_control.train.recordings_settings import RecordingsSettings
from liquid_control.train.run import Run, commit, described
from liquid_control.train.split import split_recordings
from liquid_control.train.starting_network import scaled_network

RESAMPLES = 10_000
"""Of `compare`, which draws the same roads for every kind. `stats.bootstrap` draws in another way,
so its intervals would differ from those in doc/results/train_bags.json."""
FIGURES = ("departures", "rmse")
KINDS = {"episodes": None, "bags": "", "proposals": PROPOSAL}
"""Topic that each kind of policy takes its target from; None: from the episode, empty: the topic
that is found."""
PLACES = ("out", "workers")
"""Settings that do not decide the outcome."""


@dataclasses.dataclass(frozen=True)
class RecordingsBenchSettings:
    """The drives, the training runs on them and the evaluation."""

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
    evaluation_roads: int = number(40, 2, 1000, "", "held-out roads that each policy drives")
    seed: int = number(
        0, 0, LARGEST_SEED, "", "seed of the roads, and of the first run; further runs count up"
    )
    workers: int = number(0, 0, 256, "", "processes that collect, read and drive; 0: one per core")

    def __post_init__(self) -> None:
        check(self)


def bench_recordings(settings: RecordingsBenchSettings) -> dict:
    """Returns each kind's figures with 95 % confidence intervals over roads, and those of the
    paired differences."""
    jobs = _drives(settings)
    collect_missing(jobs, processes(settings.workers), "drives")
    evaluations = {kind: [] for kind in KINDS}
    for run in range(settings.runs):
        for kind, steering in KINDS.items():
            folder = settings.out / f"{kind}_{run}"
            how = CloneSettings(seed=settings.seed + run, steps=settings.steps, patience=0)
            if not (folder / "model" / "model.json").exists():
                if steering is None:
                    _from_episodes(settings, how, folder)
                else:
                    _from_bags(settings, how, folder, steering)
            evaluations[kind].append(_evaluation(settings, folder))
    episodes = [load_episode(file) for file, job in jobs.items() if job.recording is None]
    answer = {
        "command": " ".join(["liquid-control", *sys.argv[1:]]),
        "commit": commit(),
        "settings": described(settings, PLACES),
        "drives": {
            "roads": len(episodes),
            "frames": sum(map(len, episodes)),
            "minutes": round(sum(np.ptp(episode.stamp_ns) for episode in episodes) / 6e10, 1),
        },
        **compare(evaluations, settings.seed),
        "runs": {kind: [_totals(one) for one in evaluations[kind]] for kind in KINDS},
    }
    with write_atomically(settings.out / "train_bags.json") as partial:
        partial.write_text(json.dumps(answer, indent=1) + "\n")
    return answer


def compare(evaluations: Mapping[str, list[dict]], seed: int) -> dict:
    """Departures a road and lateral RMSE [m] by kind, [low, high] being 95 % intervals over roads,
    runs pooled within a road.

    `difference` is that of each other kind to `episodes`, road by road; `as_well` whether zero lies
    in its interval or above it.
    """
    tables = {kind: _table(of_kind) for kind, of_kind in evaluations.items()}
    roads = tables["episodes"].shape[0]
    rng = np.random.default_rng([seed, 0xB007])
    draws = rng.integers(roads, size=(RESAMPLES, roads))
    found: dict = {}
    spread = {kind: _figures(table[draws]) for kind, table in tables.items()}
    for kind, table in tables.items():
        found[kind] = {
            name: {"mean": value, "interval": _interval(spread[kind][name])}
            for name, value in _figures(table).items()
        }
    others = [kind for kind in tables if kind != "episodes"]
    found["difference"] = {
        kind: {
            name: {
                "mean": found[kind][name]["mean"] - found["episodes"][name]["mean"],
                "interval": _interval(spread[kind][name] - spread["episodes"][name]),
            }
            for name in FIGURES
        }
        for kind in others
    }
    found["as_well"] = {
        kind: {name: found["difference"][kind][name]["interval"][0] <= 0.0 for name in FIGURES}
        for kind in others
    }
    return found


def _totals(evaluation: dict) -> dict:
    return {name: value for name, value in evaluation.items() if not isinstance(value, list)}


def _table(evaluations: list[dict]) -> np.ndarray:
    """(R, 3): departures, metres², metres of each road, summed over the runs."""
    rows = [
        [
            (r["departures"], r["lateral_rmse_m"] ** 2 * r["distance_m"], r["distance_m"])
            for r in evaluation["per_road"]
        ]
        for evaluation in evaluations
    ]
    table = np.sum(np.array(rows, np.float64), axis=0)
    table[:, 0] /= len(evaluations)
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


def _drives(settings: RecordingsBenchSettings) -> dict[Path, DriveJob]:
    """Every drive twice: as an episode and as a recording. World, driver and noise come from the
    seed, so both are the same drive."""
    for kind in ("drives", "recordings"):
        (settings.out / kind).mkdir(parents=True, exist_ok=True)
    for broken in (settings.out / "recordings").glob(f"*{PARTIAL}"):
        shutil.rmtree(broken)
    drives = expert_drives(
        settings.seed, settings.long_roads, settings.short_roads, PreprocessConfig()
    )
    jobs = {}
    for name, drive in drives.items():
        recorded = dataclasses.replace(drive, recording=BagSettings())
        jobs[settings.out / "drives" / f"{name}.npz"] = drive
        jobs[settings.out / "recordings" / name] = recorded
    return jobs


def _from_episodes(settings: RecordingsBenchSettings, how: CloneSettings, folder: Path) -> None:
    """Trains as `train.from_recordings` does, on the episodes of the simulation."""
    episodes = {}
    for file in sorted((settings.out / "drives").glob("*.npz")):
        episode = load_episode(file)
        episodes[file.stem] = dataclasses.replace(
            episode, auxiliary=np.full_like(episode.auxiliary, math.nan)
        )
    split = split_recordings(
        episodes, RecordingsSettings.held_out_share, how.seed, RecordingsSettings.block
    )
    torch.manual_seed(how.seed)
    network, scales = scaled_network(PolicyConfig(), lane_keeping(), split)
    device = choose_device("auto")
    network.to(device)
    method = "behaviour cloning of simulated episodes"
    with Run(folder, method, described(how, ()), how.seed, device) as run:
        metrics = clone(run, network, split, how)
        run.save_model(network, {"split": split.names, "scales": scales}, metrics)


def _from_bags(
    settings: RecordingsBenchSettings, how: CloneSettings, folder: Path, steering: str
) -> None:
    bags = tuple(
        sorted(bag for bag in (settings.out / "recordings").iterdir() if bag.suffix != PARTIAL)
    )
    reading = RecordingSettings(topics=TopicMap(steering=steering))
    train(
        RecordingsSettings(
            bags,
            closed_loop="off",
            out=folder,
            cache=settings.out / "cache",
            clone=how,
            recording=reading,
            workers=settings.workers,
        )
    )


def _evaluation(settings: RecordingsBenchSettings, folder: Path) -> dict:
    place = folder / f"evaluation_{settings.evaluation_roads}.json"
    if not place.exists():
        found = evaluate(
            EvaluationSettings(
                folder / "model", settings.evaluation_roads, settings.seed, workers=settings.workers
            )
        )
        with write_atomically(place) as partial:
            partial.write_text(json.dumps(found | {"model": folder.name}))
    return read_json(place)


VERB = Verb(
    RecordingsBenchSettings,
    bench_recordings,
    succeeded=lambda answer: all(answer["as_well"]["bags"].values()),
)
