"""Arguments and results of all kernels over sequences. One class each: numba identifies named
tuples by their fields alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Sequence(NamedTuple):
    """C-contiguous; x, h and dt of the weights' type. dt is positive; the state is zeroed where
    is_first is true and stays as it is where mask is false."""

    x: np.ndarray  # (B, T, F)
    h: np.ndarray  # (B, U)
    dt: np.ndarray  # (B, T)
    is_first: np.ndarray  # (B, T) bool
    mask: np.ndarray  # (B, T) bool


class Gradients(NamedTuple):
    """Output of a backward pass. `weights` has one row per block: the arrays of the kernel's
    `Weights`, flattened."""

    x: np.ndarray  # (B, T, F)
    h: np.ndarray  # (B, U)
    dt: np.ndarray  # (B, T)
    weights: np.ndarray  # (blocks, numbers)


def empty_gradients(sequence: Sequence, blocks: int, numbers: int) -> Gradients:
    """Uninitialised gradients of a sequence."""
    return Gradients(
        *(np.empty_like(array) for array in sequence[:3]),
        np.empty((blocks, numbers), sequence.h.dtype),
    )
