"""The recorded motion as tidy tracks: gyro, accelerometer, speed, steering, pictures, and what the
positions and headings of an odometry say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping

import numpy as np

from liquid_control.inspection.tracks import Tracks
from liquid_control.recordings.motion import EMPTY, Track, at, spread

MAX_GAP = 0.5  # s
CREEP = 0.05  # m/s; slower, the vehicle stands
POSE_WINDOW = 0.4  # s between the positions that a speed is taken from
LONGEST_WINDOW, QUIET = 2.0, 14.0
"""Longest such window [s], and how many times the positions' noise the vehicle moves in one."""
LEAST_PACE = 0.02  # m/s
LEAST_POSES = 50
LEAST_TURN = 0.03  # rad of heading
TURNED = 2.0  # rad within a window; more is no arc
FASTEST_POSE = 1e6  # m/s in any unit; a jump of the position
LINEAR_BELOW = 0.7
"""Larger recorded angles [rad] are not front-wheel radians, so their tangent has no meaning, unless
the vehicle's own are larger."""


@dataclasses.dataclass(frozen=True, eq=False)
class Poses:
    """Of positions: `speed` [m/s], never negative, and `course`, the direction of movement [rad];
    of headings: `heading` [rad] and `rate` [rad/s], empty where no heading is filled in.
    `lateral`: speed to the left by the twist [m/s]. `noise`: standard deviation of `speed` by that
    of the positions [m/s]."""

    speed: Track
    course: Track
    heading: Track
    rate: Track
    lateral: Track
    noise: float


@dataclasses.dataclass(frozen=True, eq=False)
class Signals:
    """Tracks in order of stamps. `gyro` [rad/s] and `force` [m/s²] have three axes; `angle`: of the
    front wheels [rad], `rotation`: shift of the pictures [widths/s]; `poses`: None where no
    position is filled in. What was not recorded is empty. `steepest`: larger angles are not
    radians."""

    gyro: tuple[Track, Track, Track]
    force: tuple[Track, Track, Track]
    speed: Track
    angle: Track
    rotation: Track = EMPTY
    poses: Poses | None = None
    steepest: float = LINEAR_BELOW


def motion_signals(
    tracks: Tracks,
    behind: Mapping[str, float] | None = None,
    without: Collection[str] = (),
    steepest: float = LINEAR_BELOW,
) -> Signals:
    """Signals of one pass over a recording. `behind`: by role whose clock is another, what its
    stamps lie behind those of the others [s]; they are compared as if they did not. `without`:
    roles that are left out, because their stamps say too little; `steepest`: of `Signals`."""
    behind = behind or {}

    def rows(role: str, track: np.ndarray) -> np.ndarray:
        moved = np.array(track, float)[: 0 if role in without else None]
        moved[:, 0] += behind.get(role, 0.0)
        return moved

    gyro, force = (
        _tidy(_spread(rows("imu", track.rows))) for track in (tracks.gyro, tracks.accelerometer)
    )
    speed = _tidy(rows("speed", tracks.speed.rows))
    angle = _tidy(rows("steering", tracks.steering.rows))
    rotation = _tidy(rows("camera", np.array(tracks.pictures.rotation).reshape(-1, 2)))
    return Signals(
        tuple(_track(gyro, column) for column in (1, 2, 3)),
        tuple(_track(force, column) for column in (1, 2, 3)),
        _track(speed, 1),
        _track(angle, 1),
        _track(rotation, 1),
        poses_of(_tidy(rows("speed", tracks.odometry.rows))),
        steepest,
    )


