"""Two moments under the same stamps are told from anything else that makes messages dense."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.inspection.interleaved import Interleaving
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

PERIODS = {"camera": 0.05, "imu": 0.01, "speed": 0.02, "steering": 0.04}


def sample(role: str, at: float, noise: float):
    """What is measured at a moment [s]."""
    rate = 0.3 * np.sin(1.3 * at) + noise
    if role == "camera":
        return Frame(0, np.zeros((1, 1, 3), np.uint8))
    if role == "imu":
        return ImuSample(0, (0.0, 0.0, rate), (0.0, 8.0 * rate, 9.81))
    return SpeedSample(0, 8.0 + rate) if role == "speed" else SteeringSample(0, rate, 8.0)


def found(stamp_of, noise: float = 0.003, keep=lambda role, at: True, seconds: float = 25.0):
    """Places in a drive whose messages are sorted by `stamp_of` (moment) [s]."""
    rng, rows = np.random.default_rng(0), []
    for role, period in PERIODS.items():
        for at in np.arange(0.0, seconds, period) + rng.uniform(0.0, 0.2 * period):
            if keep(role, at):
                rows.append((stamp_of(at), role, sample(role, at, noise * rng.normal())))
    interleaving = Interleaving()
    for stamp, role, one in sorted(rows, key=lambda row: row[0]):
        interleaving.push(role, stamp, one)
    return interleaving.found()


@pytest.mark.parametrize("back", [1.0037, 5.0137, 9.02])
def test_a_clock_that_was_set_back_and_sorted_away_is_found_where_it_was(back):
    ((begin, end),) = found(lambda at: at if at < 12.0 else at - back)
    assert begin == pytest.approx(12.0 - back, abs=0.3) and end == pytest.approx(12.0, abs=0.3)


def test_nothing_else_is_taken_for_it():
    assert found(lambda at: at) == []
    assert found(lambda at: at, noise=1.0) == [], "mere noise"
    half = lambda role, at: at > 8.0 or round(at / PERIODS[role]) % 2 == 0  # noqa: E731
    assert found(lambda at: at, keep=half) == [], "all rates double"
    assert found(lambda at: min(at, 12.0) + max(at - 14.0, 0.0)) == [], "stamps stand for a while"
    assert found(lambda at: at if at < 12.0 else at + 5.0) == [], "set forward"
    only_imu = lambda role, at: role == "imu" or at < 12.0  # noqa: E731
    assert found(lambda at: at if at < 12.0 else at - 5.0, keep=only_imu) == [], "one role alone"
