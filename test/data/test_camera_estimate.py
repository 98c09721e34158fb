"""The camera that drew pictures of textured ground, estimated from them and the motion."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from textured_ground import drive

from liquid_control.data.estimates.camera_estimate import CameraEstimate, estimate_camera
from liquid_control.perception.ground_camera import GroundCamera

CAR = GroundCamera.of_lens(64, 128, 1.31, 1.35, 0.14, 1.7)
DONKEY = GroundCamera.of_lens(90, 120, 1.5, 0.12, 0.25, 0.1)
ROBOT = GroundCamera.of_lens(64, 128, 1.2, 0.06, 0.2, 0.05)
DRIVES = {"car": (CAR, 10.0, 0.05), "donkey": (DONKEY, 2.0, 1.2), "robot": (ROBOT, 0.3, 5.0)}


def start(camera: GroundCamera, view: float = 1.2) -> GroundCamera:
    """What is usual, and not this camera."""
    usual = GroundCamera.of_lens(camera.height, camera.width, view, 1.4 * camera.above, 0.05)
    return dataclasses.replace(usual, forward=0.6 * camera.forward)


def told(estimate: CameraEstimate) -> set[str]:
    return {name for name, one in estimate.values.items() if one.source == "estimated"}


@pytest.mark.parametrize("name", DRIVES)
def test_a_calibrated_camera_is_found_from_speed_and_yaw_rate(name):
    camera, speed, curvature = DRIVES[name]
    pictures, motion = drive(camera, speed, curvature, frames=34)
    known = dataclasses.replace(start(camera), focal=camera.focal)
    found = estimate_camera(pictures, motion, known, {"field_of_view"}, lens=False)
    assert found.values["field_of_view"].spread == 0.0
    assert found.camera.focal == pytest.approx(camera.focal)
    assert found.camera.pitch == pytest.approx(camera.pitch, abs=0.004)
    assert found.camera.above == pytest.approx(camera.above, rel=0.03)
    assert found.camera.forward == pytest.approx(camera.forward, abs=0.2 * camera.above)
    assert found.horizon.value == pytest.approx(camera.horizon, abs=0.5)
    assert found.after < 0.3 * found.before and not found.assumed_speed
    # The uncertainties are of the size of the errors.
    for value, truth in (("pitch", camera.pitch), ("height", camera.above)):
        one = found.values[value]
        assert abs(one.value - truth) < 6.0 * one.spread < 0.2 * truth


def test_an_assumed_speed_alone_gives_lens_pitch_and_height_over_speed():
    lens, speed = -0.2, 2.0
    pictures, motion = drive(DONKEY, speed, 1.2, distortion=lens, frames=36, known=False)
    found = estimate_camera(pictures, motion, start(DONKEY), ())
    assert found.values["distortion"].value == pytest.approx(lens, abs=0.02)
    assert found.values["field_of_view"].value == pytest.approx(1.5, rel=0.03)
    assert found.camera.pitch == pytest.approx(DONKEY.pitch, abs=0.01)
    assert found.camera.above == pytest.approx(DONKEY.above, rel=0.06)
    assert found.assumed_speed and found.remarks == ()
    # Twice the speed is twice the height; nothing else changes.
    faster = dataclasses.replace(motion, distance=2.0 * motion.distance)
    other = estimate_camera(pictures, faster, start(DONKEY), ())
    assert other.camera.above == pytest.approx(2.0 * found.camera.above, rel=0.02)
    assert other.camera.pitch == pytest.approx(found.camera.pitch, abs=0.003)


def test_straight_ahead_the_field_of_view_and_the_place_cannot_be_told():
    pictures, motion = drive(CAR, 10.0, 0.0, frames=28)
    before = start(CAR)
    found = estimate_camera(pictures, motion, before, ())
    assert {"pitch", "height"} <= told(found)
    assert not {"field_of_view", "forward"} & told(found)
    assert math.isinf(found.values["field_of_view"].spread)
    assert found.camera.focal == before.focal and found.camera.forward == before.forward
    assert found.horizon.value == pytest.approx(CAR.horizon, abs=1.5)
    assert any("field of view" in remark and "bends" in remark for remark in found.remarks)


@pytest.mark.parametrize("moving", [True, False])
def test_without_texture_or_motion_nothing_is_told(moving):
    pictures, motion = drive(CAR, 10.0, 0.05, frames=30)
    if moving:
        pictures = np.full_like(pictures, 90)
    else:
        pictures = np.repeat(pictures[:1], len(pictures), 0)
    found = estimate_camera(pictures, motion, start(CAR), {"pitch"})
    assert found.camera == start(CAR) and not told(found)
    assert found.values["pitch"].source == "given" and found.values["pitch"].spread == 0.0
    assert math.isinf(found.values["height"].spread)
    assert "no ground that moves" in found.remarks[0]


def test_a_camera_that_looks_up_is_named():
    camera = dataclasses.replace(CAR, pitch=-0.6)
    pictures, motion = drive(camera, 10.0, 0.05, frames=30)
    found = estimate_camera(pictures, motion, start(CAR), {"field_of_view"})
    assert not {"height"} & told(found) and found.remarks
