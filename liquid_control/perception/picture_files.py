"""JPEG and PNG data as messages hold them: where the picture ends, its size, and the names of other
formats. Pure functions of bytes; no length in them is believed."""

from __future__ import annotations

import re
import struct

from liquid_control.errors import ImageError

LARGEST_AREA = 2**26  # px; a damaged header must not allocate terabytes
MOST_PIXELS = {"jpeg": 1024, "png": 8256}
"""Most pixels per byte of compressed data: some 350 in a progressive JPEG of one colour; 8 x 1032
in a PNG of one bit per pixel, deflate's largest ratio. More means a damaged header, and decoding
the missing data would take seconds."""

JPEG, PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_END_OF_JPEG, _END_OF_PNG = b"\xff\xd9", b"IEND\xaeB`\x82"
_PADDING = 64  # bytes behind the end marker in which it is found without reading the picture
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]", re.DOTALL)  # but restarts, fill and stuffing
_RECORD = "Record the camera as Image, or as CompressedImage of JPEG or PNG"
_VIDEO = "Read it from a recording, where the pictures before it are known, or as Image or JPEG"

VIDEO = {"h264": "H.264", "hevc": "H.265", "vp9": "VP9", "av1": "AV1"}
"""Names of video codecs, as PyAV calls them."""

_OTHERS = (
    (b"\x28\xb5\x2f\xfd", "zstd data (transport zstd)"),
    (b"BM", "a BMP file"),
    (b"II*\0", "a TIFF file"),
    (b"MM\0*", "a TIFF file"),
    (b"GIF8", "a GIF file"),
    (b"OggS", "Theora video"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "JPEG 2000 data"),
)


def checked(data: memoryview, said: str) -> tuple[str, memoryview]:
    """("jpeg" or "png", the picture's bytes without what follows its end). `said`: the publisher's
    name of the format, for messages.

    Raises ImageError for another format, a picture without its end, and a size that is zero or
    larger than the data can hold.
    """
    head = bytes(data[:16])
    if head.startswith(JPEG):
        kind, end = "jpeg", _end_of_jpeg(data)
    elif head.startswith(PNG):
        kind, end = "png", _end_of_png(data)
    else:
        raise ImageError("format", *_unknown(head, said))
    if not end:
        is_there = _END_OF_PNG in bytes(data[-_PADDING:])
        problem = "with a chunk longer than its data" if is_there else "without its end marker"
        raise ImageError("data", f"a {kind} {problem}", "a complete picture")
    data = data[:end]
    height, width = _png_size(data) if kind == "png" else _jpeg_size(data)
    largest = min(LARGEST_AREA, MOST_PIXELS[kind] * len(data))
    if not 0 < height * width <= largest:
        raise ImageError(
            "size", f"{height}x{width}", f"1 to {largest} pixels in {len(data)} bytes of {kind}"
        )
    return kind, data


def values_have_16_bits(data: memoryview) -> bool:
    """Whether data are a PNG of 16 bits per value."""
    return bytes(data[:8]) == PNG and len(data) > 24 and data[24] == 16


def video_codec(data: memoryview, said: str) -> str:
    """The codec ('h264', ...) of a video packet, by its first unit and by the name that the
    publisher gives; '' where the data are no video that this package decodes."""
    head, said = bytes(data[:5]), said.lower()
    named = next(
        (
            codec
            for codec, words in (
                ("h264", ("h264", "x264", "avc")),
                ("hevc", ("h265", "x265", "hevc")),
                ("vp9", ("vp9",)),
                ("av1", ("av1",)),
            )
            if any(word in said for word in words)
        ),
        "",
    )
    if not (head.startswith(b"\0\0\0\1") or head.startswith(b"\0\0\1")) or len(head) < 5:
        is_file = head[:2] in (JPEG, PNG[:2])
        return "" if is_file or named in ("h264", "hevc") else named
    unit = head[3] if head[2] == 1 else head[4]
    if named:
        return named
    if unit & 0x1F in (7, 9) and unit >> 5 in (0, 1, 2, 3):  # parameters, delimiter
        return "h264"
    return "hevc" if unit >> 1 in (32, 33, 34, 35) else "h264"


def _unknown(head: bytes, said: str) -> tuple[str, str]:
    """(what data that are neither JPEG nor PNG are, what to do)."""
    if "compresseddepth" in said.lower():
        return "a depth picture (compressedDepth)", f"JPEG or PNG data. {_RECORD}"
    if "theora" in said.lower():
        return "Theora video", f"JPEG or PNG data. {_RECORD}"
    if codec := video_codec(memoryview(head), said):
        return f"{VIDEO[codec]} video", f"JPEG or PNG data. {_VIDEO}"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "a WebP file", f"JPEG or PNG data. {_RECORD}"
    if head[4:8] == b"ftyp":
        return f"a file of type {head[8:12].decode(errors='replace')}", f"JPEG or PNG. {_RECORD}"
    for begin, name in _OTHERS:
        if head.startswith(begin):
            return name, f"JPEG or PNG data. {_RECORD}"
    return f"{said!r} beginning with {head[:4].hex() or 'nothing'}", "JPEG or PNG data"


def _end_of_jpeg(data: memoryview) -> int:
    """Where a JPEG ends; 0 where it has no end.

    Drivers put pictures into buffers of fixed size: zeros, padding or the rest of the picture
    before follow the end marker.
    """
    tail = bytes(data[-_PADDING:])
    if _END_OF_JPEG in tail:
        return len(data)
    whole, at = bytes(data), 2
    while (found := _MARKER.search(whole, at)) is not None:
        marker, at = whole[found.start() + 1], found.end()
        if marker == 0xD9:
            return at
        if marker not in (0x01, 0xD8):  # those have no content
            at += int.from_bytes(whole[at : at + 2], "big")
    return 0


def _end_of_png(data: memoryview) -> int:
    """Where a PNG ends; 0 where a chunk does not fit. OpenCV allocates up to 4 GB for one."""
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind = data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND":
            return at if at <= len(data) else 0
    return 0


def _png_size(data: memoryview) -> tuple[int, int]:
    """Height and width in the first chunk, which must be IHDR."""
    width, height = (
        struct.unpack(">II", data[16:24]) if data[12:16] == b"IHDR" and len(data) >= 24 else (0, 0)
    )
    return height, width


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
