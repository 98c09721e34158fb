"""Samples that come in batches of one stamp are measurements of different times."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.recordings.driven_curvature import (
    PULSE_WIDTH,
    CurvatureSettings,
    Driven,
    driven_curvature,
)
from liquid_control.recordings.motion import Motion, Track, spread

MS = 10**6


def test_stamps_of_batches_are_spread_over_the_time_since_the_stamp_before():
    stamps = np.repeat(np.arange(1, 4) * 50 * MS, 5)
    assert spread(stamps).tolist() == [10 * MS * i for i in range(1, 16)]
    doubled = np.array([0, 10, 10, 20, 30, 30]) * MS
    assert spread(doubled).tolist() == [0, 5 * MS, 10 * MS, 20 * MS, 25 * MS, 30 * MS]
    after_a_gap = np.array([0, 10_000, 10_000]) * MS
    assert spread(after_a_gap).tolist() == [0, 9_900 * MS, 10_000 * MS]
    for ordinary in ([], [5], [5, 5, 5], [1, 2, 4, 8]):
        assert spread(np.array(ordinary, np.int64)).tolist() == ordinary


@pytest.mark.parametrize("size", [1, 2, 10])
def test_the_driven_curvature_of_a_gyro_in_batches_is_right(size):
    """200 Hz, `size` samples to a stamp, which is that of the last of them."""
    at = np.arange(0, 20_000, 5)
    rate = 0.2 * np.sin(at * 1.3e-3)
    stamps = (at // (5 * size) * 5 * size + 5 * (size - 1)) * MS
    motion = Motion(Track(stamps, rate), Track(at * MS, np.full(len(at), 8.0)))
    frames = np.arange(100, 19_900, 33)
    driven = driven_curvature(frames * MS, motion, CurvatureSettings(source="gyro"))
    assert driven.curvature == pytest.approx(0.2 / 8.0 * np.sin(frames * 1.3e-3), abs=1e-6)


def stick(rng: np.random.Generator, seconds: float) -> tuple[np.ndarray, np.ndarray]:
    """A wanted angle [rad] at 20 Hz, and a driver who gives it in pulses of the whole stick."""
    at = np.arange(0.0, seconds, 0.05)
    wanted = 0.2 * np.sin(at * 0.9)
    phase = np.cumsum(rng.uniform(0.5, 1.5, len(at))) / 8.0 % 1.0
    return wanted, 0.4 * np.sign(wanted) * (phase < np.abs(wanted) / 0.4)


def test_a_steering_in_pulses_is_averaged_and_another_is_not():
    wanted, pulses = stick(np.random.default_rng(0), 60.0)
    stamps = np.arange(len(wanted)) * 50 * MS
    vehicle = VehicleConfig(wheelbase=1.0, max_steering_angle=1.0)

    def taken(angle: np.ndarray, **settings: float) -> Driven:
        motion = Motion(steering_angle=Track(stamps, angle))
        return driven_curvature(stamps, motion, CurvatureSettings(**settings), vehicle)

    averaged, raw = taken(pulses), taken(pulses, smoothing=0.0)
    assert averaged.smoothing == PULSE_WIDTH and raw.smoothing == 0.0
    assert raw.curvature == pytest.approx(np.tan(pulses))
    errors = [np.abs(np.arctan(each.curvature) - wanted).mean() for each in (averaged, raw)]
    assert errors[0] < 0.6 * errors[1]
    # No lag: the mean is as early as it is late.
    middle = slice(20, -20)
    got = averaged.curvature[middle]
    shifts = [np.corrcoef(np.roll(wanted, by)[middle], got)[0, 1] for by in (-4, 0, 4)]
    assert shifts[1] == max(shifts)

    steady = taken(wanted)
    assert steady.smoothing == 0.0
    assert steady.curvature == pytest.approx(np.tan(wanted))
