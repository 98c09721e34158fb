"""Pictures: message ↔ (H, W, 3) uint8 RGB. Pure functions; what a message claims is checked before a byte of it is used."""

from __future__ import annotations

import array
import struct

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.errors import ImageError

CHANNELS = {"rgb8": 3, "bgr8": 3, "mono8": 1}
LARGEST_SIDE = 16384  # px; a damaged header shall not ask for terabytes
LARGEST_AREA = 2**26  # px of a compressed picture, for the same reason

_SIGNATURES = {"jpeg": (b"\xff\xd8", b"\xff\xd9"), "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82")}
_PADDING = 64  # bytes that some cameras append behind the end marker


def image_from_message(message: Image) -> np.ndarray:
    """The picture of an rgb8, bgr8 or mono8 message with any legal row padding; no copy for rgb8.

    Raises ImageError for another encoding, a size of zero or beyond 16384, a step shorter than a row, and data of another length
    than step x height (truncated data among them).
    """
    channels = CHANNELS.get(message.encoding)
    if channels is None:
        raise ImageError("encoding", repr(message.encoding), "one of " + ", ".join(CHANNELS))
    height, width, step = message.height, message.width, message.step
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise ImageError("size", f"{height}x{width}", f"1 to {LARGEST_SIDE} each way")
    if step < width * channels:
        raise ImageError("step", step, f"at least {width * channels} bytes for {width} pixels of {message.encoding}")
    if len(message.data) != step * height:
        raise ImageError("data length", len(message.data), f"{step * height} bytes, step {step} x height {height}")
    picture = np.ndarray((height, width, channels), np.uint8, message.data, strides=(step, channels, 1))
    if message.encoding == "bgr8":
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if message.encoding == "mono8" else picture


def image_from_compressed(message: CompressedImage) -> np.ndarray:
    """The picture of a JPEG or PNG message. Raises ImageError for another format and for data that do not begin and end as it should.

    The decoder itself is no judge: it fills the missing part of a truncated JPEG with grey.
    """
    data = bytes(message.data)
    begins = next((name for name, (head, _) in _SIGNATURES.items() if data.startswith(head)), None)
    if begins is None:
        raise ImageError("format", f"{message.format!r} beginning with {data[:8].hex() or 'nothing'}", "JPEG or PNG data")
    if _SIGNATURES[begins][1] not in data[-_PADDING:]:
        raise ImageError("data", f"{len(data)} bytes of {begins} without its end marker", "the whole picture")
    height, width = _png_size(data) if begins == "png" else _jpeg_size(data)
    if not 0 < height * width <= LARGEST_AREA:
        raise ImageError("size", f"{height}x{width}", f"1 to {LARGEST_AREA} pixels")
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error as error:
        raise ImageError("data", f"{begins} that OpenCV refuses ({error.err})", "a readable picture") from error
    if picture is None:
        raise ImageError("data", f"{len(data)} bytes of unreadable {begins}", "a readable picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def image_message(picture: np.ndarray) -> Image:
    """An rgb8 message, without header, of a (H, W, 3) uint8 RGB picture."""
    height, width, channels = picture.shape
    message = Image(height=height, width=width, encoding="rgb8", step=width * channels)
    message.data = array.array("B", picture.tobytes())  # bytes and lists are copied element by element; an array is not
    return message


def _png_size(data: bytes) -> tuple[int, int]:
    """Height and width in the first chunk, which the format wants to be IHDR."""
    width, height = struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else (0, 0)
    return height, width


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Height and width in the first start-of-frame segment; zeros when there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", data[at + 5 : at + 9])
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]  # fill bytes may precede a marker
    return 0, 0
