"""Encodings: a picture sent in any of them comes out as itself, as far as the encoding can hold it;
what lies is refused."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.errors import ImageError
from liquid_control.perception.pictures import (
    BITS,
    ENCODINGS,
    LARGEST_SIDE,
    bits_in_use,
    image_from_compressed,
    image_from_message,
)

SMOOTH = np.stack(
    [np.add.outer(np.arange(24) * a, np.arange(32) * b) % 256 for a, b in ((3, 2), (1, 4), (2, 1))],
    axis=-1,
).astype(np.uint8)
SMOOTH = cv2.GaussianBlur(SMOOTH, (0, 0), 4)
BAYER = {"rggb": (0, 1, 1, 2), "bggr": (2, 1, 1, 0), "gbrg": (1, 2, 0, 1), "grbg": (1, 0, 2, 1)}
"""Colour (0 red, 1 green, 2 blue) of the pixels at the top left: (0, 0), (0, 1), (1, 0), (1, 1), as
the name spells them."""


def message(
    values: np.ndarray, encoding: str, padding: int = 0, bigendian: int = 0
) -> SimpleNamespace:
    """`values` (H, W, ...) of the encoding's own kind."""
    kind = values.dtype.newbyteorder(">" if bigendian else "<")
    rows = values.astype(kind).reshape(len(values), -1).view(np.uint8)
    data = np.hstack([rows, np.full((len(rows), padding), 77, np.uint8)])
    return SimpleNamespace(
        height=values.shape[0],
        width=values.shape[1],
        encoding=encoding,
        step=data.shape[1],
        is_bigendian=bigendian,
        data=data.reshape(-1),
    )


def mosaic(picture: np.ndarray, pattern: str) -> np.ndarray:
    out = np.empty(picture.shape[:2], picture.dtype)
    for place, colour in enumerate(BAYER[pattern]):
        y, x = divmod(place, 2)
        out[y::2, x::2] = picture[y::2, x::2, colour]
    return out


def uyvy(picture: np.ndarray) -> np.ndarray:
    """BT.601 in video range; two pixels share their colours."""
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u, v = (
        128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    )
    out = np.empty((*picture.shape[:2], 2))
    out[..., 1] = luma
    out[:, 0::2, 0], out[:, 1::2, 0] = (u[:, 0::2] + u[:, 1::2]) / 2, (v[:, 0::2] + v[:, 1::2]) / 2
    return np.clip(np.round(out), 0, 255).astype(np.uint8)


