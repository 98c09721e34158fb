"""The crop from a camera's calibration: the same angles on every camera."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_control.config import PreprocessConfig
from liquid_control.perception.observer import Observer
from liquid_control.perception.view import Intrinsics, ViewError, ViewSettings, crop_of
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.view import crop_for
from liquid_control.signals import Frame

PREPROCESS = PreprocessConfig(8, 16, crop_top=0.5)
VIEW = ViewSettings("camera_info", width=0.8, above=0.1, below=0.3)


def info(width=640, height=480, focal=400.0, roi=(0, 0, 0, 0)):
    names = ("x_offset", "y_offset", "width", "height")
    return SimpleNamespace(
        width=width,
        height=height,
        k=[focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0],
        roi=SimpleNamespace(**dict(zip(names, roi, strict=True))),
    )


@given(
    width=st.integers(320, 4096),
    aspect=st.floats(0.5, 1.0),
    focal=st.floats(0.5, 0.75),
    pitch=st.floats(-0.05, 0.05),
)
def test_every_camera_shows_the_same_angles(width, aspect, focal, pitch):
    """The borders of the crop, projected back through the camera, are the angles asked for."""
    height = round(aspect * width)
    camera = Intrinsics.from_message(info(width, height, focal * min(width, height)))
    view = dataclasses.replace(VIEW, pitch=pitch)
    crop = crop_of(camera, view, PREPROCESS)
    f, x, y = camera.matrix[0], camera.matrix[2], camera.matrix[5]
    assert math.atan((x - crop.crop_left * width) / f) == pytest.approx(0.4, abs=2e-3)
    assert math.atan(((1 - crop.crop_right) * width - x) / f) == pytest.approx(0.4, abs=2e-3)
    above = math.atan((y - crop.crop_top * height) / f)
    below = math.atan(((1 - crop.crop_bottom) * height - y) / f)
    assert (above, below) == (
        pytest.approx(0.1 + pitch, abs=2e-3),
        pytest.approx(0.3 - pitch, abs=2e-3),
    )
    assert (crop.height, crop.width) == (8, 16)


def test_a_camera_that_looks_down_at_the_road_in_front_of_a_small_robot():
    """By 0.5 rad: the horizon is above its picture's middle by as much."""
    camera = Intrinsics.of_lens(480, 640, 1.6)
    view = dataclasses.replace(VIEW, pitch=0.5, above=-0.1, below=0.9)
    crop = crop_of(camera, view, PREPROCESS)
    f, y = camera.matrix[0], camera.matrix[5]
    assert math.atan((y - crop.crop_top * 480) / f) == pytest.approx(0.4, abs=2e-3)
    assert math.atan(((1 - crop.crop_bottom) * 480 - y) / f) == pytest.approx(0.4, abs=2e-3)
    for wrong in ({"pitch": 0.9, "above": 1.0}, {"pitch": -0.7, "below": 1.1}):
        with pytest.raises(ValueError, match="rad off the camera's axis"):
            crop_of(camera, dataclasses.replace(VIEW, **wrong), PREPROCESS)


def test_a_region_of_interest_shows_the_same_as_the_whole_picture():
    """Of the lower 400 rows and all but 40 columns at either side."""
    whole = Intrinsics.from_message(info())
    part = Intrinsics.from_message(info(roi=(40, 80, 560, 400)))
    assert (part.width, part.height) == (560, 400)
    picture = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    seen = []
    for camera, pixels in ((whole, picture), (part, picture[80:, 40:600])):
        observer = Observer(crop_of(camera, VIEW, PREPROCESS))
        seen.append(observer.push(Frame(1, np.ascontiguousarray(pixels))).image)
    assert np.abs(seen[0].astype(int) - seen[1]).mean() < 4  # borders are whole pixels


@pytest.mark.parametrize(
    "changes", [{"focal": 0.0}, {"focal": math.nan}, {"focal": -1.0}, {"width": 0}, {"height": 0}]
)
def test_a_camera_that_is_not_calibrated_is_refused(changes):
    with pytest.raises(ValueError, match="not calibrated"):
        crop_of(Intrinsics.from_message(info(**changes)), VIEW, PREPROCESS)


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"width": 320, "height": 1312, "focal": 160.0}, "a small part"),
        ({"focal": 900.0}, "short of the view at the left"),
    ],
)
def test_a_view_that_the_camera_does_not_have_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        crop_of(Intrinsics.from_message(info(**changes)), VIEW, PREPROCESS)


def test_a_lens_of_half_the_picture_is_its_middle():
    """Of a lens of 90 degrees the middle 53 degrees are half of the columns."""
    view = ViewSettings("lens", lens=math.pi / 2, width=2 * math.atan(0.5), above=0.1, below=0.3)
    crop = crop_of(Intrinsics.of_lens(480, 640, view.lens), view, PREPROCESS)
    assert (crop.crop_left, crop.crop_right) == (pytest.approx(0.25), pytest.approx(0.25))


def test_a_matrix_of_another_size_is_refused():
    message = info()
    message.k = message.k[:8]
    with pytest.raises(ValueError, match="8 numbers"):
        Intrinsics.from_message(message)


@pytest.mark.parametrize(
    "size, fits", [((480, 640), True), ((240, 320), True), ((480, 600), False), ((640, 480), False)]
)
def test_pictures_of_another_shape_than_the_calibration_are_refused(size, fits):
    camera = Intrinsics.from_message(info())
    assert camera.fits(*size) is fits
    frame = Frame(1, np.zeros((*size, 3), np.uint8))
    with InMemoryRecording([(1, frame)], camera=camera) as recording:
        if fits:
            assert crop_for(recording, VIEW, PREPROCESS) == crop_of(camera, VIEW, PREPROCESS)
        else:
            with pytest.raises(ViewError, match=f"it is of 640x480, the pictures are {size[1]}x"):
                crop_for(recording, VIEW, PREPROCESS)
        lens = dataclasses.replace(VIEW, source="lens")
        camera = Intrinsics.of_lens(*size, 1.2)
        assert crop_for(recording, lens, PREPROCESS) == crop_of(camera, VIEW, PREPROCESS)
        flags = dataclasses.replace(VIEW, source="flags")
        assert crop_for(recording, flags, PREPROCESS) == PREPROCESS
