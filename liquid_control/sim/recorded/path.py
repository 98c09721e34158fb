"""The path of one unbroken stretch of a recording, by dead reckoning: the line that was driven,
which the recorded world takes for the middle of the lane.

Reference point of path and vehicle is the ground below the rear axle. Positions are right over the
metres that a picture shows; nothing depends on their being right over a lap.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.recordings.motion import Track, smooth
from liquid_control.sim.road import Road

TICK = 0.005
"""Step of the integration [s]."""
YAW_SMOOTHING = 0.1
"""Width of the moving average over a measured yaw rate, for the curvature [s]."""
SAMPLES_PER_WHEELBASE = 10
"""Of the path as a `Road`."""


@dataclasses.dataclass(frozen=True, eq=False)
class RecordedPath:
    """At N frames, each array (N,): `stamp_ns`, `station` [m] ascending from 0, `x`, `y` [m],
    `heading` [rad] continuous, driven `curvature` [1/m], `command` [1/m], the driver's curvature at
    the frame, NaN where it is not known, `speed` [m/s], `middle`: how far to the left of the path
    the lane's middle is [m], 0 where that is not known."""

    stamp_ns: np.ndarray
    station: np.ndarray
    x: np.ndarray
    y: np.ndarray
    heading: np.ndarray
    curvature: np.ndarray
    command: np.ndarray
    speed: np.ndarray
    middle: np.ndarray

    def __len__(self) -> int:
        return len(self.station)

    @property
    def length(self) -> float:
        return float(self.station[-1])

    @property
    def seconds(self) -> float:
        return float(self.stamp_ns[-1] - self.stamp_ns[0]) * 1e-9

    def pose(self, station: float) -> tuple[float, float, float]:
        """x, y, heading of the path at a station, linear between frames; the ends are held."""
        after = min(max(int(np.searchsorted(self.station, station)), 1), len(self) - 1)
        begin, end = self.station[after - 1], self.station[after]
        share = min(max((station - begin) / (end - begin), 0.0), 1.0)
        return tuple(
            float(track[after - 1] * (1.0 - share) + track[after] * share)
            for track in (self.x, self.y, self.heading)
        )

    def road(self, wheelbase: float) -> Road:
        """The path as a `Road`, sampled for a vehicle of this wheelbase [m]."""
        spacing = wheelbase / SAMPLES_PER_WHEELBASE
        count = max(int(self.length / spacing), 1) + 1
        spacing = self.length / (count - 1)
        station = np.arange(count) * spacing
        tracks = (self.x, self.y, self.heading, self.curvature)
        return Road(*(np.interp(station, self.station, track) for track in tracks), spacing)


def integrate(
    stamp_ns: np.ndarray,
    speed: np.ndarray,
    command: np.ndarray,
    yaw_rate: Track | None,
    response_delay: float,
    response_gain: float = 1.0,
) -> RecordedPath:
    """The path at frames (N,) from their speed (N,) and a measured yaw rate without its bias.
    Without one, from the commanded curvature (N,), times `response_gain` and `response_delay` [s]
    later. Between commands that are known it is linear."""
    seconds = (stamp_ns - stamp_ns[0]) * 1e-9
    ticks = np.arange(0.0, seconds[-1] + TICK, TICK)
    moving = np.interp(ticks, seconds, speed)
    if yaw_rate is not None:
        measured = (yaw_rate.stamp_ns - stamp_ns[0]) * 1e-9
        turn = np.interp(ticks, measured, yaw_rate.value)
        mean = smooth(yaw_rate, YAW_SMOOTHING).value
        curvature = np.interp(ticks, measured, mean) / np.maximum(moving, 1e-3)
    else:
        known = np.isfinite(command)
        followed = response_gain * command[known]
        curvature = np.interp(ticks - response_delay, seconds[known], followed)
        turn = moving * curvature
    heading = _cumulated(turn)
    middle = (heading[1:] + heading[:-1]) / 2
    step = (moving[1:] + moving[:-1]) / 2 * TICK
    along = np.concatenate([[0.0], np.cumsum(step)])
    x = np.concatenate([[0.0], np.cumsum(step * np.cos(middle))])
    y = np.concatenate([[0.0], np.cumsum(step * np.sin(middle))])
    station, x, y, heading, curvature = (
        np.interp(seconds, ticks, track) for track in (along, x, y, heading, curvature)
    )
    nothing = np.zeros(len(stamp_ns))
    return RecordedPath(stamp_ns, station, x, y, heading, curvature, command, speed, nothing)


def _cumulated(rate: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2) * TICK])
