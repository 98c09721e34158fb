"""Lays a saliency map over the camera's picture. Never imports torch: the robot's node uses it
too."""

from __future__ import annotations

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig

STRENGTH = 0.75
"""How much of the picture the brightest spot of the map hides."""


def lay_over(
    picture: np.ndarray, saliency: np.ndarray, config: PreprocessConfig, width: int
) -> np.ndarray:
    """The camera's picture (H, W, 3) uint8 RGB at `width` columns, darkened where saliency (h, w)
    in 0..1 is low and glowing where it is high. What the preprocessing cuts off, the policy never
    sees, and it stays grey."""
    height = max(round(picture.shape[0] * width / picture.shape[1]), 1)
    interpolation = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    canvas = cv2.resize(picture, (width, height), interpolation=interpolation)
    grey = cv2.cvtColor(cv2.cvtColor(canvas, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    top, bottom = int(height * config.crop_top), height - int(height * config.crop_bottom)
    left, right = int(width * config.crop_left), width - int(width * config.crop_right)
    strength = cv2.resize(
        np.asarray(saliency, np.float32),
        (right - left, bottom - top),
        interpolation=cv2.INTER_LINEAR,
    )
    strength = np.clip(strength, 0.0, 1.0)
    glow = cv2.cvtColor(
        cv2.applyColorMap((255 * strength).astype(np.uint8), cv2.COLORMAP_INFERNO),
        cv2.COLOR_BGR2RGB,
    )
    share = (STRENGTH * np.sqrt(strength))[..., None]
    seen = grey[top:bottom, left:right]
    grey[top:bottom, left:right] = (seen * (1.0 - share) * 0.8 + glow * share).astype(np.uint8)
    return grey
