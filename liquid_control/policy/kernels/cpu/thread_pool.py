"""Runs kernels that release the interpreter lock over blocks of samples, on a pool of threads.

numba's parallel loops are not used: they load a second OpenMP next to PyTorch's (both spin on the
same cores, and a fork ends the process), or a threading layer that is not reentrant. Here each
thread takes the next piece when it has finished one, so a busy core does less; results do not
depend on which thread computed what.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from liquid_control.system.threads import cores

PIECES = 4
"""Pieces per thread: enough to balance the load, few enough that calls (some 20 µs each) cost
little."""


def run_blocks(kernel: Callable, blocks: int, threads: int, *arguments: object) -> None:
    """Calls kernel(first, last, *arguments) on pieces that cover blocks 0..blocks, on at most
    `threads` threads, the calling one included."""
    threads = min(threads, blocks)
    if threads <= 1:
        kernel(0, blocks, *arguments)
        return
    size = -(-blocks // (threads * PIECES))
    pieces = itertools.count(0, size)

    def work() -> None:
        while (first := next(pieces)) < blocks:
            kernel(first, min(first + size, blocks), *arguments)

    others = [_pool(os.getpid()).submit(work) for _ in range(threads - 1)]
    work()
    for other in others:
        other.result()


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """One pool per process: a forked child has none of its parent's threads."""
    return ThreadPoolExecutor(max(1, cores() - 1), thread_name_prefix="liquid")
