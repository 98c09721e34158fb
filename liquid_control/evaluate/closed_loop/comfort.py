"""Comfort of a drive: lateral acceleration and jerk, and steering rate, over tenths of a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

WINDOW = 10
"""Periods of 10 ms in a window: long enough to leave the suspension's and the tyres' ringing
out."""


def mean_squares(
    stretches: Iterable[Sequence[tuple[int, float, float, float]]],
) -> tuple[float, float]:
    """Mean squared lateral jerk [m²/s⁶] and steering rate [rad²/s²] over uninterrupted stretches of
    a drive.

    A stretch has rows of stamp [ns], yaw [rad], speed [m/s] and steering angle [rad], one per
    period. Lateral acceleration is speed times the yaw rate of a window, jerk its change from one
    window to the next. Stretches of less than three windows are left out.
    """
    jerks, rates = [np.zeros(0)], [np.zeros(0)]
    for rows, dt, acceleration in _windows(stretches):
        jerks.append(np.diff(acceleration) / dt[1:])
        rates.append(np.diff(rows[:, 3]) / dt)
    return tuple(
        float(np.mean(np.square(values))) if len(values) else 0.0
        for values in map(np.concatenate, (jerks, rates))
    )


def lateral_accelerations(
    stretches: Iterable[Sequence[tuple[int, float, float, float]]],
) -> np.ndarray:
    """Magnitudes (W,) [m/s²] of the windows of all stretches, see `mean_squares`."""
    found = [acceleration for _, _, acceleration in _windows(stretches)]
    return np.abs(np.concatenate([np.zeros(0), *found]))


def _windows(
    stretches: Iterable[Sequence[tuple[int, float, float, float]]],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Of each stretch of enough windows: rows (W + 1, 4), their durations (W,) [s] and lateral
    accelerations (W,)."""
    for stretch in stretches:
        rows = np.array(stretch[::WINDOW], float)
        if len(rows) < 3:
            continue
        dt = np.diff(rows[:, 0]) * 1e-9
        yield rows, dt, (rows[1:, 2] + rows[:-1, 2]) / 2 * np.diff(np.unwrap(rows[:, 1])) / dt