def planes(picture: np.ndarray, encoding: str) -> np.ndarray:
    """BT.601 in video range: a plane of luma, below it one of colours, with two pairs of rows and
    columns for one colour where the encoding shares them."""
    red, green, blue = np.moveaxis(picture.astype(float), -1, 0)
    luma = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u, v = (
        128 - 0.148 * red - 0.291 * green + 0.439 * blue,
        128 + 0.439 * red - 0.368 * green - 0.071 * blue,
    )
    height, width = luma.shape
    if encoding == "nv24":
        colours = np.stack([u, v], -1).reshape(2 * height, width)
    else:
        u, v = (x.reshape(height // 2, 2, width // 2, 2).mean((1, 3)) for x in (u, v))
        pair = (u, v) if encoding == "nv12" else (v, u)
        colours = np.stack(pair, -1).reshape(height // 2, width)
    return np.clip(np.round(np.vstack([luma, colours])), 0, 255).astype(np.uint8)


def sent(picture: np.ndarray, encoding: str) -> np.ndarray:
    """The picture as a camera with that encoding would send it."""
    alpha = np.full((*picture.shape[:2], 1), 9, np.uint8)
    if encoding.startswith("nv"):
        return planes(picture, encoding)
    if encoding.startswith(("rgb", "bgr")) and encoding.endswith("16"):
        return sent(picture, encoding.replace("16", "8")).astype(np.uint16) << 8 | 77
    if encoding in ("16UC3", "16UC4"):
        return sent(picture, encoding.replace("16", "8")).astype(np.uint16) << 8
    if encoding.startswith("bayer"):
        values = mosaic(picture, encoding[6:10])
        return values if encoding.endswith("8") else values.astype(np.uint16) << 8
    return {
        "rgb8": picture,
        "bgr8": picture[..., ::-1],
        "8UC3": picture[..., ::-1],
        "8UC4": np.concatenate([picture[..., ::-1], alpha], -1),
        "rgba8": np.concatenate([picture, alpha], -1),
        "bgra8": np.concatenate([picture[..., ::-1], alpha], -1),
        "mono8": picture[..., 1],
        "8UC1": picture[..., 1],
        "mono16": picture[..., 1].astype(np.uint16) << 8 | 200,
        "16UC1": picture[..., 1].astype(np.uint16) << 8,
        "yuv422": uyvy(picture),
        "uyvy": uyvy(picture),
        "yuv422_yuy2": uyvy(picture)[..., ::-1],
        "yuyv": uyvy(picture)[..., ::-1],
    }[encoding]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("padding, bigendian", [(0, 0), (6, 0), (2, 1)])
def test_every_encoding_gives_the_picture_that_was_sent(encoding, padding, bigendian):
    values = np.ascontiguousarray(sent(SMOOTH, encoding))
    received = message(values, encoding, padding, bigendian)
    received.height = len(SMOOTH)
    if encoding == "nv24" and padding:  # a row of colours is two steps long, its padding at the end
        colours = values[len(SMOOTH) :].reshape(len(SMOOTH), -1)
        rows = np.pad(colours, ((0, 0), (0, 2 * padding)), constant_values=77)
        received.data[len(SMOOTH) * received.step :] = rows.reshape(-1)
    decoded = image_from_message(received)
    assert decoded.dtype == np.uint8 and decoded.shape == SMOOTH.shape
    expected = (
        np.repeat(SMOOTH[..., 1:2], 3, -1)
        if "mono" in encoding or encoding.endswith("UC1")
        else SMOOTH
    )
    error = np.abs(decoded.astype(int) - expected)
    if encoding.startswith(("bayer", "yu", "uyvy", "nv")):
        assert error[2:-2, 2:-2].mean() < 2.5 and error[2:-2, 2:-2].max() < 20
        assert (
            np.abs((decoded.astype(int) - expected).mean((0, 1))).max() < 1.5
        )  # no colour in another's place
    else:
        assert error.max() == 0


def test_rgb8_is_not_copied():
    received = message(SMOOTH, "rgb8", padding=4)
    assert np.shares_memory(image_from_message(received), received.data)


@settings(max_examples=200, deadline=None)
@given(
    *[st.integers(0, 2**32 - 1) | st.integers(0, most) for most in (6, 6, 16)],
    st.sampled_from([*ENCODINGS, "32FC1", ""]),
    st.integers(0, 255),
    st.booleans(),
)
def test_no_claim_does_worse_than_an_image_error(height, width, step, encoding, bigendian, fitting):
    data = np.zeros(step * height if fitting and step * height < 4096 else 64, np.uint8)
    claim = SimpleNamespace(
        height=height, width=width, step=step, encoding=encoding, is_bigendian=bigendian, data=data
    )
    try:
        assert image_from_message(claim).shape == (height, width, 3)
    except ImageError:
        pass


@pytest.mark.parametrize(
    "encoding, values, problem",
    [
        ("yuv422", np.zeros((4, 5, 2), np.uint8), "size"),
        ("bayer_rggb8", np.zeros((2, 2), np.uint8), "size"),
        ("mono16", np.zeros((4, 4), np.uint8), "step"),
        ("nv12", np.zeros((5, 4), np.uint8), "data length"),
        ("8UC2", np.zeros((4, 4, 2), np.uint8), "encoding"),
        ("32FC1", np.zeros((4, 4), np.float32), "encoding"),
        ("mono8", np.zeros((1, LARGEST_SIDE + 1), np.uint8), "size"),
    ],
)
def test_what_an_encoding_cannot_hold_is_refused(encoding, values, problem):
    with pytest.raises(ImageError) as caught:
        image_from_message(message(values, encoding))
    assert caught.value.problem == problem


def compressed(picture: np.ndarray, extension: str, said: str) -> SimpleNamespace:
    return SimpleNamespace(format=said, data=cv2.imencode(extension, picture)[1].reshape(-1))


@pytest.mark.parametrize(
    "extension, said",
    [
        (".png", "png"),
        (".png", "rgb8; png compressed bgr8"),
        (".jpg", "jpeg"),
        (".jpg", "bgr8; jpeg compressed bgr8"),
        (".jpg", "bayer_rggb8; jpeg compressed bgr8"),
        (".png", ""),
    ],
)
def test_compressed_pictures_have_their_colours_in_place(extension, said):
    decoded = image_from_compressed(compressed(SMOOTH[..., ::-1], extension, said))
    assert np.abs(decoded.astype(int) - SMOOTH).mean() < (0.01 if extension == ".png" else 3)


def test_a_publisher_that_says_that_it_swapped_the_colours_is_understood():
    decoded = image_from_compressed(compressed(SMOOTH, ".png", "rgb8; png compressed rgb8"))
    np.testing.assert_array_equal(decoded, SMOOTH)


@pytest.mark.parametrize("values", [SMOOTH[..., 1], SMOOTH[..., 1].astype(np.uint16) << 8])
def test_compressed_grey_pictures_become_rgb(values):
    decoded = image_from_compressed(compressed(values, ".png", "mono8; png compressed"))
    np.testing.assert_array_equal(decoded, np.repeat(SMOOTH[..., 1:2], 3, -1))


def test_data_may_be_anything_with_bytes():
    data = cv2.imencode(".png", SMOOTH[..., ::-1])[1].tobytes()
    for kind in (bytes, bytearray, memoryview, lambda b: np.frombuffer(b, np.uint8)):
        np.testing.assert_array_equal(
            image_from_compressed(SimpleNamespace(format="png", data=kind(data))), SMOOTH
        )


@pytest.mark.parametrize("encoding", ["rgba8", "rgb8", "mono16", "uyvy", "nv12", "nv24", "rgba16"])
@pytest.mark.parametrize("step", [0, 4, 32, 2**32 - 1])
def test_a_wrong_step_does_not_matter_where_the_rows_are_packed(encoding, step):
    right = message(np.ascontiguousarray(sent(SMOOTH, encoding)), encoding)
    right.height = len(SMOOTH)
    wrong = SimpleNamespace(**{**vars(right), "step": step})
    np.testing.assert_array_equal(image_from_message(wrong), image_from_message(right))


def test_a_wrong_step_and_data_of_another_length_are_refused_with_the_length_that_would_do():
    wrong = message(SMOOTH, "rgb8", padding=1)
    wrong.step = 0
    with pytest.raises(ImageError, match=f"; {SMOOTH.size} bytes of data would be read") as caught:
        image_from_message(wrong)
    assert caught.value.problem == "step"


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("encoding", ["mono16", "16UC1", "rgb16", "bayer_rggb16", "bgra16"])
@pytest.mark.parametrize("bigendian", [0, 1])
def test_values_in_the_low_end_of_16_bits_keep_their_grey_levels(bits, encoding, bigendian):
    """Within one level of the same picture in 8 bits."""
    eight = sent(SMOOTH, encoding.replace("16", "8"))
    brightest = np.array(255, np.uint8)
    eight.reshape(-1)[0] = brightest
    values = (eight.astype(np.uint32) * ((1 << bits) - 1) // 255).astype(np.uint16)
    received = message(values, encoding, bigendian=bigendian)
    assert bits_in_use(received) == bits
    decoded = image_from_message(received, bits).astype(int)
    expected = image_from_message(message(eight, encoding.replace("16", "8"))).astype(int)
    assert np.abs(decoded - expected).max() <= 1


def test_values_above_the_bits_in_use_are_white():
    values = np.array([[0, 1023, 1024, 65535]], np.uint16)
    picture = image_from_message(message(values, "mono16"), 10)
    assert picture[0, :, 0].tolist() == [0, 255, 255, 255]


def test_bits_of_other_messages_are_16():
    assert bits_in_use(message(SMOOTH, "rgb8")) == 16
    assert bits_in_use(compressed(SMOOTH, ".png", "png")) == 16
    assert bits_in_use(SimpleNamespace(format="jpeg", data=b"")) == 16
    low = compressed(SMOOTH[..., 1].astype(np.uint16) * 16, ".png", "mono16; png compressed ")
    assert bits_in_use(low) == 12
    assert np.abs(image_from_compressed(low, 12)[..., 0].astype(int) - SMOOTH[..., 1]).max() == 0


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_what_lies_behind_the_end_of_a_picture_is_ignored(extension, progressive):
    """Drivers with buffers of fixed size: zeros, padding, the rest of the picture before."""
    settings = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive] if extension == ".jpg" else []
    data = cv2.imencode(extension, SMOOTH[..., ::-1], settings)[1].tobytes()
    other = cv2.imencode(extension, np.tile(SMOOTH, (3, 3, 1)))[1].tobytes()
    whole = image_from_compressed(SimpleNamespace(format="", data=data))
    rests = [bytes(3), bytes(70_000), b"\xff" * 512, other[len(data) :], other[: len(other) - 9]]
    for rest in rests:
        padded = image_from_compressed(SimpleNamespace(format="", data=data + rest))
        np.testing.assert_array_equal(padded, whole)
    for length in range(0, len(data) - 3, 11):  # what is missing is not made good by padding
        with pytest.raises(ImageError):
            image_from_compressed(SimpleNamespace(format="", data=data[:length] + bytes(5000)))


def test_an_end_marker_inside_a_segment_is_not_the_end():
    """A thumbnail in the header of a JPEG has its own."""
    data = cv2.imencode(".jpg", SMOOTH[..., ::-1])[1].tobytes()
    thumbnail = cv2.imencode(".jpg", SMOOTH[:8, :8])[1].tobytes()
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    with_thumbnail = data[:2] + segment + data[2:]
    for rest in (b"", bytes(500)):
        decoded = image_from_compressed(SimpleNamespace(format="", data=with_thumbnail + rest))
        assert decoded.shape == SMOOTH.shape
    with pytest.raises(ImageError, match="end marker"):
        image_from_compressed(
            SimpleNamespace(format="", data=with_thumbnail[: len(segment) + 300] + bytes(500))
        )


@pytest.mark.parametrize("pattern", BAYER)
@pytest.mark.parametrize(
    "extension, values", [(".png", np.uint8), (".jpg", np.uint8), (".png", np.uint16)]
)
def test_a_mosaic_in_a_file_is_read_in_colours(pattern, extension, values):
    """The publisher of compressed pictures stores an encoding without colour as it is."""
    raw = mosaic(SMOOTH, pattern)
    wide = values == np.uint16
    stored = raw.astype(np.uint16) << 8 if wide else raw
    quality = [cv2.IMWRITE_JPEG_QUALITY, 100] if extension == ".jpg" else []
    said = f"bayer_{pattern}{16 if wide else 8}; {extension[1:].replace('jpg', 'jpeg')} compressed "
    data = cv2.imencode(extension, stored, quality)[1].tobytes()
    decoded = image_from_compressed(SimpleNamespace(format=said, data=data))
    error = np.abs(decoded.astype(int) - SMOOTH)[2:-2, 2:-2]
    assert error.mean() < 3 and error.max() < 24
    assert np.abs((decoded.astype(int) - SMOOTH)[2:-2, 2:-2].mean((0, 1))).max() < 1.5


def units(*heads: int) -> bytes:
    return b"".join(b"\0\0\0\1" + bytes([head]) + b"payload" for head in heads)


@pytest.mark.parametrize(
    "said, data, told",
    [
        ("h264", units(0x67, 0x68, 0x65), "H.264 video"),
        ("h264", units(0x41), "H.264 video"),
        ("", units(0x67), "H.264 video"),
        ("", units(0x09), "H.264 video"),
        ("", units(0x40, 0x42), "H.265 video"),
        ("h265", units(0x02), "H.265 video"),
        ("zstd", b"\x28\xb5\x2f\xfd" + bytes(20), "zstd data"),
        ("16UC1; compressedDepth png", bytes(12) + b"\x89PNG\r\n\x1a\n", "a depth picture"),
        ("webp", b"RIFF\x10\0\0\0WEBPVP8 ", "a WebP file"),
        ("avif", b"\0\0\0\x1cftypavif", "a file of type avif"),
    ],
)
def test_other_formats_are_named_with_what_to_do_and_one_line_for_all_messages(said, data, told):
    lines = set()
    for end in (b"a", b"b"):
        with pytest.raises(ImageError, match=f"got {told}.*JPEG or PNG.* as Image") as caught:
            image_from_compressed(SimpleNamespace(format=said, data=data + end))
        lines.add(str(caught.value))
    assert len(lines) == 1


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_pictures_without_their_end_have_one_line_whatever_their_length(kind):
    lines = set()
    for size in (16, 24):
        picture = cv2.imencode(f".{kind}", np.zeros((size, size, 3), np.uint8))[1].tobytes()
        with pytest.raises(ImageError, match=f"got a {kind} without its end marker") as caught:
            image_from_compressed(SimpleNamespace(format=kind, data=picture[:-14] + bytes(64)))
        lines.add(str(caught.value))
    assert len(lines) == 1
