"""Pictures of a camera whose lens bends lines: where its pixels are in the picture from another
pose."""

from __future__ import annotations

import cv2
import numpy as np

from liquid_control.perception.ground_camera import GroundCamera


class LensWarp:
    """Of pictures of one camera. The horizon is bent, so that every pixel is looked up for
    itself."""

    def __init__(self, camera: GroundCamera) -> None:
        self._camera, self._size = camera, (camera.height, camera.width)
        grid = np.stack(np.meshgrid(np.arange(camera.width), np.arange(camera.height)), -1)
        flat = camera.flat(grid.reshape(-1, 2).astype(float))
        places = np.concatenate([flat, np.ones((len(flat), 1))], 1)
        below = flat[:, 1] > camera.horizon
        self._parts = [
            (np.flatnonzero(of), places[of].T.astype(np.float32)) for of in (below, ~below)
        ]
        focal = camera.focal
        self._centre = np.array(camera.centre, np.float32)[:, None]
        half = camera.width / 2 * np.array([1.0, focal[1] / focal[0]])
        self._half = half.astype(np.float32)[:, None]

    def __call__(
        self, picture: np.ndarray, x: float, y: float, yaw: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """The picture (H, W, 3) as seen from the pose x, y, yaw in the axes of its vehicle, and
        where it shows something (H, W) uint8 of 0 and 255."""
        homographies = self._camera.ground_homography(x, y, yaw), self._camera.far_homography(yaw)
        height, width = self._size
        maps = np.empty((height * width, 2), np.float32)
        inside = np.empty(height * width, np.uint8)
        for (pixels, places), homography in zip(self._parts, homographies, strict=True):
            across, down, depth = homography.astype(np.float32) @ places
            # What is behind the camera is nowhere in its picture.
            depth[depth < 1e-6] = -1e-6
            at = (np.stack([across, down]) / depth - self._centre) / self._half
            square = (at * at).sum(0)
            root = np.sqrt(np.maximum(1.0 - 4.0 * self._camera.distortion * square, 0.0))
            column, row = at * (2.0 / (1.0 + root)) * self._half + self._centre
            seen = (column > -0.5) & (column < width - 0.5) & (row > -0.5) & (row < height - 0.5)
            maps[pixels, 0], maps[pixels, 1] = column, row
            inside[pixels] = 255 * (seen & (depth > 0.0))
        found = cv2.remap(
            picture,
            maps.reshape(height, width, 2),
            None,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return found, inside.reshape(height, width)
