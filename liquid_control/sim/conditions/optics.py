"""Optical effects on the camera's picture: focus, exposure, rain in front of the lens, glare,
headlamps.

All of it works on the camera's picture, whatever its size, and costs a few array operations.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.conditions.condition import Condition

GLARE = 300.0
"""Brightness of the glare at the sun's disc, where the picture ends at 255."""

VEIL = 0.45
"""Share of the contrast that light scattered in the lens takes when the sun is in the middle of the
picture."""


class Optics:
    """Corrupts the pictures of one road. `focal_length`: of the camera, in picture heights; `pitch`
    [rad] downward."""

    def __init__(
        self, condition: Condition, appearance: Appearance, focal_length: float, pitch: float
    ) -> None:
        self._condition, self._appearance, self._focal_length, self._pitch = (
            condition,
            appearance,
            focal_length,
            pitch,
        )
        self._curve = _exposure(condition.contrast, condition.brightness)
        self.idle = self._curve is None and not (
            condition.blur or condition.rain or condition.low_sun or condition.night
        )

    def corrupt(self, image: np.ndarray, yaw: float, rng: np.random.Generator) -> np.ndarray:
        """A picture (H, W, 3) uint8 as the lens and the sensor give it, for a camera heading to
        `yaw`; `rng` is the frame's own."""
        condition, (height, width, _) = self._condition, image.shape
        if condition.night:
            image = cv2.multiply(image, headlamps(height, width), scale=1 / 255)
        if condition.low_sun:
            image = self._dazzle(image, yaw)
        if condition.rain:
            table = streaks(height, width, condition.rain)
            top, left = (
                int(rng.integers(len(table) - height)),
                int(rng.integers(table.shape[1] - width)),
            )
            image = cv2.add(image, table[top : top + height, left : left + width])
        if condition.blur:
            image = cv2.GaussianBlur(image, (0, 0), condition.blur * width)
        return image if self._curve is None else cv2.LUT(image, self._curve)

    def _dazzle(self, image: np.ndarray, yaw: float) -> np.ndarray:
        height, width, _ = image.shape
        aside = math.remainder(self._appearance.sun_azimuth - yaw, 2 * math.pi)
        if abs(aside) > 1.2:
            return image
        focal_length = self._focal_length * height
        column = width / 2 - focal_length * math.tan(aside)
        row = height / 2 - focal_length * math.tan(self._appearance.sun_elevation + self._pitch)
        bloom = sun_bloom(height, width)
        middle_row, middle_column = bloom.shape[0] // 2, bloom.shape[1] // 2
        top = min(max(middle_row - round(row), 0), bloom.shape[0] - height)
        left = min(max(middle_column - round(column), 0), bloom.shape[1] - width)
        veil = VEIL * math.exp(-((aside / 0.6) ** 2))
        veiled = cv2.convertScaleAbs(image, alpha=1 - veil, beta=110 * veil)
        return cv2.add(veiled, bloom[top : top + height, left : left + width])


def _exposure(contrast: float, brightness: float) -> np.ndarray | None:
    """A tone curve (256,) uint8, or None where it changes nothing."""
    if contrast == brightness == 1.0:
        return None
    level = np.arange(256) / 255 * brightness
    return np.clip(np.rint(255 * (0.5 + contrast * (level - 0.5))), 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def headlamps(height: int, width: int) -> np.ndarray:
    """Two low beams' light over the picture, (height, width, 3) uint8: a wide pool on the road,
    dark above the horizon and at both sides."""
    row, column = np.mgrid[0:height, 0:width].astype(np.float32)
    across, down = (column + 0.5) / width - 0.5, (row + 0.5) / height
    pool = np.exp(-((across / (0.14 + 0.35 * np.maximum(down - 0.3, 0))) ** 2)) * np.clip(
        (down - 0.26) / 0.14, 0, 1
    )
    light = np.clip(0.03 + 0.97 * pool, 0, 1)
    return np.clip(light[..., None] * np.array([255, 242, 214]), 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=4)
def streaks(height: int, width: int, share: float) -> np.ndarray:
    """Rain three times the picture's size, (3 height, 3 width, 3) uint8 to be added: slightly
    slanted streaks of many lengths."""
    rng = np.random.default_rng(20261122)
    rain = np.zeros((3 * height, 3 * width), np.uint8)
    unit = width / 128
    for _ in range(int(9 * share * width)):
        x, y, length = (
            rng.uniform(0, 3 * width),
            rng.uniform(-0.3, 3) * height,
            rng.uniform(0.06, 0.35) * height,
        )
        end = (round(16 * (x + 0.16 * length)), round(16 * (y + length)))
        cv2.line(
            rain,
            (round(16 * x), round(16 * y)),
            end,
            float(rng.uniform(30, 110)),
            max(round(unit * 0.5), 1),
            cv2.LINE_AA,
            4,
        )
    return np.repeat(cv2.GaussianBlur(rain, (0, 0), 0.35 * unit)[..., None], 3, 2)


@functools.lru_cache(maxsize=4)
def sun_bloom(height: int, width: int) -> np.ndarray:
    """Glare around a sun in the middle, (3 height, 3 width, 3) uint8 to be added: disc, halo and a
    vertical smear."""
    row, column = np.mgrid[0 : 3 * height, 0 : 3 * width].astype(np.float32)
    y, x = (row - 3 * height // 2) / height, (column - 3 * width // 2) / height
    distance = np.hypot(x, y)
    streak = 90 * np.exp(-np.abs(x) / 0.04) * np.exp(-np.abs(y) / 0.7)
    light = GLARE * np.exp(-((distance / 0.1) ** 2)) + 150 * np.exp(-distance / 0.35) + streak
    return np.clip(light[..., None] * np.array([1.0, 0.95, 0.82]), 0, 255).astype(np.uint8)
