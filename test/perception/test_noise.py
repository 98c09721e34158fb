from __future__ import annotations

import numpy as np
import pytest

from liquid_control.perception.noise import add_gaussian_noise

SHAPE = (40, 60, 3)


@pytest.fixture
def normal():
    return np.random.default_rng(0).standard_normal(SHAPE, np.float32)


def test_its_deviation_is_of_the_full_range(normal):
    grey = np.full(SHAPE, 128, np.uint8)
    noisy = add_gaussian_noise(grey, 0.1, normal)
    assert noisy.dtype == np.uint8
    assert np.std(noisy.astype(float)) == pytest.approx(25.5, rel=0.03)
    assert (grey == 128).all()


def test_values_are_clipped_and_do_not_wrap_around(normal):
    for level in (0, 255):
        noisy = add_gaussian_noise(np.full(SHAPE, level, np.uint8), 0.2, normal).astype(int)
        assert np.abs(noisy - level).max() < 255
        assert 0.4 < np.mean(noisy == level) < 0.6


def test_rounding_goes_to_the_nearest_and_cutting_off_goes_down(normal):
    image = np.random.default_rng(1).integers(0, 256, SHAPE, np.uint8)
    exact = np.clip(image + normal.astype(float) * 255 * 0.05, 0, 255)
    assert np.abs(add_gaussian_noise(image, 0.05, normal) - exact).max() < 0.501
    cut = exact - add_gaussian_noise(image, 0.05, normal, rounded=False)
    assert -1e-3 < cut.min() and cut.max() < 1.001
