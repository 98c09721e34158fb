"""What every kernel over sequences takes and gives. One class each: numba tells named tuples apart
by their fields alone."""

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
    """What a backward pass writes. `weights` has one row per block: the tables of the kernel's
    `Weights`, flattened."""

    x: np.ndarray  # (B, T, F)
    h: np.ndarray  # (B, U)
    dt: np.ndarray  # (B, T)
    weights: np.ndarray  # (blocks, numbers)


def empty_gradients(sequence: Sequence, blocks: int, numbers: int) -> Gradients:
    """Arrays for a backward pass to write."""
    return Gradients(
        *(np.empty_like(array) for array in sequence[:3]),
        np.empty((blocks, numbers), sequence.h.dtype),
    )
