"""How the CPU kernels are compiled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import numba
from numba import njit

from liquid_control.policy.kernels.cpu.simd import FUSE

COMPILES = not numba.config.DISABLE_JIT
"""False where NUMBA_DISABLE_JIT switches numba off (coverage, debuggers): the kernels' vectors
exist in machine code only."""


def jit(function: Callable) -> Callable:
    """`function` as machine code, compiled at its first call for each set of argument types and
    cached on disk.

    It releases the interpreter lock, division follows IEEE 754, and rounding is as `simd.FUSE`
    says. Where no folder can be written (neither next to the source nor in the user's cache), or
    the disk is full or a cached file damaged, every process compiles it again.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": set(FUSE)}
    try:
        compiled = njit(cache=True, **options)(function)
    except (RuntimeError, OSError):
        return njit(**options)(function)
    if COMPILES:
        compiled._cache = _Cache(compiled._cache)
    return compiled


class _Cache:
    """numba's cache of one function, without its errors: what cannot be read is compiled, and what
    cannot be written is not kept."""

    def __init__(self, cache) -> None:
        self._cache = cache

    def __getattr__(self, name: str):
        return getattr(self._cache, name)

    def load_overload(self, signature, context):
        try:
            return self._cache.load_overload(signature, context)
        except Exception:  # of pickle or LLVM, from a damaged file
            with contextlib.suppress(OSError):
                self._cache.flush()
            return None

    def save_overload(self, signature, compiled) -> None:
        with contextlib.suppress(Exception):
            self._cache.save_overload(signature, compiled)
