"""Pictures into messages; out of messages is `perception.pictures`, which recordings share."""

from __future__ import annotations

import array
from collections.abc import Callable

import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.perception.pictures import (
    bits_in_use,
    image_from_compressed,
    image_from_message,
)
from liquid_control.recordings.rosbag.messages import jpeg

__all__ = [
    "compressed_message",
    "decoder",
    "image_from_compressed",
    "image_from_message",
    "image_message",
]

LOOKED_AT = 8  # pictures from which the bits in use are found, as in recordings


def decoder(compressed: bool, bits: str) -> Callable[[Image | CompressedImage], np.ndarray]:
    """A function from a camera's messages, in their order, to pictures. `bits`: how many of values
    of 16 bits it uses, or 'auto': the largest number that the first pictures fill."""
    decode = image_from_compressed if compressed else image_from_message
    if bits != "auto":
        return lambda message: decode(message, int(bits))
    seen, used = 0, 0

    def auto(message: Image | CompressedImage) -> np.ndarray:
        nonlocal seen, used
        if seen < LOOKED_AT:
            used = max(used, bits_in_use(message))
            seen += 1
        return decode(message, used)

    return auto


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
