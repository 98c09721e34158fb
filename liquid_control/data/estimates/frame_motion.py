"""How the vehicle moved from frame to frame of a recording, as far as its files say."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.recordings.motion import Motion, Track, at, smooth

TICK_NS = 5_000_000
LONGEST_GAP = 0.5
"""Between two samples or frames [s]; what is further apart is not one stretch."""
SPEED_SMOOTHING = 0.1  # s
MEASURED_DISTANCE, ASSUMED_DISTANCE = 0.03, 0.5
"""Standard deviation of the distance from frame to frame, as a share: of a measured speed, of an
assumed one."""
MEASURED_TURN, UNKNOWN_TURN = 0.004, 0.3
"""Standard deviation of the change of heading from frame to frame [rad]."""


@dataclasses.dataclass(frozen=True, eq=False)
class FrameMotion:
    """At N frames: `seconds`, `distance` travelled [m] and `heading` [rad], each (N,) and since the
    first frame; `stretch` (N,) number of the unbroken run that a frame is in. `distance_spread`
    (a share) and `turn_spread` [rad]: standard deviations of what a pair of frames moves."""

    seconds: np.ndarray
    distance: np.ndarray
    heading: np.ndarray
    stretch: np.ndarray
    distance_spread: float
    turn_spread: float

    @property
    def turns(self) -> bool:
        """Whether the heading is measured."""
        return self.turn_spread < UNKNOWN_TURN

    @property
    def measured_distance(self) -> bool:
        return self.distance_spread < ASSUMED_DISTANCE


def frame_motion(
    stamp_ns: np.ndarray, is_first: np.ndarray, motion: Motion, constant_speed: float = 0.0
) -> FrameMotion | None:
    """Of frames (N,) stamped `stamp_ns`, of which `is_first` (N,) begin a sequence. `motion`: its
    yaw rate is taken to be free of bias. `constant_speed` [m/s] is assumed where no speed is
    recorded, or one that never changes; None without either."""
    stamp_ns = np.asarray(stamp_ns, np.int64)
    steps = np.diff(stamp_ns) * 1e-9
    breaks = (steps <= 0.0) | (steps > LONGEST_GAP) | np.asarray(is_first[1:], bool)
    speed, yaw_rate = motion.speed.tidy(), motion.yaw_rate.spread()
    measured = len(speed) > 1 and np.ptp(speed.value) > 0.0
    if measured:
        breaks |= _unknown(stamp_ns, speed)
        distance = _integral(stamp_ns, smooth(speed, SPEED_SMOOTHING))
    else:
        constant = float(speed.value[0]) if len(speed) else constant_speed
        if not constant:
            return None
        distance = constant * steps
    turns = len(yaw_rate) > 1 and np.ptp(yaw_rate.value) > 0.0
    if turns:
        breaks |= _unknown(stamp_ns, yaw_rate)
    heading = _integral(stamp_ns, yaw_rate) if turns else np.zeros(len(steps))
    seconds, distance, heading = (
        np.concatenate([[0.0], np.cumsum(np.where(breaks, 0.0, of))])
        for of in (steps, distance, heading)
    )
    return FrameMotion(
        seconds,
        distance,
        heading,
        np.concatenate([[0], np.cumsum(breaks)]),
        MEASURED_DISTANCE if measured else ASSUMED_DISTANCE,
        MEASURED_TURN if turns else UNKNOWN_TURN,
    )


def _integral(stamp_ns: np.ndarray, track: Track) -> np.ndarray:
    """(N - 1,) integral over time from frame to frame, of a track's rate."""
    steps = np.diff(track.stamp_ns) * 1e-9
    total = np.concatenate([[0.0], np.cumsum((track.value[1:] + track.value[:-1]) / 2.0 * steps)])
    return np.diff(np.interp(stamp_ns, track.stamp_ns, total))


def _unknown(stamp_ns: np.ndarray, track: Track) -> np.ndarray:
    """(N - 1,) from which frame to the next a track has gaps."""
    there = np.isfinite(at(stamp_ns, track, LONGEST_GAP))
    return ~(there[1:] & there[:-1])
