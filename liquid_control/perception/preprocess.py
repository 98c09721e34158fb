"""The preprocessing of pictures, the same for robot, simulation, training and replay.

It only crops and resizes. The pixels are standardised inside the network, and so inside the ONNX
graph.
"""

from __future__ import annotations

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Crops (H, W, 3) uint8 RGB by `config`'s shares and shrinks it by area to (height, width, 3),
    contiguous.

    A contiguous picture of that size is returned without a copy. Raises ImageError for another type
    or shape, and for a picture smaller than the policy's: an enlarged picture has no detail of the
    size that the policy was trained on.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ImageError(
            "type", getattr(image, "dtype", type(image).__name__), "a numpy array of uint8"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError("shape", image.shape, "(height, width, 3)")
    rows, columns = image.shape[:2]
    top, bottom = int(rows * config.crop_top), rows - int(rows * config.crop_bottom)
    left, right = int(columns * config.crop_left), columns - int(columns * config.crop_right)
    size = (bottom - top, right - left)
    if size[0] < config.height or size[1] < config.width:
        cut = "" if size == (rows, columns) else " after the crop"
        raise ImageError(
            f"size{cut}",
            f"{size[0]}x{size[1]}",
            f"at least {config.height}x{config.width}, the policy's size",
        )
    cropped = image[top:bottom, left:right]
    if size == (config.height, config.width):
        return np.ascontiguousarray(cropped)
    return cv2.resize(cropped, (config.width, config.height), interpolation=cv2.INTER_AREA)
