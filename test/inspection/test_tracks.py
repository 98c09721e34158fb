"""What an inspection keeps of stamps and signals: right whatever the blocks, and bounded."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.inspection.series import LARGEST, SeriesTrack
from liquid_control.inspection.stamps import StampTrack


def test_stamp_statistics_do_not_depend_on_blocks_and_stay_small():
    rng = np.random.default_rng(0)
    steps = rng.uniform(0.004, 0.006, 50_000)
    steps[[20, 30_000]] = 0.7, 1.9
    steps[[5_000, 8_192, 16_384]] = 0.0
    steps[[9_000]] = -0.05
    seconds = np.cumsum(steps)
    stamps = np.rint(seconds * 1e9).astype(np.int64)
    track = StampTrack(0)
    for stamp in stamps.tolist():
        track.push(stamp + 1, stamp + 3_000_001, stamp + 1)
    report = track.report()
    differences = np.diff(stamps) * 1e-9
    assert (
        report.count == 50_000
        and report.backward == (differences < 0).sum()
        and report.duplicates == (differences == 0).sum()
    )
    assert report.interval == pytest.approx(np.median(differences), rel=0.01)
    assert [round(length, 3) for _, length in report.gaps] == [1.9, 0.7] and report.gap_count == 2
    assert report.gaps[0][0] == pytest.approx(seconds[29_999], abs=1e-6)
    assert report.latency == pytest.approx(0.003, abs=1e-9) and abs(report.drift) < 1e-12
    assert track._longest.shape[0] <= 128 and len(track._bins) <= 4096


def test_a_series_is_bounded_and_keeps_mean_and_extremes():
    track, rng = SeriesTrack(1), np.random.default_rng(0)
    values = rng.normal(size=LARGEST + 100_000)
    values[777] = 50.0
    for i, value in enumerate(values.tolist()):
        track.push((i * 0.001, value))
    rows, (column,) = track.rows, track.report()
    assert len(rows) <= LARGEST and np.all(np.diff(rows[:, 0]) > 0)
    assert (
        column.highest == 50.0
        and column.mean == pytest.approx(values.mean())
        and column.deviation == pytest.approx(values.std())
    )
    assert np.interp(100.0, rows[:, 0], np.cumsum(rows[:, 1])) != 0.0


def test_a_repetition_across_blocks_is_one():
    track = SeriesTrack(2, {"both": slice(0, 2)})
    rng = np.random.default_rng(0)
    for i in range(20_000):
        still = 4000 <= i < 12_500
        track.push(
            (i * 0.01, 1.0 if still else rng.normal(), 2.0 if still else rng.normal()),
            moving=i < 12_000,
        )
    track.report()
    assert track.stuck == {"both": [(pytest.approx(40.0), pytest.approx(79.99))]}
