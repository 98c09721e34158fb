"""The one preprocessing: exact where it can be, clear errors where it cannot."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError
from liquid_control.perception.observer import preprocess

SMALL = PreprocessConfig(height=32, width=64)
NOISE = np.random.default_rng(0).integers(0, 256, (96, 192, 3), dtype=np.uint8)


def test_a_picture_of_the_right_size_comes_back_untouched():
    image = np.ascontiguousarray(NOISE[:32, :64])
    same = preprocess(image, SMALL)
    assert np.array_equal(same, image) and np.shares_memory(same, image)


def test_shrinking_by_a_whole_factor_is_the_mean_of_each_block():
    blocks = NOISE.reshape(32, 3, 64, 3, 3).mean((1, 3))
    small = preprocess(NOISE, SMALL)
    assert small.shape == (32, 64, 3) and small.dtype == np.uint8 and small.flags.c_contiguous
    assert np.abs(small - blocks).max() <= 0.5


def test_the_crop_takes_shares_of_the_camera_picture():
    config = PreprocessConfig(
        height=24, width=48, crop_top=0.5, crop_bottom=0.25, crop_left=0.25, crop_right=0.5
    )
    cut = preprocess(NOISE, config)
    assert np.array_equal(cut, NOISE[48:72, 48:96]) and cut.flags.c_contiguous


def test_a_flat_picture_stays_flat_at_any_factor():
    flat = np.full((71, 97, 3), (200, 100, 50), np.uint8)
    assert (preprocess(flat, SMALL) == flat[0, 0]).all()


def test_views_with_gaps_in_memory_are_the_same_picture():
    config = PreprocessConfig(height=32, width=64, crop_left=0.1)
    assert np.array_equal(
        preprocess(NOISE[:, ::-1], config), preprocess(np.ascontiguousarray(NOISE[:, ::-1]), config)
    )


@pytest.mark.parametrize(
    "image, message",
    [
        (None, "NoneType.*uint8"),
        (NOISE.astype(np.float32), "float32.*uint8"),
        (NOISE[..., 0], r"\(96, 192\).*\(height, width, 3\)"),
        (np.zeros((96, 192, 4), np.uint8), r"\(96, 192, 4\)"),
        (NOISE[:31], "31x192.*32x64"),
        (NOISE[:, :63], "96x63.*32x64"),
        (np.zeros((0, 0, 3), np.uint8), "0x0.*32x64"),
    ],
)
def test_a_wrong_picture_is_an_error_that_says_got_and_expected(image, message):
    with pytest.raises(ImageError, match=message):
        preprocess(image, SMALL)


def test_a_crop_that_leaves_too_little_says_so():
    with pytest.raises(ImageError, match="after the crop: got 20x192"):
        preprocess(NOISE, PreprocessConfig(height=32, width=64, crop_top=0.8))
