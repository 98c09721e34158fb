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
    ENCODINGS,
    LARGEST_SIDE,
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


def sent(picture: np.ndarray, encoding: str) -> np.ndarray:
    """The picture as a camera with that encoding would send it."""
    alpha = np.full((*picture.shape[:2], 1), 9, np.uint8)
    if encoding.startswith("bayer"):
        values = mosaic(picture, encoding[6:10])
        return values if encoding.endswith("8") else values.astype(np.uint16) << 8
    return {
        "rgb8": picture,
        "bgr8": picture[..., ::-1],
        "8UC3": picture[..., ::-1],
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
    decoded = image_from_message(message(values, encoding, padding, bigendian))
    assert decoded.dtype == np.uint8 and decoded.shape == SMOOTH.shape
    expected = (
        np.repeat(SMOOTH[..., 1:2], 3, -1)
        if "mono" in encoding or encoding.endswith("UC1")
        else SMOOTH
    )
    error = np.abs(decoded.astype(int) - expected)
    if encoding.startswith(("bayer", "yu", "uyvy")):
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
