"""Recorded motion: signals over time, interpolated and smoothed."""

from __future__ import annotations

import dataclasses

import numpy as np

ABSURD = 1e6
"""No yaw rate, speed or angle is larger in any unit; one such value would cancel the digits of all
others in a mean."""

LONGEST_BATCH = 200_000_000
"""Samples that are sent together with one stamp were measured within this time [ns]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A signal over time: stamp_ns (N,) int64, value (N,) float64. Order and repetitions do not
    matter."""

    stamp_ns: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.stamp_ns)

    def tidy(self) -> Track:
        """In order of stamps, without what is not finite or beyond `ABSURD`; the last of equal
        stamps: commands may be repeated."""
        finite = (np.abs(self.value) <= ABSURD)[::-1]
        stamp_ns, last = np.unique(self.stamp_ns[::-1][finite], return_index=True)
        return Track(stamp_ns, self.value[::-1][finite][last])

    def spread(self) -> Track:
        """As `tidy`, of measurements: samples that share a stamp are a batch, which ends with it;
        they are spread over the time since the stamp before."""
        finite = np.abs(self.value) <= ABSURD
        order = np.argsort(self.stamp_ns[finite], kind="stable")
        stamp_ns = spread(self.stamp_ns[finite][order])
        return Track(stamp_ns, self.value[finite][order]).tidy()


def spread(stamps: np.ndarray) -> np.ndarray:
    """Ascending stamps (N,), in which those of a batch of equal ones are spread evenly over the
    time since the stamp before, at most `LONGEST_BATCH` [ns]."""
    if len(stamps) < 2:
        return stamps
    distinct, first, count = np.unique(stamps, return_index=True, return_counts=True)
    if len(distinct) < 2 or len(distinct) == len(stamps):
        return stamps
    steps = np.minimum(np.diff(distinct), LONGEST_BATCH)
    steps = np.concatenate([steps[:1], steps])
    batch = np.repeat(np.arange(len(distinct)), count)
    behind = count[batch] - 1 - (np.arange(len(stamps)) - first[batch])
    return stamps - steps[batch] * behind // count[batch]


EMPTY = Track(np.zeros(0, np.int64), np.zeros(0))


@dataclasses.dataclass(frozen=True, eq=False)
class Motion:
    """Recorded motion of the vehicle: yaw rate [rad/s], speed [m/s], front-wheel steering angle
    [rad]."""

    yaw_rate: Track = EMPTY
    speed: Track = EMPTY
    steering_angle: Track = EMPTY


def at(stamp_ns: np.ndarray, track: Track, max_gap: float) -> np.ndarray:
    """Linear interpolation of a tidy track at stamps (N,); NaN outside it and between samples more
    than `max_gap` s apart."""
    if len(track) < 2:
        return np.full(len(stamp_ns), np.nan)
    after = np.clip(np.searchsorted(track.stamp_ns, stamp_ns), 1, len(track) - 1)
    before_ns, after_ns = track.stamp_ns[after - 1], track.stamp_ns[after]
    share = (stamp_ns - before_ns) / (after_ns - before_ns)
    value = track.value[after - 1] * (1 - share) + track.value[after] * share
    # Signals are stamped a little before or after the pictures: the first and last frames may hold
    # on to the nearest sample.
    share_held = np.where(share < 0, track.value[after - 1], track.value[after])
    outside_ns = np.maximum(before_ns - stamp_ns, stamp_ns - after_ns)
    value = np.where(
        outside_ns > 0, np.where(outside_ns <= max_gap * 5e8, share_held, np.nan), value
    )
    exact = (stamp_ns == before_ns) | (stamp_ns == after_ns)
    return np.where(
        (after_ns - before_ns <= max_gap * 1e9) | exact | (outside_ns > 0), value, np.nan
    )


def smooth(track: Track, width: float) -> Track:
    """Mean of a tidy track over the samples within `width`/2 s to both sides of each; no lag."""
    if width <= 0 or len(track) < 2:
        return track
    half_ns = round(width * 5e8)
    first = np.searchsorted(track.stamp_ns, track.stamp_ns - half_ns, "left")
    last = np.searchsorted(track.stamp_ns, track.stamp_ns + half_ns, "right")
    total = np.concatenate([[0.0], np.cumsum(track.value)])
    return Track(track.stamp_ns, (total[last] - total[first]) / (last - first))
