"""Pictures: message to (H, W, 3) uint8 RGB. Pure functions; the header of a message is checked
before its data are used.

A message is any object with the attributes of sensor_msgs Image or CompressedImage whose `data`
support the buffer protocol.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from liquid_control.errors import ImageError
from liquid_control.perception.picture_files import checked, values_have_16_bits


class Encoding(NamedTuple):
    """How an encoding stores a picture: bytes per value, values per pixel of a row, OpenCV's
    conversion, and its rows in halves of the picture's height (planes lie below each other)."""

    size: int
    channels: int
    conversion: int | None
    halves: int = 2


NV24 = -1  # no conversion of OpenCV
_BAYER = {
    "rggb": cv2.COLOR_BayerRGGB2RGB,
    "bggr": cv2.COLOR_BayerBGGR2RGB,
    "gbrg": cv2.COLOR_BayerGBRG2RGB,
    "grbg": cv2.COLOR_BayerGRBG2RGB,
}
_UYVY, _YUY2 = Encoding(1, 2, cv2.COLOR_YUV2RGB_UYVY), Encoding(1, 2, cv2.COLOR_YUV2RGB_YUY2)


def _of_bytes(size: int, names: dict[str, str]) -> dict[str, Encoding]:
    """The encodings of interleaved values of `size` bytes, by the order of their colours."""
    orders = {
        "rgb": (3, None),
        "bgr": (3, cv2.COLOR_BGR2RGB),
        "rgba": (4, cv2.COLOR_RGBA2RGB),
        "bgra": (4, cv2.COLOR_BGRA2RGB),
        "mono": (1, cv2.COLOR_GRAY2RGB),
    }
    return {name: Encoding(size, *orders[order]) for name, order in names.items()}


def _names(bits: int) -> dict[str, str]:
    plain = {f"{order}{bits}": order for order in ("rgb", "bgr", "rgba", "bgra", "mono")}
    return plain | {f"{bits}UC1": "mono", f"{bits}UC3": "bgr", f"{bits}UC4": "bgra"}


ENCODINGS = {
    **_of_bytes(1, _names(8)),
    **_of_bytes(2, _names(16)),
    "yuv422": _UYVY,
    "uyvy": _UYVY,
    "yuv422_yuy2": _YUY2,
    "yuyv": _YUY2,
    "nv12": Encoding(1, 1, cv2.COLOR_YUV2RGB_NV12, 3),
    "nv21": Encoding(1, 1, cv2.COLOR_YUV2RGB_NV21, 3),
    "nv24": Encoding(1, 1, NV24, 6),
    **{f"bayer_{pattern}8": Encoding(1, 1, code) for pattern, code in _BAYER.items()},
    **{f"bayer_{pattern}16": Encoding(2, 1, code) for pattern, code in _BAYER.items()},
}
"""The encodings of sensor_msgs/image_encodings.hpp that hold a picture. 8UC3 and 8UC4 are BGR and
BGRA, OpenCV's own order. YUV is ITU-R BT.601 in video range."""

DEPTHS = frozenset({"16UC1", "16SC1", "32FC1", "32SC1", "64FC1"})
"""Encodings that hold distances, unless the camera has no other stream."""

LARGEST_SIDE = 16384  # px; a damaged header must not allocate terabytes
BITS = (8, 10, 12, 14, 16)
"""Bits that a camera may use of values of 16 bits."""

_BT601 = np.array(
    [
        [1.164383, 0.0, 1.596027, -222.9216],
        [1.164383, -0.391762, -0.812968, 135.5753],
        [1.164383, 2.017232, 0.0, -276.8358],
    ]
)
"""Y, U, V in video range to R, G, B; the last column is the offset."""

_TO_RGB = getattr(cv2, "IMREAD_COLOR_RGB", None)  # OpenCV 4.10 and older only know BGR


def image_from_message(message, bits: int = 16) -> np.ndarray:
    """The picture of a message in one of ENCODINGS with any legal row padding; no copy for rgb8.

    Of values of 16 bits the upper 8 are taken; `bits`: how many of them the camera uses, in the low
    end (see `bits_in_use`). A step that is wrong does not matter where the data are exactly the
    rows without padding.

    Raises ImageError for another encoding, a size of zero or beyond 16384, a step shorter than a
    row, and data of another length than step x rows (truncated data among them); for odd sizes of
    the encodings that share colours between pixels.
    """
    layout, rows, step = layout_of(message)
    values = _values(message, layout, rows, step)
    conversion, size = layout.conversion, layout.size
    if size == 2:
        values = _upper(values, bits)
    if conversion is None:
        return values
    if conversion == NV24:
        return _from_nv24(values[: message.height], message.data, step)
    return cv2.cvtColor(values, conversion)


