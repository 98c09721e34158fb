"""The crop of the robot's pictures: the model's own, or by the camera's CameraInfo."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from liquid_control.config import PreprocessConfig
from liquid_control.perception.view import Intrinsics, ViewError, ViewSettings, crop_of
from liquid_control.ros import camera_topics, qos
from liquid_control.ros.polled_subscription import PolledSubscription

REMEDY = "Calibrate the camera (camera_calibration), or set view.source: flags, or view.lens"

_SIDES = ("top", "bottom", "left", "right")


class CameraCrop:
    """`crop`: None while it is not known, for the reason in `problem`. With `view.source`
    camera_info it follows the CameraInfo received last, with lens the size of the pictures."""

    def __init__(self, node: Node, view: ViewSettings, preprocess: PreprocessConfig) -> None:
        self._node, self._view, self._preprocess = node, view, preprocess
        self._camera: Intrinsics | None = None
        self._infos: PolledSubscription | None = None
        self.crop: PreprocessConfig | None = preprocess
        self.problem, self._topic = "", "view.lens"
        if view.source == "camera_info":
            self._topic = camera_topics.info_topic(node)
            self._infos = PolledSubscription(node, CameraInfo, self._topic, qos.CAMERA)
            self.crop, self.problem = None, f"no CameraInfo on {self._topic}"

    def of(self, height: int, width: int) -> PreprocessConfig | None:
        """The crop for a picture of this size; None where it is not known, or not for this size."""
        if self._view.source == "lens":
            self._hear(Intrinsics.of_lens(height, width, self._view.lens))
        if self._infos is None:
            return self.crop
        for message, _ in self._infos.take():
            self._hear(Intrinsics.from_message(message))
        if self.crop is not None:
            fits = self._camera.fits(height, width)
            self.problem = "" if fits else f"{self._topic}: {self._camera.misfit(height, width)}"
            return self.crop if fits else None
        return None

    def close(self) -> None:
        if self._infos is not None:
            self._infos.close()

    def _hear(self, camera: Intrinsics) -> None:
        if camera == self._camera:
            return
        self._camera = camera
        try:
            self.crop, self.problem = crop_of(camera, self._view, self._preprocess), ""
            shares = (f"{side} {getattr(self.crop, f'crop_{side}'):.1%}" for side in _SIDES)
            self._node.get_logger().info(f"{self._topic}: crop {', '.join(shares)}")
        except ValueError as error:
            self.crop, self.problem = None, str(ViewError(self._topic, str(error), REMEDY))
