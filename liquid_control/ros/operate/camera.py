"""Pictures for the page: JPEG as it comes, anything else made a JPEG here."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.errors import ImageError
from liquid_control.ros import conversions, images, qos
from liquid_control.ros.camera_topics import transport_topic
from liquid_control.ros.polled_subscription import PolledSubscription

LARGEST_JPEG = 4_000_000
SHRUNK = 320
"""Columns of a picture that is made a JPEG here [px]."""
QUALITY = 80
SOURCES = ("camera", "saliency")


class Picture(NamedTuple):
    """`stamp_ns` of the camera; `jpeg`: its bytes."""

    stamp_ns: int
    jpeg: bytes


class Camera:
    """The camera's pictures and the policy's saliency. `problems`: why there is none, by
    source."""

    def __init__(self, node: Node, policy: str) -> None:
        self._node = node
        raw, compressed = transport_topic(node), transport_topic(node, "compressed")
        self._topics = {
            "camera": ((CompressedImage, compressed), (Image, raw)),
            "saliency": ((CompressedImage, node.resolve_topic_name(f"{policy}/saliency")),),
        }
        self._open: dict[str, PolledSubscription] = {}
        self.problems: dict[str, str] = {}

    def choose(self, sources: set[str]) -> None:
        """Subscribes to these sources, as far as they are published, and to no other."""
        for name in set(self._open) - sources:
            self._open.pop(name).close()
        for name in sources:
            wanted = next(
                (
                    (kind, topic)
                    for kind, topic in self._topics[name]
                    if self._node.count_publishers(topic)
                ),
                None,
            )
            now = self._open.get(name)
            if wanted is None:
                self.problems[name] = f"nothing publishes {self._topics[name][-1][1]}"
            elif now is None or now.kind is not wanted[0]:
                if now is not None:
                    now.close()
                self._open[name] = PolledSubscription(self._node, *wanted, qos.CAMERA)

    def take(self, name: str) -> Picture | None:
        """The newest picture since the last call, if any."""
        found = None
        if name in self._open:
            for message, _ in self._open[name].take():
                try:
                    found = Picture(conversions.stamp_ns(message.header.stamp), _jpeg(message))
                    self.problems.pop(name, None)
                except ImageError as error:
                    self.problems[name] = str(error)
        return found


def _jpeg(message: CompressedImage | Image) -> bytes:
    """Raises ImageError."""
    if isinstance(message, CompressedImage):
        data = bytes(message.data)
        if data[:2] == b"\xff\xd8" and len(data) <= LARGEST_JPEG:
            return data
        picture = images.image_from_compressed(message)
    else:
        picture = images.image_from_message(message)
    height, width = picture.shape[:2]
    if width > SHRUNK:
        size = SHRUNK, max(round(height * SHRUNK / width), 1)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return cv2.imencode(
        ".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )[1].tobytes()
