"""What kernels are made of: arithmetic on lanes, and blocks on threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numba import njit

from liquid_control.policy.kernels.cpu import simd
from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.policy.kernels.cpu.thread_pool import run_blocks


@njit
def _apply(which, values, result):
    for row in range(len(values)):
        value = simd.load(values, row)
        if which == 0:
            value = simd.exp2(value)
        elif which == 1:
            value = simd.sigmoid(value)
        else:
            value = simd.tanh(value)
        simd.store(result, row, value)


@pytest.mark.parametrize(
    "dtype, precision", [(np.float32, 2e-7), (np.float64, 5e-16)], ids=["float32", "float64"]
)
def test_functions_of_lanes(dtype, precision):
    values = np.linspace(-85, 85, 64 * simd.LANES).astype(dtype).reshape(-1, simd.LANES)
    exact, result = values.astype(np.longdouble), np.empty_like(values)
    # exp2 is that good everywhere, sigmoid as good as its argument times log2(e) can be rounded,
    # tanh between -1 and 1.
    for which, wanted in enumerate((np.exp2(exact), 1 / (1 + np.exp(-exact)), np.tanh(exact))):
        _apply(which, values, result)
        error = np.abs(result - wanted) / (wanted, wanted * (1 + np.abs(exact)), 1)[which]
        assert error.max() < precision
    special = np.full((1, simd.LANES), np.nan, dtype)
    special[0, 1:4] = np.inf, -np.inf, 0
    _apply(1, special, special_result := np.empty_like(special))
    assert (
        np.isnan(special_result[0, 0])
        and special_result[0, 1] == 1
        and special_result[0, 2] < 1e-37
        and special_result[0, 3] == 0.5
    )


def test_every_block_is_worked_on_once_and_errors_arrive():
    for blocks, threads in ((1, 4), (7, 1), (7, 2), (100, 3), (0, 2)):
        done, lock = [], threading.Lock()

        def kernel(first, last, offset, done=done, lock=lock):
            with lock:
                done.extend(range(first + offset, last + offset))

        run_blocks(kernel, blocks, threads, 10)
        assert sorted(done) == list(range(10, 10 + blocks))
    with pytest.raises(ZeroDivisionError):
        run_blocks(lambda first, last: 1 / 0 if last == 8 else None, 8, 2)


def test_a_kernel_that_cannot_be_kept_on_disk_is_compiled_all_the_same():
    """numba refuses to cache a function that comes from no file, as it does where nothing can be
    written."""
    assert jit(eval("lambda a, b: a / b"))(1.0, 0.0) == np.inf


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rows_of_lanes_start_at_a_cache_line(kind):
    compiled_lines = njit(lambda count, like: simd.lines(count, like.dtype))
    for count in (1, 7, 100):
        for rows in (simd.lines(count, kind), compiled_lines(count, np.empty(0, kind))):
            assert (
                rows.shape == (count, simd.LANES)
                and rows.dtype == kind
                and rows.ctypes.data % 64 == 0
                and rows.flags.c_contiguous
            )
