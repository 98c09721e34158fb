"""Side-by-side work on all cores, in processes that start fresh, with a progress bar."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

Job, Result = TypeVar("Job"), TypeVar("Result")

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""


def map_processes(
    work: Callable[[Job], Result],
    jobs: Iterable[Job],
    workers: int = 0,
    title: str | None = None,
    on_done: Callable[[Job, Result], None] = lambda job, result: None,
    finish: bool = True,
) -> list[Result]:
    """`work(job)` for every job, results in the jobs' order. `workers` 0: one process a core.
    `title` None: no bar. `on_done` hears of each job and its result as it is done. When one fails
    or Ctrl-C comes, the others `finish` the job they are at; without, they end where they are: for
    jobs that take long and can be resumed.

    Processes are spawned, not forked: a forked OpenGL or PyTorch hangs. The first error stops
    everything.
    """
    jobs = list(jobs)
    workers = min(workers or os.cpu_count() or 1, len(jobs))
    if workers <= 1:
        results = []
        for job in tqdm(jobs, title, disable=title is None, leave=False):
            results.append(work(job))
            on_done(job, results[-1])
        return results
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, context, _begin, (os.getpid(),)) as pool:
        futures = {pool.submit(work, job): job for job in jobs}
        try:
            for future in tqdm(
                as_completed(futures), title, len(futures), disable=title is None, leave=False
            ):
                on_done(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in () if finish else set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        return [future.result() for future in futures]


def _begin(parent: int) -> None:
    """Ctrl-C is for the parent to handle; the others finish the job they are at and end without a
    traceback each.

    Whoever loses its parent, to a kill say, ends at once: it would go on beside the run that is
    started next.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
