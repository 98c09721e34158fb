"""Does the recorded world judge rightly? Policies from bad to good drive the same roads in MuJoCo
and in the recordings of an expert's drives on them; both orders of the policies are compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.evaluate.closed_loop.examine import Examined, examine
from liquid_control.experiments.recorded_world.charts import draw_judgement
from liquid_control.experiments.recorded_world.settings import RecordedWorldSettings
from liquid_control.experiments.recorded_world.steps import once, run_command
from liquid_control.experiments.recorded_world.training import trained
from liquid_control.experiments.recorded_world.truth_check import TruthRun, record, train_run
from liquid_control.model.installed import find_model
from liquid_control.model.packed import PackedModel, pack_model
from liquid_control.recordings.rosbag.writer import BagSettings
from liquid_control.sim.appearance import STRATA
from liquid_control.sim.collect import DriveJob, collect_missing
from liquid_control.sim.seeds import road_seed
from liquid_control.sim.tasks.lane_keeping import SET_SPEED
from liquid_control.sim.world import World
from liquid_control.system.jobs import processes, run_jobs

SHIPPED = ("lane_keeper", "lane_keeper_cfc")
SHORT = {
    "ltc_25": (25, ()),
    "ltc_50": (50, ()),
    "ltc_100": (100, ()),
    "ltc_200": (200, ()),
    "ltc_400": (400, ()),
    "feedforward_100": (100, ("--core", "feedforward")),
    "feedforward_400": (400, ("--core", "feedforward")),
    "gru_200": (200, ("--core", "gru")),
}
"""Policies that are trained too shortly: optimiser steps and flags."""

ROADS, LENGTH = 16, 250.0
"""Roads that are driven in both worlds, and their length [m]."""

FIRST_ROAD = 10**6
"""Index of the first of them: none is trained on."""


@dataclasses.dataclass(frozen=True)
class TruthJob:
    model: PackedModel
    world: WorldConfig
    seed: int


def judge_worlds(settings: RecordedWorldSettings) -> dict:
    """Figures of each policy in both worlds, and the rank correlations between them."""
    roads = max(round(ROADS * settings.share), 2)
    bags = _record(settings, roads)
    rows = {}
    for name, model in policies(settings):
        packed = pack_model(model)
        decisive = {"model": packed.sha256, "roads": roads, "length": LENGTH}
        truth = once(
            settings.out / "judge" / f"truth_{name}.json",
            decisive,
            lambda packed=packed: _truth(settings, packed, roads),
        )
        words = ["evaluate", str(model), "--world", *(f"recording:{bag}" for bag in bags)]
        recorded = once(
            settings.out / "judge" / f"recorded_{name}.json",
            decisive,
            lambda words=words: run_command(*words).facts,
        )
        rows[name] = {
            "truth": _kept(truth["found"]),
            "recorded": _kept(recorded["found"]) | {"commit": recorded["commit"]},
        }
    draw_judgement(rows, settings.results / "judge.png")
    return {"policies": rows, "rank_correlation": correlations(rows)}


def policies(settings: RecordedWorldSettings) -> Iterator[tuple[str, Path]]:
    """Name and folder of each, trained where it is missing: the shipped ones, those of the truth
    check, and some that are trained too shortly."""
    for name in SHIPPED:
        yield name, find_model(name)
    clean = record(settings, 10, "clean")
    for name, (steps, core) in SHORT.items():
        flags = ["--closed-loop", "off", "--core-fit.steps", "0", "--steps", str(steps), *core]
        flags += ["--validate-every", str(steps)]
        made = trained(settings, clean, settings.out / "judge" / name, settings.seed, flags)
        yield name, made.model
    for way, _ in settings.ways:
        for minutes, noise in ((10, "clean"), (37, "clean"), (10, "noisy")):
            if str(minutes) in settings.bag_minutes and noise in settings.noises:
                run = TruthRun(minutes, noise, way, settings.seed)
                yield run.name, train_run(settings, run).model


def correlations(rows: dict) -> dict:
    """Spearman's rank correlation over the policies, of departures per km plus RMSE [m], and of
    each alone."""
    kinds = {
        "departures_and_rmse": lambda row: row["departures_per_km"] + row["lateral_rmse_m"],
        "departures": lambda row: row["departures_per_km"],
        "rmse": lambda row: row["lateral_rmse_m"],
    }
    return {"policies": len(rows)} | {
        name: spearman(
            [value(row["truth"]) for row in rows.values()],
            [value(row["recorded"]) for row in rows.values()],
        )
        for name, value in kinds.items()
    }


def spearman(a: list[float], b: list[float]) -> float:
    """Rank correlation; equal values share the mean of their ranks. NaN where one is constant."""
    first, second = _ranks(np.array(a, float)), _ranks(np.array(b, float))
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    below = (values[:, None] > values).sum(1)
    equal = (values[:, None] == values).sum(1)
    return below + (equal - 1) / 2


def _record(settings: RecordedWorldSettings, roads: int) -> list[Path]:
    folder = settings.out / "judge" / "bags"
    folder.mkdir(parents=True, exist_ok=True)
    jobs = {
        folder / f"road_{index:02d}": DriveJob(
            road_seed(settings.seed, FIRST_ROAD + index),
            PreprocessConfig(),
            WorldConfig(length=LENGTH, stratum=index % STRATA),
            recording=BagSettings(),
            name=f"road_{index:02d}",
        )
        for index in range(roads)
    }
    collect_missing(jobs, processes(settings.workers), "drives")
    return list(jobs)


def _truth(settings: RecordedWorldSettings, model: PackedModel, roads: int) -> dict:
    jobs = [
        TruthJob(
            model,
            WorldConfig(length=LENGTH, stratum=index % STRATA),
            road_seed(settings.seed, FIRST_ROAD + index),
        )
        for index in range(roads)
    ]
    found = run_jobs(drive_truth, jobs, processes(settings.workers), "roads")
    metres = np.array([one.distance_m for one in found])
    squares = np.array([one.lateral_rmse_m for one in found]) ** 2 * metres
    departures = sum(one.departures for one in found)
    return {
        "distance_m": metres.sum(),
        "departures": departures,
        "put_backs": sum(one.off_road + one.standstills for one in found),
        "departures_per_km": 1000 * departures / metres.sum(),
        "lateral_rmse_m": math.sqrt(squares.sum() / metres.sum()),
    }


def drive_truth(job: TruthJob) -> Examined:
    """A policy drives a road of MuJoCo's, which is also recorded."""
    world = World(job.world, job.seed)
    controller = Controller(load_packed(job.model), speed=SET_SPEED)
    found = examine(world, controller, SafetyGate(vehicle=world.body.vehicle))
    world.close()
    return found


def _kept(facts: dict) -> dict:
    wanted = ("distance_m", "departures", "put_backs", "departures_per_km", "lateral_rmse_m")
    return {name: facts[name] for name in wanted} | {"unseen_share": facts.get("unseen_share")}
