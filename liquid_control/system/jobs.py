"""Jobs side by side: the one place that decides where work runs.

A job is a value. It holds all that its function needs (settings, arrays, the bytes of a model), and
the function returns its result as a value; only the caller writes files. So an engine may run jobs
in local processes or on other machines.
"""

from __future__ import annotations

import dataclasses
import itertools
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from typing import Protocol, TypeVar

from tqdm import tqdm

from liquid_control.system.parent_death import end_with_parent
from liquid_control.system.threads import cores

Job, Result = TypeVar("Job"), TypeVar("Result")
Take = Callable[[int, Result], None]


class Engine(Protocol):
    """Where jobs run."""

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job], take: Take) -> None:
        """Runs `function(job)` for every job; `take(index, result)` gets each result in the calling
        process as it comes, in any order. Raises the first error of a job or of `take`, after which
        no further job starts."""
        ...


def run_jobs(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    engine: Engine,
    title: str | None = None,
    keep: Callable[[int, Result], object] | None = None,
) -> list:
    """`function(job)` for every job, results in the jobs' order. Raises the first error.

    `title`: of the progress bar on a terminal, None for no bar. `keep(index, result)`: called in
    this process as each result comes; what it returns stands in the list in place of the result,
    so that results larger than memory are written and dropped one by one.
    """
    jobs = list(jobs)
    results: list = [None] * len(jobs)
    with tqdm(total=len(jobs), desc=title, disable=title is None or None, leave=False) as bar:

        def take(index: int, result: Result) -> None:
            results[index] = result if keep is None else keep(index, result)
            bar.update()

        engine.run(function, jobs, take)
    return results


def processes(workers: int = 0, finish: bool = True) -> Engine:
    """Local processes, 0 for one for each core that this process may use (`threads.cores`); one
    worker, or one job, runs in this process.

    After an error or Ctrl-C the jobs that have begun are finished and their results taken before it
    is raised. Without `finish` they are stopped: for jobs that take long and can be resumed.
    """
    return Processes(workers, finish)


@dataclasses.dataclass(frozen=True)
class Processes:
    """See `processes`. Processes are spawned, not forked, because a forked OpenGL or PyTorch hangs.
    At most one job more than there are workers is under way, which bounds the results in memory."""

    workers: int
    finish: bool

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job], take: Take) -> None:
        workers = min(self.workers or cores(), len(jobs))
        if workers <= 1:
            for index, job in enumerate(jobs):
                take(index, function(job))
            return
        context = multiprocessing.get_context("spawn")
        others = set(multiprocessing.active_children())
        waiting = iter(enumerate(jobs))
        with ProcessPoolExecutor(workers, context, _begin, (os.getpid(),)) as pool:
            running: dict[Future, int] = {}

            def submit(count: int) -> None:
                for index, job in itertools.islice(waiting, count):
                    running[pool.submit(function, job)] = index

            try:
                submit(workers + 1)
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    if not any(future.exception() for future in done):
                        submit(len(done))
                    for future in done:
                        take(running.pop(future), future.result())
            except BaseException:
                begun = {future: index for future, index in running.items() if not future.cancel()}
                pool.shutdown(wait=False, cancel_futures=True)
                if self.finish:
                    _take_finished(begun, take)
                else:
                    for child in set(multiprocessing.active_children()) - others:
                        child.terminate()
                raise


def _take_finished(begun: dict[Future, int], take: Take) -> None:
    """Waits for the jobs that have begun and takes their results; their errors are dropped, because
    an earlier one is raised."""
    wait(begun)
    for future, index in begun.items():
        if future.exception() is None:
            take(index, future.result())


def _begin(parent: int) -> None:
    """In a new worker: Ctrl-C is the parent's to handle, so that workers finish their job and end
    without a traceback each. A worker whose parent is killed ends at once, before a next run
    starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(parent)
