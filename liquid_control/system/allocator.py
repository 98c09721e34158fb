"""Keeping freed memory in the process, for training on the CPU."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Names and numbers of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Stops the C library from handing large blocks back to the kernel; True when it has such a
    switch (glibc).

    Every training step allocates the same feature maps of 10-20 MB. glibc returns and fetches such
    blocks from the kernel each time, which then zeroes thousands of pages: 40 % of the time of a
    training step. Call it once, at the start of a process that trains. The process keeps its peak
    memory until it ends.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return all(
        mallopt(option, value)
        for option, value in ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 1 << 30), (M_TOP_PAD, 1 << 26))
    )
