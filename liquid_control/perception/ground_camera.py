"""A camera on a vehicle above flat ground: where a point of the ground is in the picture, and how
the picture changes when the vehicle moves.

Vehicle axes: x forward, y left, z up, origin on the ground below the rear axle. Pictures: column to
the right, row down, pixel centres at whole numbers.

R. Hartley, A. Zisserman, "Multiple View Geometry in Computer Vision", 2003, section 13.1: the
homography of a plane. A. Fitzgibbon, "Simultaneous linear estimation of multiple view geometry and
lens distortion", CVPR 2001: the lens.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from liquid_control.config import PreprocessConfig


@dataclasses.dataclass(frozen=True)
class GroundCamera:
    """A camera without roll. `width`, `height` of its picture [px], `focal` [px] (columns, rows),
    `centre` of projection [px] (column, row), `above` the ground [m], downward `pitch` [rad],
    `forward` of the rear axle [m], `yaw` to the left [rad]. `distortion`: k of
    r_flat = r / (1 + k r²), where r is the distance from the centre [half widths of the picture]
    and r_flat that in the picture of a pinhole, the flat one."""

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    above: float
    pitch: float
    forward: float = 0.0
    yaw: float = 0.0
    distortion: float = 0.0

    @classmethod
    def of_lens(
        cls, height: int, width: int, angle: float, above: float, pitch: float, forward: float = 0.0
    ) -> GroundCamera:
        """With a horizontal field of view `angle` [rad]: square pixels, centred."""
        focal = width / 2 / math.tan(angle / 2)
        centre = (width - 1) / 2, (height - 1) / 2
        return cls(width, height, (focal, focal), centre, above, pitch, forward)

    def preprocessed(self, config: PreprocessConfig) -> GroundCamera:
        """The camera of its pictures after `perception.observer.preprocess`."""
        rows, columns = self.height, self.width
        top, bottom = int(rows * config.crop_top), rows - int(rows * config.crop_bottom)
        left, right = int(columns * config.crop_left), columns - int(columns * config.crop_right)
        across, down = config.width / (right - left), config.height / (bottom - top)
        (focal_x, focal_y), (centre_x, centre_y) = self.focal, self.centre
        return dataclasses.replace(
            self,
            width=config.width,
            height=config.height,
            focal=(focal_x * across, focal_y * down),
            # Pixel centres lie half a pixel inside the border, before and after.
            centre=((centre_x + 0.5 - left) * across - 0.5, (centre_y + 0.5 - top) * down - 0.5),
            distortion=self.distortion * ((right - left) / columns) ** 2,
        )

    @functools.cached_property
    def matrix(self) -> np.ndarray:
        """K (3, 3)."""
        (focal_x, focal_y), (centre_x, centre_y) = self.focal, self.centre
        return np.array([[focal_x, 0.0, centre_x], [0.0, focal_y, centre_y], [0.0, 0.0, 1.0]])

    @property
    def horizon(self) -> float:
        """The horizon's row in the flat picture."""
        return self.centre[1] - self.focal[1] * math.tan(self.pitch)

    @functools.cached_property
    def axes(self) -> np.ndarray:
        """(3, 3): rows are the camera's right, down and forward in vehicle axes."""
        cos, sin = math.cos(self.pitch), math.sin(self.pitch)
        ahead, left = math.cos(self.yaw), math.sin(self.yaw)
        return np.array(
            [
                [left, -ahead, 0.0],
                [-sin * ahead, -sin * left, -cos],
                [cos * ahead, cos * left, -sin],
            ]
        )

    def flat(self, pixels: np.ndarray) -> np.ndarray:
        """Columns and rows (..., 2) of the picture in the flat one."""
        if not self.distortion:
            return np.asarray(pixels)
        centre, half = np.array(self.centre), self._half_width
        at = (np.asarray(pixels) - centre) / half
        return at / (1.0 + self.distortion * (at**2).sum(-1, keepdims=True)) * half + centre

    def bent(self, pixels: np.ndarray) -> np.ndarray:
        """The reverse of `flat`. What no lens of this distortion sees lies on its border."""
        if not self.distortion:
            return np.asarray(pixels)
        centre, half = np.array(self.centre), self._half_width
        at = (np.asarray(pixels) - centre) / half
        root = np.sqrt(
            np.maximum(1.0 - 4.0 * self.distortion * (at**2).sum(-1, keepdims=True), 0.0)
        )
        return at * (2.0 / (1.0 + root)) * half + centre

    @property
    def _half_width(self) -> np.ndarray:
        """(2,) of the picture in columns and in rows, whose sides may differ."""
        return self.width / 2 * np.array([1.0, self.focal[1] / self.focal[0]])

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points (..., 3) in vehicle axes [m] to (..., 2) column and row; NaN behind the camera."""
        at = np.asarray(points, float) - np.array([self.forward, 0.0, self.above])
        seen = at @ self.axes.T
        depth = np.where(seen[..., 2:] > 1e-9, seen[..., 2:], np.nan)
        return self.bent(seen[..., :2] / depth * np.array(self.focal) + np.array(self.centre))

    def ground(self, pixels: np.ndarray) -> np.ndarray:
        """Columns and rows (..., 2) to points (..., 2) of the ground, x forward and y left [m]; NaN
        at the horizon and above."""
        pixels = (self.flat(np.asarray(pixels, float)) - np.array(self.centre)) / np.array(
            self.focal
        )
        ray = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], -1) @ self.axes
        fall = np.where(ray[..., 2:] < -1e-9, -ray[..., 2:], np.nan)
        return ray[..., :2] / fall * self.above + np.array([self.forward, 0.0])

    def ground_homography(self, x: float, y: float, yaw: float) -> np.ndarray:
        """(3, 3), from pixels of a flat picture taken at the pose x forward, y left [m], yaw [rad]
        in the axes of another, to the pixels of the same ground in the other's flat picture."""
        return _of_ground(self, x, y, yaw) @ self._to_ground

    def far_homography(self, yaw: float) -> np.ndarray:
        """As `ground_homography`, of what is far away: only the rotation counts."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        pixels, rays = self._turned
        return pixels @ turn @ rays

    @functools.cached_property
    def _to_ground(self) -> np.ndarray:
        """(3, 3) from pixels to points of the ground."""
        return np.linalg.inv(_of_ground(self, 0.0, 0.0, 0.0))

    @functools.cached_property
    def _turned(self) -> tuple[np.ndarray, np.ndarray]:
        """(3, 3) each: from directions in vehicle axes to pixels, and back."""
        pixels = self.matrix @ self.axes
        return pixels, np.linalg.inv(pixels)


def _of_ground(camera: GroundCamera, x: float, y: float, yaw: float) -> np.ndarray:
    """(3, 3) from ground points (x', y', 1) in the axes of a vehicle posed at x, y, yaw to pixels
    of the camera of the vehicle at the origin."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    points = np.array([[cos, -sin, x - camera.forward], [sin, cos, y], [0.0, 0.0, -camera.above]])
    return camera._turned[0] @ points
