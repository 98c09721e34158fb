"""How alike two pictures are: the structural similarity of Wang et al., "Image quality assessment",
IEEE TIP 2004."""

from __future__ import annotations

import cv2
import numpy as np

from liquid_control.errors import ShapeError

RANGE = 255.0
C1, C2 = (0.01 * RANGE) ** 2, (0.03 * RANGE) ** 2
WINDOW, DEVIATION = 11, 1.5
"""Side [px] and standard deviation of the Gaussian window; a picture smaller than the window is one
window, evenly weighed."""


def structural_similarity(a: np.ndarray, b: np.ndarray) -> float:
    """Mean SSIM of two pictures (h, w) in 0..255 over the windows that lie wholly within; 1 for
    equal ones. Raises ShapeError."""
    if a.ndim != 2 or a.shape != b.shape:
        raise ShapeError(
            "pictures for SSIM", (*a.shape, *b.shape), "two of the same (rows, columns)"
        )
    x, y = a.astype(np.float64), b.astype(np.float64)
    if min(x.shape) < WINDOW:
        mean_x, mean_y = x.mean(), y.mean()
        return float(_similarity(mean_x, mean_y, np.mean(x * x), np.mean(y * y), np.mean(x * y)))
    return float(_similarity(*(_blurred(part) for part in (x, y, x * x, y * y, x * y))).mean())


def _similarity(x, y, xx, yy, xy):
    """From the local means of x, y and their products."""
    luminance = (2 * x * y + C1) / (x * x + y * y + C1)
    return luminance * (2 * (xy - x * y) + C2) / (xx - x * x + yy - y * y + C2)


def _blurred(values: np.ndarray) -> np.ndarray:
    half = WINDOW // 2
    blurred = cv2.GaussianBlur(values, (WINDOW, WINDOW), DEVIATION)
    return blurred[half : values.shape[0] - half, half : values.shape[1] - half]
