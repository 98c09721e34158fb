"""A camera above flat ground: projection, homographies, preprocessed pictures."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.perception.ground_camera import GroundCamera

CAMERA = GroundCamera.of_lens(160, 320, 1.2, above=1.35, pitch=0.14, forward=1.7)
POINTS = np.array([[10.0, 1.5, 0.0], [20.0, -2.0, 0.0], [8.0, 0.0, 0.0]])


def from_pose(points: np.ndarray, x: float, y: float, yaw: float) -> np.ndarray:
    cos, sin = math.cos(yaw), math.sin(yaw)
    turned = (points[:, :2] - [x, y]) @ np.array([[cos, -sin], [sin, cos]])
    return np.concatenate([turned, points[:, 2:]], 1)


LENS = dataclasses.replace(CAMERA, yaw=0.05, distortion=-0.2)


def mapped(homography: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    found = np.concatenate([pixels, np.ones((len(pixels), 1))], 1) @ homography.T
    return found[:, :2] / found[:, 2:]


@pytest.mark.parametrize("camera", [CAMERA, LENS])
def test_points_of_the_ground_come_back_from_their_pixels(camera):
    assert camera.ground(camera.project(POINTS)) == pytest.approx(POINTS[:, :2], abs=1e-9)


def test_a_wide_lens_draws_the_border_towards_the_centre_and_lines_bent():
    flat = np.array([[0.0, 20.0], [160.0, 20.0], [319.0, 20.0], CAMERA.centre])
    bent = LENS.bent(flat)
    assert LENS.flat(bent) == pytest.approx(flat)
    assert bent[0, 0] > 20.0 and bent[2, 0] < 299.0 and bent[3] == pytest.approx(CAMERA.centre)
    assert min(bent[0, 1], bent[2, 1]) > bent[1, 1] + 3.0


def test_a_camera_turned_to_the_left_sees_what_is_ahead_on_its_right():
    turned = dataclasses.replace(CAMERA, yaw=0.05)
    (ahead,) = turned.project(np.array([[1e9, 0.0, 0.0]]))
    expected = CAMERA.centre[0] + CAMERA.focal[0] * math.tan(0.05) / math.cos(CAMERA.pitch)
    assert ahead == pytest.approx([expected, CAMERA.horizon], abs=1e-3)


def test_left_is_left_and_far_is_high():
    (left, near), (right, far) = CAMERA.project(POINTS[:2])
    assert left < 159.5 < right and far < near
    assert CAMERA.project(np.array([[1e9, 0.0, 0.0]]))[0, 1] == pytest.approx(CAMERA.horizon)
    assert np.isnan(CAMERA.ground(np.array([100.0, CAMERA.horizon - 1.0]))).all()
    assert np.isnan(CAMERA.project(np.array([-1.0, 0.0, 0.0]))).all()


@pytest.mark.parametrize("camera", [CAMERA, LENS])
@pytest.mark.parametrize("pose", [(0.0, 0.0, 0.0), (1.0, 0.4, 0.1), (-0.5, -1.0, -0.2)])
def test_the_ground_homography_maps_between_the_pictures_of_two_poses(pose, camera):
    seen = camera.flat(camera.project(from_pose(POINTS, *pose)))
    assert camera.bent(mapped(camera.ground_homography(*pose), seen)) == pytest.approx(
        camera.project(POINTS), abs=1e-6
    )


def test_the_far_homography_maps_what_is_far_away():
    far = np.array([[1e7, 1e6, 2e6], [1e7, -2e6, 1e6]])
    seen = CAMERA.project(from_pose(far, 1.0, 0.4, 0.1))
    assert mapped(CAMERA.far_homography(0.1), seen) == pytest.approx(CAMERA.project(far), abs=1e-3)


@pytest.mark.parametrize("camera", [CAMERA, LENS])
def test_a_preprocessed_camera_sees_the_same_points_where_the_pixels_go(camera):
    config = PreprocessConfig(crop_top=0.3, crop_left=0.1)
    before, after = camera.project(POINTS), camera.preprocessed(config).project(POINTS)
    across, down = 128 / (320 - 32), 64 / (160 - 48)
    expected = (before + 0.5 - [32, 48]) * [across, down] - 0.5
    assert after == pytest.approx(expected)
