"""Pictures: message to (H, W, 3) uint8 RGB. Pure functions; the header of a message is checked
before its data are used.

A message is any object with the attributes of sensor_msgs Image or CompressedImage whose `data`
support the buffer protocol.
"""

from __future__ import annotations

import struct

import cv2
import numpy as np

from liquid_control.errors import ImageError

_MONO = 1, 1, cv2.COLOR_GRAY2RGB
_BGR = 1, 3, cv2.COLOR_BGR2RGB
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2RGB,
    "bggr": cv2.COLOR_BayerBGGR2RGB,
    "gbrg": cv2.COLOR_BayerGBRG2RGB,
    "grbg": cv2.COLOR_BayerGRBG2RGB,
}
_UYVY, _YUY2 = (1, 2, cv2.COLOR_YUV2RGB_UYVY), (1, 2, cv2.COLOR_YUV2RGB_YUY2)

ENCODINGS = {
    "rgb8": (1, 3, None),
    "bgr8": _BGR,
    "8UC3": _BGR,
    "rgba8": (1, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (1, 4, cv2.COLOR_BGRA2RGB),
    "mono8": _MONO,
    "8UC1": _MONO,
    "mono16": (2, 1, cv2.COLOR_GRAY2RGB),
    "16UC1": (2, 1, cv2.COLOR_GRAY2RGB),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUY2,
    "yuyv": _YUY2,
    **{f"bayer_{pattern}8": (1, 1, code) for pattern, code in _BAYER.items()},
    **{f"bayer_{pattern}16": (2, 1, code) for pattern, code in _BAYER.items()},
}
"""Encoding of sensor_msgs/image_encodings.hpp: bytes per value, values per pixel, OpenCV's
conversion. 8UC3 is BGR, OpenCV's own order."""

LARGEST_SIDE = 16384  # px; a damaged header must not allocate terabytes
LARGEST_AREA = 2**26  # px of a compressed picture, for the same reason
MOST_PIXELS = {"jpeg": 1024, "png": 8256}
"""Most pixels per byte of compressed data: some 350 in a progressive JPEG of one colour; 8 x 1032
in a PNG of one bit per pixel, deflate's largest ratio. More means a damaged header, and decoding
the missing data would take seconds."""

_SIGNATURES = {"jpeg": (b"\xff\xd8", b"\xff\xd9"), "png": (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82")}
_PADDING = 64  # bytes that some cameras append behind the end marker
_TO_RGB = getattr(cv2, "IMREAD_COLOR_RGB", None)  # OpenCV 4.10 and older only know BGR


def image_from_message(message) -> np.ndarray:
    """The picture of a message in one of ENCODINGS with any legal row padding; no copy for rgb8. 16
    bits become the upper 8.

    Raises ImageError for another encoding, a size of zero or beyond 16384, a step shorter than a
    row, and data of another length than step x height (truncated data among them); for odd widths
    of the encodings that share colours between two pixels.
    """
    layout = ENCODINGS.get(message.encoding)
    if layout is None:
        raise ImageError("encoding", repr(message.encoding), "one of " + ", ".join(ENCODINGS))
    size, channels, conversion = layout
    height, width, step = message.height, message.width, message.step
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise ImageError("size", f"{height}x{width}", f"1 to {LARGEST_SIDE} each way")
    if step < width * channels * size:
        raise ImageError(
            "step",
            step,
            f"at least {width * channels * size} bytes for {width} pixels of {message.encoding}",
        )
    if len(message.data) != step * height:
        raise ImageError(
            "data length",
            len(message.data),
            f"{step * height} bytes, step {step} x height {height}",
        )
    kind = np.dtype(np.uint8 if size == 1 else ">u2" if message.is_bigendian else "<u2")
    picture = np.ndarray(
        (height, width, channels), kind, message.data, strides=(step, channels * size, size)
    )
    if conversion is None:
        return picture
    if size == 2:
        picture = (picture >> 8).astype(np.uint8)
    if channels == 2 and width % 2:
        raise ImageError("size", f"{height}x{width} of {message.encoding}", "an even width")
    if "bayer" in message.encoding and min(height, width) < 3:
        raise ImageError("size", f"{height}x{width} of {message.encoding}", "at least 3x3")
    return cv2.cvtColor(picture, conversion)


def image_from_compressed(message) -> np.ndarray:
    """The picture of a JPEG or PNG message. Raises ImageError for another format and for data that
    do not begin and end as it should.

    The decoder does not detect this: it fills the missing part of a truncated JPEG with grey.
    """
    data = memoryview(message.data).cast("B")
    head = bytes(data[:8])
    begins = next(
        (name for name, (start, _) in _SIGNATURES.items() if head.startswith(start)), None
    )
    if begins is None:
        raise ImageError(
            "format",
            f"{message.format!r} beginning with {head.hex() or 'nothing'}",
            "JPEG or PNG data",
        )
    if _SIGNATURES[begins][1] not in bytes(data[-_PADDING:]):
        raise ImageError(
            "data", f"{len(data)} bytes of {begins} without its end marker", "a complete picture"
        )
    if begins == "png" and not _chunks_fit(data):
        raise ImageError(
            "data", f"{len(data)} bytes of png with a chunk longer than that", "a complete picture"
        )
    height, width = _png_size(data) if begins == "png" else _jpeg_size(data)
    largest = min(LARGEST_AREA, MOST_PIXELS[begins] * len(data))
    if not 0 < height * width <= largest:
        raise ImageError(
            "size", f"{height}x{width}", f"1 to {largest} pixels in {len(data)} bytes of {begins}"
        )
    # The publisher gave RGB to an encoder of BGR, as its format says.
    swapped = "compressed rgb" in message.format
    flags = (
        cv2.IMREAD_COLOR if _TO_RGB is None or swapped else _TO_RGB
    ) | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(
            "data", f"{begins} that OpenCV refuses ({error.err})", "a readable picture"
        ) from error
    if picture is None:
        raise ImageError("data", f"{len(data)} bytes of unreadable {begins}", "a readable picture")
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if _TO_RGB is None and not swapped else picture


def _png_size(data: memoryview) -> tuple[int, int]:
    """Height and width in the first chunk, which must be IHDR."""
    width, height = (
        struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else (0, 0)
    )
    return height, width


def _chunks_fit(data: memoryview) -> bool:
    """Whether each chunk of a PNG ends within the data; OpenCV allocates up to 4 GB for one that
    does not."""
    at = len(_SIGNATURES["png"][0])
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        at += 12 + length
        if data[at - 8 - length : at - 4 - length] == b"IEND":
            return at <= len(data)
    return False


def _jpeg_size(data: memoryview) -> tuple[int, int]:
    """Height and width in the first start-of-frame segment; zeros when there is none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return struct.unpack(">HH", data[at + 5 : at + 9])
        # Fill bytes may precede a marker.
        at += 1 if marker == 0xFF else 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return 0, 0
