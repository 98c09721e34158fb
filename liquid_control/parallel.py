"""Side-by-side work on all cores, in processes that start fresh, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

from tqdm import tqdm

Job, Result = TypeVar("Job"), TypeVar("Result")


def map_processes(
    work: Callable[[Job], Result], jobs: Iterable[Job], workers: int = 0, title: str | None = None,
    on_done: Callable[[Job, Result], None] = lambda job, result: None, finish: bool = True,
) -> list[Result]:  # fmt: skip
    """`work(job)` for every job, results in the jobs' order. `workers` 0: one process a core. `title` None: no bar.
    `on_done` hears of each job and its result as it is done. When one fails or Ctrl-C comes, the others `finish` the job they are at;
    without, they end where they are: for jobs that take long and can be resumed.

    Processes are spawned, not forked: a forked OpenGL or PyTorch hangs. The first error stops everything.
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
    # Ctrl-C is for this process to handle; the others finish the job they are at and end without a traceback each.
    with ProcessPoolExecutor(workers, context, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
        futures = {pool.submit(work, job): job for job in jobs}
        try:
            for future in tqdm(as_completed(futures), title, len(futures), disable=title is None, leave=False):
                on_done(futures[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in () if finish else set(multiprocessing.active_children()) - others:
                child.terminate()
            raise
        return [future.result() for future in futures]
