"""The robot's pictures are cropped by the camera's CameraInfo where that is asked for."""

from __future__ import annotations

import time

import numpy as np
import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from liquid_control.config import PreprocessConfig
from liquid_control.perception.view import Intrinsics, ViewSettings, crop_of
from liquid_control.ros import qos
from liquid_control.ros.camera_crop import CameraCrop

PREPROCESS = PreprocessConfig(32, 64, crop_top=0.3)
VIEW = ViewSettings("camera_info", width=0.8, above=0.1, below=0.3)


def info(focal: float, width: int = 320, height: int = 160) -> CameraInfo:
    k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, k=k)


@pytest.fixture
def node():
    made = Node("crops", cli_args=["--ros-args", "-r", "camera/image_raw:=/zed/rgb/image_raw"])
    yield made
    made.destroy_node()


def test_the_models_own_crop_needs_no_camera_info(node):
    crop = CameraCrop(node, ViewSettings(), PREPROCESS)
    assert crop.of(480, 640) == PREPROCESS and not crop.problem
    assert not list(node.get_subscriptions_info_by_topic("/zed/rgb/camera_info"))


def test_a_lens_is_the_crop_of_every_size(node):
    crop = CameraCrop(node, ViewSettings("lens", width=0.8, above=0.1, below=0.3), PREPROCESS)
    for height, width in ((480, 640), (240, 320), (720, 1280)):
        camera = Intrinsics.of_lens(height, width, 1.2)
        assert crop.of(height, width) == crop_of(camera, VIEW, PREPROCESS)
        seen = 2 * np.arctan((1 - 2 * crop.crop.crop_left) * np.tan(0.6))
        assert seen == pytest.approx(0.8, abs=1e-3)
    narrow = CameraCrop(node, ViewSettings("lens", lens=0.5, width=0.8), PREPROCESS)
    assert narrow.of(480, 640) is None and "short of the view" in narrow.problem


def test_it_follows_the_camera_info_of_the_pictures(node, probe):
    crop = CameraCrop(node, VIEW, PREPROCESS)
    assert crop.of(160, 320) is None and crop.problem == "no CameraInfo on /zed/rgb/camera_info"

    def after(message: CameraInfo) -> None:
        before = crop.of(160, 320), crop.problem

        def changed() -> bool:
            probe.send("/zed/rgb/camera_info", message, qos.CAMERA)
            return (crop.of(160, 320), crop.problem) != before

        probe.until(changed, "the new CameraInfo")

    for focal in (150.0, 180.0):
        after(info(focal))
        camera = Intrinsics.from_message(info(focal))
        assert crop.of(160, 320) == crop_of(camera, VIEW, PREPROCESS)
        assert crop.of(80, 160) == crop.of(160, 320) and not crop.problem
    assert crop.of(240, 320) is None and "the pictures are 320x240" in crop.problem
    after(info(0.0))
    assert crop.of(160, 320) is None
    assert "not calibrated" in crop.problem and "set view.source: flags" in crop.problem
    after(info(40.0, 320, 160))
    assert crop.of(160, 320) is not None or "short of the view" in crop.problem
    crop.close()


def test_a_policy_waits_for_the_camera_info_and_says_so(start, probe, model, shot):
    start("policy_node", model=model, view__source="camera_info")
    proposals = probe.listen(TwistStamped, "proposal")
    rng, focal = np.random.default_rng(0), 160 / np.tan(0.66)

    def picture():
        return shot(rng.integers(0, 256, (240, 320, 3), np.uint8))

    deadline = time.monotonic() + 20.0
    while not probe.count("policy_node", "rejected_camera_info"):
        assert time.monotonic() < deadline, probe.levels
        probe.send("camera/image_raw", picture(), qos.CAMERA)
        probe.spin(0.1)
    assert not proposals

    def make():
        probe.send("camera/camera_info", info(focal, 320, 240), qos.CAMERA)
        return picture()

    probe.drive("camera/image_raw", make, 3, proposals)
