"""Raw pictures as JPEG, for a recording: a thirtieth of the bytes."""

from __future__ import annotations

from rclpy.node import Node
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.errors import ImageError
from liquid_control.ros import camera_topics, images
from liquid_control.ros.ordered_mail import Letter


class JpegOfRaw:
    """Replaces letters of the camera's raw pictures by those of `image_raw/compressed`. `refused`:
    pictures that cannot be decoded, which stay as they are."""

    def __init__(self, node: Node, quality: int) -> None:
        self.refused = 0
        self._quality, self._raw = quality, camera_topics.transport_topic(node)
        self._compressed = camera_topics.transport_topic(node, "compressed")
        self._decode = images.decoder(False, "auto")

    def of(self, letter: Letter) -> Letter:
        if letter.topic != self._raw:
            return letter
        message = deserialize_message(letter.data, Image)
        try:
            picture = images.compressed_message(self._decode(message), self._quality)
        except ImageError:
            self.refused += 1
            return letter
        picture.header = message.header
        data = serialize_message(picture)
        return Letter(letter.receive_ns, self._compressed, CompressedImage, data)
