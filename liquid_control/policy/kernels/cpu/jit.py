"""How the CPU kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

from liquid_control.policy.kernels.cpu.simd import FUSE


def jit(function: Callable) -> Callable:
    """`function` as machine code, compiled at its first call for each set of argument types and
    cached on disk.

    It releases the interpreter lock, division follows IEEE 754, and rounding is as `simd.FUSE`
    says. Where no folder can be written (neither next to the source nor in the user's cache) every
    process compiles it again.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": set(FUSE)}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)
