"""Where points of a picture are in the next one, by camera and motion: points below the horizon are
on flat ground, those above it move by the rotation and along their epipolar lines.

The lens: r_pinhole = r / (1 + k r²) of the distance r from the centre [half widths]. A. Fitzgibbon,
"Simultaneous linear estimation of multiple view geometry and lens distortion", CVPR 2001.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.perception.ground_camera import GroundCamera

CAMERA = ("pitch", "focal", "height", "forward", "yaw", "roll", "distortion")
"""Columns of the camera's values: pitch, yaw to the left, roll [rad]; logarithms of focal length
[half widths] and height [m]; forward of the rear axle [m]; k [1/half widths²]."""
MOTION = ("distance", "turn", "slip", "nod")
"""Columns of a pair's values: logarithm of the distance over that assumed; change of heading
[rad]; direction of the motion against the vehicle's middle heading [rad]; change of pitch [rad]."""
BEYOND = 0.15
"""Standard deviation of inverse distances above the horizon [1/heights of the camera]."""
NEAREST = 0.02
"""Rays that fall less than this are above the horizon."""


@dataclasses.dataclass(frozen=True, eq=False)
class Raster:
    """Of pictures of `height` and `width` [px], whose centre of projection is `centre` (2,) column
    and row, one half width `half` (2,) columns and rows."""

    height: int
    width: int
    centre: np.ndarray
    half: np.ndarray

    @classmethod
    def of(cls, camera: GroundCamera) -> Raster:
        half = camera.width / 2.0
        side = half * camera.focal[1] / camera.focal[0]
        return cls(camera.height, camera.width, np.array(camera.centre), np.array([half, side]))

    def normal(self, pixels: np.ndarray) -> np.ndarray:
        """Columns and rows (..., 2) in half widths from the centre."""
        return (pixels - self.centre) / self.half

    def pixels(self, normal: np.ndarray) -> np.ndarray:
        """The reverse."""
        return normal * self.half + self.centre


def moved(
    camera: np.ndarray, motion: np.ndarray, distance: np.ndarray, points: np.ndarray, ground
) -> np.ndarray:
    """(N, 2) where points (N, 2) of the first pictures are in the second ones, in half widths from
    the centre; `camera` (7,), `motion` (N, 4), `distance` (N,) assumed [m], `ground` (N,) whether
    each is on the ground; the others are taken to be far away."""
    pitch, focal, height, forward, yaw, roll, distortion = camera
    height, ray = np.exp(height), _rays(camera, points)
    chord = distance / height * np.exp(motion[:, 0])
    turn, course = motion[:, 1], motion[:, 1] / 2.0 + motion[:, 2]
    lever = forward / height
    step_x = chord * np.cos(course) + lever * (np.cos(turn) - 1.0)
    step_y = chord * np.sin(course) + lever * np.sin(turn)
    fall = np.where(ground, np.maximum(-ray[:, 2], 1e-6), 1.0)
    near = np.where(ground, 1.0, 0.0)
    x, y = ray[:, 0] / fall - near * step_x, ray[:, 1] / fall - near * step_y
    z = np.where(ground, -1.0, ray[:, 2])
    cos, sin = np.cos(turn), np.sin(turn)
    x, y = cos * x + sin * y, cos * y - sin * x
    return _pixels(camera, np.stack([x, y, z], -1), motion[:, 3])


def above_horizon(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N,) whether rays do not meet the ground at any usable distance."""
    return -_rays(camera, points)[:, 2] < NEAREST


def parallax(
    camera: np.ndarray, motion: np.ndarray, distance: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """(N, 2) displacement by the translation, of points above the horizon at the inverse distance
    `BEYOND`."""
    ray = _rays(camera, points)
    chord = distance / np.exp(camera[2]) * np.exp(motion[:, 0]) * BEYOND
    lever = camera[3] / np.exp(camera[2]) * motion[:, 1] * BEYOND
    course = motion[:, 1] / 2.0 + motion[:, 2]
    still = np.zeros(len(points))
    shifted = ray - np.stack([chord * np.cos(course), chord * np.sin(course) + lever, still], -1)
    return _pixels(camera, shifted, still) - points


def _axes(pitch, yaw: float, roll: float) -> np.ndarray:
    """(..., 3, 3): right, down and forward of the camera in vehicle axes, as `GroundCamera.axes`,
    turned to the left by `yaw` and clockwise about its axis by `roll`."""
    pitch = np.asarray(pitch)
    cos, sin, zero = np.cos(pitch), np.sin(pitch), np.zeros_like(pitch)
    left, ahead = np.sin(yaw), np.cos(yaw)
    axes = np.stack(
        [
            np.stack([zero + left, zero - ahead, zero], -1),
            np.stack([-sin * ahead, -sin * left, -cos], -1),
            np.stack([cos * ahead, cos * left, -sin], -1),
        ],
        -2,
    )
    turn = np.array(
        [[np.cos(roll), np.sin(roll), 0.0], [-np.sin(roll), np.cos(roll), 0.0], [0.0, 0.0, 1.0]]
    )
    return turn @ axes


def _rays(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(N, 3) rays in vehicle axes, of unit depth along the camera's axis."""
    pitch, focal, _, _, yaw, roll, distortion = camera
    flat = points / (1.0 + distortion * (points**2).sum(-1, keepdims=True)) / np.exp(focal)
    return np.concatenate([flat, np.ones((len(points), 1))], -1) @ _axes(pitch, yaw, roll)


def _pixels(camera: np.ndarray, at: np.ndarray, nod: np.ndarray) -> np.ndarray:
    pitch, focal, _, _, yaw, roll, distortion = camera
    # A small change of pitch turns the seen point about the camera's right.
    seen = at @ _axes(pitch, yaw, roll).T
    right, down, depth = seen[:, 0], seen[:, 1], seen[:, 2]
    down, depth = down - nod * depth, depth + nod * down
    flat = np.stack([right, down], -1) / np.maximum(depth, 0.05)[:, None] * np.exp(focal)
    return distorted(flat, distortion)


def distorted(flat: np.ndarray, distortion: float) -> np.ndarray:
    """Points (..., 2) of a pinhole's picture in that of the lens, both in half widths from the
    centre."""
    if abs(distortion) < 1e-9:
        return flat
    radius2 = (flat**2).sum(-1, keepdims=True)
    root = np.sqrt(np.maximum(1.0 - 4.0 * distortion * radius2, 1e-6))
    return flat * 2.0 / (1.0 + root)
