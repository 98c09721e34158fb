"""Child processes that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that a process gets when its parent ends."""


def load_libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int, libc: ctypes.CDLL | None = None) -> None:
    """Called in a child process: the kernel kills it (SIGKILL) when process `parent` ends, even by
    a kill. Linux only; elsewhere it only checks that the parent is still there.

    `libc`: loaded before a fork, for callers that may not load it after one.
    """
    if sys.platform == "linux":
        (libc or load_libc()).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)
