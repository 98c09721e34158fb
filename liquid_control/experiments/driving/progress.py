"""Stages of work side by side under one bar; how long that took is kept, over all the runs that it
took."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from liquid_control.errors import ConfigError
from liquid_control.system.files import write_atomically
from liquid_control.system.jobs import processes, run_jobs

SESSIONS = "sessions.json"
BAR = "{percentage:3.0f} % |{bar}| {elapsed} gone, {remaining} to go, {desc}{postfix}"


@dataclasses.dataclass(frozen=True)
class Stage:
    """Jobs that may be done side by side. `cost`: of a job [s of one core]; `keep` gets each job
    and its result as it is done; `pack` makes of a job the value that its process gets, when the
    stage begins."""

    title: str
    work: Callable
    jobs: Sequence
    cost: Callable[[object], float]
    keep: Callable[[object, object], None] = lambda job, result: None
    pack: Callable[[object], object] = lambda job: job


class Progress:
    """Runs stages one after the other. After every job `sessions.json` in `folder` has this run's
    wall seconds by stage, and after every stage the seconds of one core that its processes took,
    which say what a machine would need that has nothing else to do. (null of a stage in which the
    run was killed: who is dead cannot say what its processes took.)"""

    def __init__(self, folder: Path, workers: int) -> None:
        self._folder, self._workers = folder, workers
        self._sessions = _read(folder)

    def run(self, *stages: Stage) -> None:
        """Raises what a job raises; the others end where they are."""
        total = sum(stage.cost(job) for stage in stages for job in stage.jobs)
        if not total:
            return
        session = {
            "began": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "stages": {},
        }
        self._sessions.append(session)
        with tqdm(total=total, bar_format=BAR) as bar:
            for stage in stages:
                self._run(stage, session["stages"], bar)

    def _run(self, stage: Stage, told: dict, bar: tqdm) -> None:
        began, busy = time.perf_counter(), _core_seconds()
        mine = told[stage.title] = {
            "jobs": len(stage.jobs),
            "done": 0,
            "wall_s": 0.0,
            "core_s": None,
        }
        bar.set_description_str(stage.title)
        bar.set_postfix_str(f"0 of {len(stage.jobs)}")

        def on_done(index: int, result: object) -> None:
            job = stage.jobs[index]
            stage.keep(job, result)
            mine["done"] += 1
            mine["wall_s"] = round(time.perf_counter() - began, 1)
            _write(self._folder, self._sessions)
            bar.set_postfix_str(f"{mine['done']} of {mine['jobs']}", refresh=False)
            bar.update(stage.cost(job))

        try:
            run_jobs(
                stage.work,
                map(stage.pack, stage.jobs),
                processes(self._workers, finish=False),
                keep=on_done,
            )
        finally:
            mine |= {
                "wall_s": round(time.perf_counter() - began, 1),
                "core_s": round(_core_seconds() - busy, 1),
            }
            _write(self._folder, self._sessions)


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes the folder and keeps every other benchmark out of it. Raises ConfigError where one is
    at work there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                str(folder),
                "a folder in which another benchmark is at work",
                "to wait for it, or another folder",
            ) from None
        yield
    finally:
        os.close(lock)


def earlier_seconds(folder: Path) -> tuple[float, float | None]:
    """Wall seconds and seconds of one core of all work that led to what is in the folder; None
    where a run was killed."""
    stages = [stage for session in _read(folder) for stage in session["stages"].values()]
    cores = [stage.get("core_s") for stage in stages if stage["jobs"]]
    return sum(stage["wall_s"] for stage in stages), None if None in cores else sum(cores)


def _core_seconds() -> float:
    """Of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _read(folder: Path) -> list[dict]:
    path = folder / SESSIONS
    return json.loads(path.read_text()) if path.exists() else []


def _write(folder: Path, sessions: list[dict]) -> None:
    with write_atomically(folder / SESSIONS) as partial:
        partial.write_text(json.dumps(sessions, indent=1) + "\n")
