"""How every kernel is compiled."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit

from liquid_control.policy.kernels.cpu.simd import FUSE


def compiled(function: Callable) -> Callable:
    """`function` as machine code, made at its first call for each set of argument types and kept on
    disk.

    Other threads run beside it, division follows IEEE 754, and rounding is as `lanes.FUSE` says.
    Where no folder can be written (neither beside the source nor in the user's cache) every process
    compiles for itself.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": set(FUSE)}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:
        return njit(**options)(function)
