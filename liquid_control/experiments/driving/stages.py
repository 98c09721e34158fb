"""Stages of jobs under one progress bar, and the time that they took over all runs of a
benchmark."""

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
from liquid_control.system.files import damaged, write_atomically
from liquid_control.system.jobs import processes, run_jobs
from liquid_control.system.progress import redraw_interval

SESSIONS = "sessions.json"
BAR = "{percentage:3.0f} % |{bar}| {elapsed} gone, {remaining} to go, {desc}{postfix}"


@dataclasses.dataclass(frozen=True)
class Stage:
    """Jobs that may run side by side. `cost`: of a job [s of one core]. `keep(job, result)` is
    called as each is done. `pack(job)`, when the stage begins: the value that the job's process
    gets."""

    title: str
    work: Callable
    jobs: Sequence
    cost: Callable[[object], float]
    keep: Callable[[object, object], None] = lambda job, result: None
    pack: Callable[[object], object] = lambda job: job


def run_stages(folder: Path, workers: int, *stages: Stage) -> None:
    """Runs stages one after the other. Raises what a job raises; the others are stopped.

    After every job `sessions.json` in `folder` has the wall seconds of this run by stage, and after
    every stage the seconds of one core that its processes took, which do not depend on other load.
    They are null for a stage in which the run was killed.
    """
    total = sum(stage.cost(job) for stage in stages for job in stage.jobs)
    if not total:
        return
    began = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    session: dict = {"began": began, "stages": {}}
    sessions = [*_read(folder), session]
    with tqdm(total=total, bar_format=BAR, mininterval=redraw_interval()) as bar:
        for stage in stages:
            facts = session["stages"][stage.title] = {
                "jobs": len(stage.jobs),
                "done": 0,
                "wall_s": 0.0,
                "core_s": None,
            }
            _run(stage, workers, facts, bar, lambda: _write(folder, sessions))


def _run(
    stage: Stage, workers: int, facts: dict, bar: tqdm, write_facts: Callable[[], None]
) -> None:
    began, busy = time.perf_counter(), _core_seconds()
    bar.set_description_str(stage.title)
    bar.set_postfix_str(f"0 of {len(stage.jobs)}")

    def keep(index: int, result: object) -> None:
        job = stage.jobs[index]
        stage.keep(job, result)
        facts["done"] += 1
        facts["wall_s"] = round(time.perf_counter() - began, 1)
        write_facts()
        bar.set_postfix_str(f"{facts['done']} of {facts['jobs']}", refresh=False)
        bar.update(stage.cost(job))

    try:
        jobs = map(stage.pack, stage.jobs)
        run_jobs(stage.work, jobs, processes(workers, finish=False), keep=keep)
    finally:
        facts["wall_s"] = round(time.perf_counter() - began, 1)
        facts["core_s"] = round(_core_seconds() - busy, 1)
        write_facts()


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Makes the folder and locks it against other benchmarks. Raises ConfigError when one is
    running there."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                str(folder),
                "a folder in which another benchmark is running",
                "to wait for it, or another folder",
            ) from None
        yield
    finally:
        os.close(lock)


def earlier_seconds(folder: Path) -> tuple[float, float | None]:
    """Wall seconds and seconds of one core of all runs that led to what is in the folder; None when
    a run was killed."""
    stages = [stage for session in _read(folder) for stage in session["stages"].values()]
    cores = [stage.get("core_s") for stage in stages if stage["jobs"]]
    return sum(stage["wall_s"] for stage in stages), None if None in cores else sum(cores)


def _core_seconds() -> float:
    """Of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _read(folder: Path) -> list[dict]:
    path = folder / SESSIONS
    if not path.exists():
        return []
    try:
        return list(json.loads(path.read_text()))
    except (ValueError, TypeError):
        raise damaged(path) from None


def _write(folder: Path, sessions: list[dict]) -> None:
    with write_atomically(folder / SESSIONS) as partial:
        partial.write_text(json.dumps(sessions, indent=1) + "\n")
