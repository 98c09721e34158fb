"""Pictures into messages; out of messages is `perception.pictures`, which recordings share."""

from __future__ import annotations

import array

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.perception.pictures import image_from_compressed, image_from_message
from liquid_control.recordings.rosbag.messages import jpeg

__all__ = ["image_from_compressed", "image_from_message", "compressed_message", "image_message"]


def image_message(picture: np.ndarray) -> Image:
    """An rgb8 message, without header, of a (H, W, 3) uint8 RGB picture."""
    height, width, channels = picture.shape
    message = Image(height=height, width=width, encoding="rgb8", step=width * channels)
    message.data = array.array(
        "B", picture.tobytes()
    )  # bytes and lists are copied element by element; an array is not
    return message


def compressed_message(picture: np.ndarray, quality: int) -> CompressedImage:
    """A JPEG message, without header, of a (H, W, 3) uint8 RGB picture."""
    return CompressedImage(format="jpeg", data=array.array("B", jpeg(picture, quality).tobytes()))
