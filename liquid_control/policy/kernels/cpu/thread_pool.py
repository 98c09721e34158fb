"""Blocks of samples on several cores: threads of our own around kernels that release the
interpreter lock.

numba's parallel loops would bring a second OpenMP beside PyTorch's (both spin on the same cores,
and a fork ends the process), or a layer that must not be entered twice. Here each thread takes the
next piece when it is done with one, so a core that another program keeps busy does less, and
results do not depend on who did what.
"""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

PIECES = 4
"""Pieces per thread: enough to even out, few enough for the cost of a call (some 20 µs) not to
matter."""


def run_blocks(kernel: Callable, blocks: int, threads: int, *arguments: object) -> None:
    """kernel(first, last, *arguments) over all of 0..blocks, in pieces, on at most `threads`
    threads, this one included."""
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
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="liquid")
