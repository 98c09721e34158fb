"""Pictures: whatever is a legal message comes out as it went in; whatever is not is refused with a
reason."""

from __future__ import annotations

import array

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sensor_msgs.msg import CompressedImage, Image

from liquid_control.errors import ImageError
from liquid_control.perception.pictures import LARGEST_SIDE
from liquid_control.ros.images import (
    decoder,
    image_from_compressed,
    image_from_message,
    image_message,
)

CHANNELS = ("rgb8", "bgr8", "mono8")

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)


def message(picture: np.ndarray, encoding: str, padding: int = 0) -> Image:
    rows = picture.reshape(len(picture), -1)
    data = np.hstack([rows, np.full((len(rows), padding), 77, np.uint8)]).tobytes()
    out = Image(
        height=picture.shape[0],
        width=picture.shape[1],
        encoding=encoding,
        step=rows.shape[1] + padding,
    )
    out.data = array.array("B", data)
    return out


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, 9),
    st.sampled_from(sorted(CHANNELS)),
    st.integers(0, 1),
)
def test_every_legal_message_gives_its_picture(height, width, padding, encoding, bigendian):
    picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3), np.uint8)
    sent = {"rgb8": picture, "bgr8": picture[..., ::-1], "mono8": picture[..., 0]}[encoding]
    received = message(np.ascontiguousarray(sent), encoding, padding)
    received.is_bigendian = bigendian  # of no meaning for single bytes
    expected = np.repeat(picture[..., :1], 3, axis=2) if encoding == "mono8" else picture
    decoded = image_from_message(received)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, expected)


def test_message_and_back_is_the_same_picture():
    np.testing.assert_array_equal(image_from_message(image_message(PICTURE)), PICTURE)
    np.testing.assert_array_equal(
        image_from_message(image_message(PICTURE[:, ::-1])), PICTURE[:, ::-1]
    )


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"encoding": "bayer_rggb12"}, "encoding"),
        ({"encoding": ""}, "encoding"),
        ({"height": 0}, "size"),
        ({"width": LARGEST_SIDE + 1}, "size"),
        ({"height": 2**32 - 1, "width": 2**32 - 1}, "size"),
        ({"step": 17 * 3 - 1, "data": array.array("B", PICTURE.tobytes()[:-1])}, "step"),
        ({"step": 0, "data": array.array("B", PICTURE.tobytes()[:-1])}, "step"),
        ({"step": 2**32 - 1, "data": array.array("B", PICTURE.tobytes()[:-1])}, "data length"),
        ({"height": 13}, "data length"),
        ({"data": array.array("B")}, "data length"),
        ({"data": array.array("B", PICTURE.tobytes()[:-1])}, "data length"),
        ({"data": array.array("B", PICTURE.tobytes() + b"x")}, "data length"),
    ],
)
def test_messages_that_lie_are_refused(change, problem):
    lie = image_message(PICTURE)
    for name, value in change.items():
        setattr(lie, name, value)
    with pytest.raises(ImageError) as caught:
        image_from_message(lie)
    assert caught.value.problem == problem


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.sampled_from([*CHANNELS, "rgba8", "yuv422", "bayer_gbrg16", "x"]),
    st.binary(max_size=64),
)
def test_no_message_does_worse_than_an_image_error(height, width, step, encoding, data):
    lie = Image(height=height, width=width, step=step, encoding=encoding)
    lie.data = array.array("B", data)
    try:
        assert image_from_message(lie).shape == (height, width, 3)
    except ImageError:
        pass


def encoded(extension: str) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(PICTURE, cv2.COLOR_RGB2BGR))[1].tobytes()


def test_png_comes_out_exactly_and_jpeg_nearly():
    png = image_from_compressed(
        CompressedImage(format="rgb8; png compressed", data=array.array("B", encoded(".png")))
    )
    np.testing.assert_array_equal(png, PICTURE)
    smooth = np.tile(np.arange(0, 240, 4, dtype=np.uint8)[None, :, None], (40, 1, 3)) // np.array(
        [1, 2, 3], np.uint8
    )
    data = cv2.imencode(".jpg", cv2.cvtColor(smooth, cv2.COLOR_RGB2BGR))[1].tobytes()
    jpeg = image_from_compressed(
        CompressedImage(format="jpeg", data=array.array("B", data + b"\0" * 5))
    )
    assert np.abs(jpeg.astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_truncated_data_are_refused_wherever_they_end(extension):
    whole = encoded(extension)
    for length in range(0, len(whole) - 8, 7):
        with pytest.raises(ImageError):
            image_from_compressed(CompressedImage(data=array.array("B", whole[:length])))


@pytest.mark.parametrize("extension", [".png", ".jpg"])
def test_a_header_that_claims_billions_of_pixels_is_refused_before_they_are_allocated(extension):
    data = bytearray(encoded(extension))
    if extension == ".png":
        data[16:24] = b"\0\0\x7f\xff" * 2
    else:
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(ImageError) as caught:
        image_from_compressed(CompressedImage(data=array.array("B", bytes(data))))
    assert caught.value.problem == "size"


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=80),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"]),
    st.sampled_from([b"", b"\xff\xd9", b"IEND\xaeB`\x82"]),
)
def test_garbage_is_refused_with_an_image_error(garbage, head, tail):
    with pytest.raises(ImageError):
        image_from_compressed(
            CompressedImage(format="jpeg", data=array.array("B", head + garbage + tail))
        )


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_cameras_bits_in_use_are_found_from_its_first_pictures(bits):
    grey = PICTURE[..., 0].astype(np.uint32)
    grey[0, 0] = 255
    bright = message((grey * ((1 << bits) - 1) // 255).astype("<u2")[..., None], "mono16")
    dark = message((grey * 3 // 255).astype("<u2")[..., None], "mono16")
    decode = decoder(False, "auto")
    decode(dark)
    assert np.abs(decode(bright)[..., 0].astype(int) - grey).max() <= 1
    assert decode(dark).max() == 0
    np.testing.assert_array_equal(decoder(False, "16")(bright), image_from_message(bright))
    rgb = decoder(False, "auto")
    np.testing.assert_array_equal(rgb(image_message(PICTURE)), PICTURE)
