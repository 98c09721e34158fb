"""Gaussian noise on pictures, for training and for the published test of robustness."""

from __future__ import annotations

import numpy as np


def add_gaussian_noise(
    image: np.ndarray, deviation: float, normal: np.ndarray, rounded: bool = True
) -> np.ndarray:
    """A picture (..., 3) uint8 with noise of `deviation` (of 0..1) on every value, clipped
    (Lechner et al. 2020).

    `normal`: standard normal numbers of the picture's shape, float32. `rounded`: to the nearest
    integer, as in evaluation; without it fractions are cut off, as in training, so that models
    trained earlier can be reproduced to the bit.
    """
    noisy = normal * np.float32(255.0 * deviation)
    noisy += image
    np.clip(noisy, 0, 255, out=noisy)
    if rounded:
        np.rint(noisy, out=noisy)
    return noisy.astype(np.uint8)
