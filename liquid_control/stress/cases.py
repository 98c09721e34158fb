"""Runs hostile cases one by one. Each must end by itself within two seconds, in a value or its own
class of error, in bounded memory."""

from __future__ import annotations

import collections
import contextlib
import os
import random
import resource
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from liquid_control.stress.growth import footprint
from liquid_control.system.memory_use import peak_bytes, status_bytes

Case = Callable[[random.Random], str]
"""Runs one case and says how it ended, or raises."""
Maker = Callable[[Path], Case]
"""Makes, of an empty folder, what runs cases. It imports what they need: PyTorch's import alone
takes longer than a case may."""

SLOW, TIMEOUT = 2.0, 20.0
"""A case that takes longer hangs [s], not counting what other processes had of the core; one that
takes longer than the second is ended."""
MOST_MEMORY = 2**28
"""What one case may take beyond all that the process ever held before [bytes]."""
FENCE = 2**31
"""Limit of the additional memory of a case [bytes], set with RLIMIT_DATA."""


class Hang(BaseException):
    """Raised into a case that does not end. No Exception, so that nothing that is tested can
    swallow it."""


def run_cases(job: tuple[str, Maker, int, int, int]) -> dict:
    """(name, maker, seed, first, count): cases `first` to `first` + `count` of one kind."""
    name, make, seed, first, count = job
    endings, wrong, slowest, most_memory = collections.Counter(), [], 0.0, 0
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        _quiet_libraries(),
        _watched() as watch,
    ):
        run = make(Path(folder))
        before = footprint()["memory_bytes"]
        with _fenced():
            for index in range(first, first + count):
                ending, took, taken = _one(run, f"{name} {seed} {index}", watch)
                if took > SLOW:  # the machine may have stood still
                    took = min(took, _one(run, f"{name} {seed} {index}", watch)[1])
                problems = [ending] if ending.startswith("raised") else []
                problems += [f"took {took:.1f} s"] if took > SLOW else []
                problems += [f"took {taken / 1e6:.0f} MB"] if taken > MOST_MEMORY else []
                wrong += [f"{name}, seed {seed}, case {index}: {problem}" for problem in problems]
                slowest, most_memory = max(slowest, took), max(most_memory, taken)
                endings[ending.split(":")[0]] += 1
    after = footprint()["memory_bytes"]
    return {
        "endings": dict(endings),
        "wrong": wrong,
        "slowest_s": slowest,
        "most_memory_bytes": most_memory,
        "grown_bytes": None if after is None else after - before,
    }


def _one(run: Case, seed: str, watch: Watch) -> tuple[str, float, int]:
    """How a case ended, its seconds, and by how many bytes it raised the most that this process
    ever held."""
    peak = peak_bytes()
    watch.begin()
    try:
        ending = run(random.Random(seed))
    except (Exception, Hang) as error:  # noqa: BLE001  this is what is looked for
        ending = f"raised {type(error).__name__}: {str(error)[:300]}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return ending, watch.passed(), peak_bytes() - peak


class Watch:
    """Time of one case, without what other processes had of the core while it could have worked."""

    def begin(self) -> None:
        self._began, self._waited = time.perf_counter(), _waited()
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT)

    def passed(self) -> float:
        return time.perf_counter() - self._began - (_waited() - self._waited)

    def give_up(self, *_: object) -> None:
        """Raises Hang when the case had its time, or goes on waiting."""
        left = TIMEOUT - self.passed()
        if left <= 0.01:
            raise Hang(f"no end within {TIMEOUT:g} s")
        signal.setitimer(signal.ITIMER_REAL, left)


def _waited() -> float:
    """Time that the main thread was runnable but waited for a processor [s]; 0 without /proc."""
    try:
        return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


@contextlib.contextmanager
def _watched() -> Iterator[Watch]:
    """Ends by `Hang` what the interval timer finds still at work. Only a main thread can be
    interrupted."""
    watch = Watch()
    before = signal.signal(signal.SIGALRM, watch.give_up)
    try:
        yield watch
    finally:
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _fenced() -> Iterator[None]:
    """No more than `FENCE` beyond what this process has now; nothing is bounded where there is no
    /proc."""
    used = status_bytes().get("VmData")
    if used is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = used + FENCE
    resource.setrlimit(
        resource.RLIMIT_DATA,
        (wanted if soft == resource.RLIM_INFINITY else min(wanted, soft), hard),
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@contextlib.contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Decoders of pictures write a line on stderr for each damaged one, from C."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
