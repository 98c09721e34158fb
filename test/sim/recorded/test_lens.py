"""Pictures of a bent lens from beside the place where they were taken."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from textured_ground import draw

from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.sim.recorded.lens import LensWarp


@pytest.mark.parametrize("pose", [(0.05, 0.03, 0.1), (0.1, -0.03, -0.12), (0.0, 0.0, 0.0)])
def test_a_bent_picture_from_another_pose_is_the_one_drawn_there(pose):
    lens, camera = -0.2, GroundCamera.of_lens(90, 120, 1.5, 0.12, 0.25, 0.1)
    here, there = draw(camera, np.array([(0.0, 0.0, 0.0), pose]), lens)
    picture, seen = LensWarp(dataclasses.replace(camera, distortion=lens))(here, *pose)
    seen = seen != 0
    apart = np.abs(picture.astype(int) - there)[seen].mean()
    assert seen.mean() > 0.85 and apart < 6.5
    if any(pose):
        straight, _ = LensWarp(camera)(here, *pose)
        assert apart < 0.5 * np.abs(straight.astype(int) - there)[seen].mean()
    else:
        assert seen.all() and apart < 0.1