def poses_of(rows: np.ndarray) -> Poses | None:
    """Of rows (N, 5) in order: seconds, x, y, heading without jumps, speed to the left; None where
    the positions are not filled in."""
    if len(rows) < LEAST_POSES:
        return None
    seconds, places = rows[:, 0], rows[:, 1:3]
    scatter = float(np.median(np.abs(np.diff(places, 2, axis=0)))) / (0.6745 * math.sqrt(6.0))
    first, last, lasts = _windows(seconds, LONGEST_WINDOW)
    pace = np.hypot(*(places[last] - places[first]).T) / lasts
    if len(pace) < LEAST_POSES or float(np.median(pace)) < LEAST_PACE:
        return None
    # Long enough for the noise of the positions to be small against the movement.
    window = QUIET * scatter / float(np.median(pace))
    window = min(max(window, POSE_WINDOW), LONGEST_WINDOW)
    first, last, lasts = _windows(seconds, window)
    moved, turn = places[last] - places[first], rows[last, 3] - rows[first, 3]
    along = np.hypot(*moved.T) / lasts
    possible = along < FASTEST_POSE
    has_heading = float(np.ptp(rows[:, 3])) > LEAST_TURN
    if has_heading:
        along = along / np.sinc(np.clip(turn, -TURNED, TURNED) / (2.0 * np.pi))  # chord to arc
    course = np.arctan2(moved[:, 1], moved[:, 0])
    middle = (seconds[last] + seconds[first]) / 2.0
    first, last, lasts = _windows(seconds, POSE_WINDOW)
    rate = (rows[last, 3] - rows[first, 3]) / lasts
    return Poses(
        _series(middle[possible], along[possible]),
        _series(middle[possible], course[possible]),
        _track(rows, 3) if has_heading else EMPTY,
        _series((seconds[last] + seconds[first]) / 2.0, rate) if has_heading else EMPTY,
        _track(rows, 4),
        scatter * math.sqrt(2.0) / window,
    )


def _windows(seconds: np.ndarray, window: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(M,) first and last rows, and seconds between them, of windows around each row that has
    one."""
    half = max(window / 2.0, 1.01 * float(np.median(np.diff(seconds))))
    first = np.searchsorted(seconds, seconds - half, "left")
    last = np.searchsorted(seconds, seconds + half, "right") - 1
    lasts = seconds[last] - seconds[first]
    whole = (lasts > 0.8 * half) & (lasts <= 2.0 * half + MAX_GAP)
    return first[whole], last[whole], lasts[whole]


def _series(seconds: np.ndarray, values: np.ndarray) -> Track:
    stamps, first = np.unique(np.rint(seconds * 1e9).astype(np.int64), return_index=True)
    return Track(stamps, values[first])


def expected_yaw_rate(
    angle: Track, speed: Track, wheelbase: float, steepest: float = LINEAR_BELOW
) -> Track:
    """Yaw rate [rad/s] of a kinematic bicycle, where the vehicle moves."""
    moving = while_moving(angle, speed)
    bend = bend_of(moving.value, steepest)
    return Track(moving.stamp_ns, at(moving.stamp_ns, speed, MAX_GAP) * bend / wheelbase)


def bend_of(angle: np.ndarray, steepest: float = LINEAR_BELOW) -> np.ndarray:
    """Tangent of the angles, or the numbers themselves where they cannot be radians."""
    return np.tan(angle) if len(angle) and np.abs(angle).max() < steepest else angle


def while_moving(track: Track, speed: Track) -> Track:
    if not len(track) or len(speed) < 2:
        return EMPTY
    moving = np.abs(at(track.stamp_ns, speed, MAX_GAP)) >= CREEP
    return Track(track.stamp_ns[moving], track.value[moving])


def _spread(rows: np.ndarray) -> np.ndarray:
    """In order of stamps; samples in batches of one stamp have times of their own."""
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    stamp_ns = np.rint(rows[:, 0] * 1e9).astype(np.int64)
    seconds = rows[:, 0] + (spread(stamp_ns) - stamp_ns) * 1e-9
    return np.concatenate([seconds[:, None], rows[:, 1:]], 1)


def _tidy(rows: np.ndarray) -> np.ndarray:
    """In order of stamps, the first of equal ones."""
    return rows[np.unique(rows[:, 0], return_index=True)[1]]


def _track(rows: np.ndarray, column: int) -> Track:
    return Track(np.rint(rows[:, 0] * 1e9).astype(np.int64), rows[:, column])