def layout_of(message) -> tuple[Encoding, int, int]:
    """(encoding, rows of values, bytes from row to row) of a message, from its header and the
    length of its data. Raises ImageError as `image_from_message` does."""
    name = message.encoding
    layout = ENCODINGS.get(name)
    if layout is None:
        raise ImageError("encoding", repr(name), "one of " + ", ".join(ENCODINGS))
    height, width, step = message.height, message.width, message.step
    if not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise ImageError("size", f"{height}x{width}", f"1 to {LARGEST_SIDE} each way")
    row, rows, length = width * layout.channels * layout.size, height, len(message.data)
    if layout.halves != 2:
        rows = height * layout.halves // 2
    if step < row or length != step * rows:
        if length != row * rows or layout.halves == 3 and height % 2:
            _refuse_length(message, row, rows)
        step = row
    if (layout.channels == 2 or layout.halves == 3) and width % 2:
        raise ImageError("size", f"{height}x{width} of {name}", "an even width")
    if layout.halves == 3 and height % 2:
        raise ImageError("size", f"{height}x{width} of {name}", "an even height")
    if "bayer" in name and min(height, width) < 3:
        raise ImageError("size", f"{height}x{width} of {name}", "at least 3x3")
    return layout, rows, step


def _refuse_length(message, row: int, rows: int) -> None:
    packed = f"; {row * rows} bytes of data would be read whatever the step"
    if message.step < row:
        raise ImageError(
            "step",
            message.step,
            f"at least {row} bytes for {message.width} pixels of {message.encoding}{packed}",
        )
    raise ImageError(
        "data length",
        len(message.data),
        f"{message.step * rows} bytes, step {message.step} x {rows} rows{packed}",
    )


def _values(message, layout: Encoding, rows: int, step: int) -> np.ndarray:
    """The values where they lie: (rows, width, channels)."""
    kind = np.dtype(np.uint8 if layout.size == 1 else ">u2" if message.is_bigendian else "<u2")
    shape = (rows, message.width, layout.channels)
    return np.ndarray(
        shape, kind, message.data, strides=(step, layout.channels * layout.size, layout.size)
    )


def _upper(values: np.ndarray, bits: int) -> np.ndarray:
    """The upper 8 of the `bits` in use; larger values are white."""
    upper = values >> (bits - 8)
    return (upper if bits == 16 else np.minimum(upper, 255)).astype(np.uint8)


def _from_nv24(luma: np.ndarray, data, step: int) -> np.ndarray:
    """`luma` (H, W, 1); below it in the data, U and V in turn, each row two steps long."""
    height, width, _ = luma.shape
    strides = 2 * step, 2, 1
    colours = np.ndarray((height, width, 2), np.uint8, data, height * step, strides)
    return cv2.transform(np.concatenate([luma, colours], axis=-1), _BT601)


def bits_in_use(message) -> int:
    """How many of 16 bits the values of a message fill in their low end: one of BITS; 16 for a
    message of other values and for one that cannot be decoded.

    The brightest value decides, so ask several pictures and take the largest answer: cameras of 10
    or 12 bits reach their upper end in most pictures.
    """
    try:
        if hasattr(message, "encoding"):
            layout, rows, step = layout_of(message)
            values = _values(message, layout, rows, step) if layout.size == 2 else None
        else:
            data = memoryview(message.data).cast("B")
            values = (
                _decoded(data, message.format, cv2.IMREAD_UNCHANGED)
                if (values_have_16_bits(data))
                else None
            )
    except ImageError:
        return 16
    if values is None or values.dtype.itemsize != 2:
        return 16
    largest = int(values.max())
    return next(bits for bits in BITS if largest < 1 << bits)


def image_from_compressed(message, bits: int = 16) -> np.ndarray:
    """The picture of a JPEG or PNG message; `bits` as in `image_from_message`. Raises ImageError
    for another format and for data that do not begin and end as they should.

    The decoder does not detect this: it fills the missing part of a truncated JPEG with grey. What
    follows the end of the picture is ignored. A one-channel file of a Bayer encoding is a mosaic.
    """
    data = memoryview(message.data).cast("B")
    said = message.format
    if said.startswith("bayer_") or (bits != 16 and values_have_16_bits(data)):
        return _from_unchanged(data, said, bits)
    # The publisher gave RGB to an encoder of BGR, as its format says.
    swapped = "compressed rgb" in said
    flags = cv2.IMREAD_COLOR if _TO_RGB is None or swapped else _TO_RGB
    picture = _decoded(data, said, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) if _TO_RGB is None and not swapped else picture


def _from_unchanged(data: memoryview, said: str, bits: int) -> np.ndarray:
    """A picture whose values must be seen as they are stored: a mosaic, or few of 16 bits."""
    values = _decoded(data, said, cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    if values.dtype == np.uint16:
        values = _upper(values, bits)
    if values.ndim == 2:
        pattern = said[6:10] if said.startswith("bayer_") else ""
        if pattern in _BAYER and min(values.shape) >= 3:
            return cv2.cvtColor(values, _BAYER[pattern])
        return cv2.cvtColor(values, cv2.COLOR_GRAY2RGB)
    if "compressed rgb" in said:
        return np.ascontiguousarray(values[..., :3])
    code = cv2.COLOR_BGR2RGB if values.shape[2] == 3 else cv2.COLOR_BGRA2RGB
    return cv2.cvtColor(values, code)


def _decoded(data: memoryview, said: str, flags: int) -> np.ndarray:
    kind, data = checked(data, said)
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(
            "data", f"{kind} that OpenCV refuses ({error.err})", "a readable picture"
        ) from error
    if picture is None:
        raise ImageError("data", f"a {kind} that cannot be decoded", "a readable picture")
    return picture
