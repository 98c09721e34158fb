from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.errors import ConfigError
from liquid_control.policy.encoder import PublishedEncoder, SlimEncoder, StridedEncoder, standardise


def count(module):
    return sum(p.numel() for p in module.parameters())


def images(n, height, width):
    return torch.randint(
        0, 256, (n, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_the_published_head_has_the_published_parameters():
    encoder = PublishedEncoder(78, 200, 32)
    assert count(encoder) == 79_420
    assert encoder(images(2, 78, 200)).shape == (2, 32)


def test_the_slim_encoder_is_slim():
    assert 33_000 <= count(SlimEncoder(32, 64, 29)) <= count(StridedEncoder(64, 128, 29)) <= 40_000


@settings(max_examples=15, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90), st.sampled_from([8, 16, 24]))
def test_any_image_size_works(height, width, features):
    for encoder in (SlimEncoder, StridedEncoder, PublishedEncoder):
        out = encoder(height, width, features)(images(2, height, width))
        assert out.shape == (2, features) and torch.isfinite(out).all() and out.abs().max() <= 1


def test_standardised_pixels_have_mean_zero_and_deviation_one_per_image():
    pixels = standardise(images(5, 32, 64))
    assert pixels.shape == (5, 3, 32, 64)
    assert pixels.mean(dim=(1, 2, 3)).abs().max() < 1e-5
    assert (pixels.square().mean(dim=(1, 2, 3)).sqrt() - 1).abs().max() < 1e-5


def test_light_and_contrast_of_the_whole_image_do_not_matter():
    torch.manual_seed(0)
    dark = images(3, 32, 64) // 3
    bright = dark * 2 + 60
    for encoder in (
        SlimEncoder(32, 64, 29),
        StridedEncoder(32, 64, 29),
        PublishedEncoder(32, 64, 24),
    ):
        assert (encoder(dark) - encoder(bright)).abs().max() < 1e-4


@pytest.mark.parametrize("level", [0, 128, 255])
def test_an_image_of_one_colour_stays_finite(level):
    image = torch.full((1, 32, 64, 3), level, dtype=torch.uint8)
    assert (
        torch.isfinite(SlimEncoder(32, 64, 29)(image)).all() and standardise(image).abs().max() == 0
    )


def test_features_that_cannot_be_shared_out_are_refused():
    with pytest.raises(ConfigError, match="multiple of 8"):
        PublishedEncoder(78, 200, 29)
    with pytest.raises(ConfigError, match="at least 2"):
        SlimEncoder(32, 64, 1)
