"""Do a recording's signals agree with one another? Steering against gyro, lateral acceleration
against gyro, the picture against gyro.

On a kinematic bicycle the yaw rate is speed x tan(steering angle) / wheelbase; a fit of one to the
other tells sign, unit and delay.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.inspection.tracks import Tracks
from liquid_control.recordings.driven_curvature import Track, at, smooth
from liquid_control.stats.delay import Delay, estimate_delay

FAST = 2.0  # m/s; slower, a yaw rate says little of the steering
FAST_LATERAL = 3.0  # m/s
LARGEST_DELAY = 1.5  # s
MAX_GAP = 0.5  # s
GYRO_SMOOTHING, LATERAL_SMOOTHING = 0.1, 0.5  # s
LEAST_YAW_RATE, LEAST_LATERAL = (
    0.01,
    0.2,
)  # rad/s, m/s²; standard deviation, below which there is nothing to compare
LEAST_SAMPLES = 100
AGREES = 0.6
LINEAR_BELOW = (
    0.7  # rad; larger recorded angles are not front-wheel radians, and their tangent means nothing
)
DEGREES = 180.0 / np.pi


@dataclasses.dataclass(frozen=True)
class Fit:
    """`second` ≈ `slope` x `first` + `offset`, with their correlation; `reason` says why there is
    none (slope NaN).

    `deviation`: standard deviation of `second`; `samples`: of `first`, over `duration` [s].
    """

    slope: float = float("nan")
    offset: float = float("nan")
    correlation: float = float("nan")
    samples: int = 0
    duration: float = 0.0
    delay: Delay | None = None
    reason: str = ""

    deviation: float = float("nan")

    @property
    def known(self) -> bool:
        return np.isfinite(self.slope) and abs(self.correlation) >= AGREES

    @property
    def ratio(self) -> float:
        """`first` over `second`: the reduced major axis, as noise may be in both. The true one is
        within |correlation| and its inverse of it."""
        return abs(self.correlation) / self.slope


@dataclasses.dataclass(frozen=True, eq=False)
class Agreement:
    """`steering`: gyro's yaw rate by the steering's; `axes`: correlation of that with gyro x, y, z;
    `lateral`: acceleration y by speed x yaw rate; `camera`: gyro's yaw rate by the picture's shift
    [widths/s], its delay is the gyro's stamps after the camera's."""

    steering: Fit
    axes: tuple[float, float, float] | None
    lateral: Fit
    camera: Fit
    expected: Track
    yaw_rate: Track


def compare_signals(tracks: Tracks, vehicle: VehicleConfig) -> Agreement:
    """Compares what one pass over a recording gathered; what cannot be compared says why."""
    imu, speed, steering = (
        _tidy(track.rows) for track in (tracks.imu, tracks.speed, tracks.steering)
    )
    gyro = [_track(imu, column) for column in (1, 2, 3)]
    speeds = _track(speed, 1)
    expected = _expected(_track(steering, 1), speeds, vehicle)
    fit, axes = Fit(reason=_missing(imu=imu, speed=speed, steering=steering)), None
    if not fit.reason:
        fit = _fit(expected, gyro[2], LEAST_YAW_RATE, GYRO_SMOOTHING, LARGEST_DELAY)
        axes = tuple(
            _fit(expected, axis, 0.0, GYRO_SMOOTHING, LARGEST_DELAY).correlation for axis in gyro
        )
    lateral = Fit(reason=_missing(imu=imu, speed=speed))
    if not lateral.reason:
        moving = _faster(gyro[2], speeds, FAST_LATERAL)
        product = smooth(
            Track(moving.stamp_ns, moving.value * at(moving.stamp_ns, speeds, MAX_GAP)),
            LATERAL_SMOOTHING,
        )
        lateral = _fit(product, _track(imu, 5), LEAST_LATERAL, LATERAL_SMOOTHING, 0.0)
    rotation = _tidy(np.array(tracks.pictures.rotation).reshape(-1, 2))
    camera = Fit(reason=_missing(imu=imu, picture=rotation))
    if not camera.reason:
        camera = _fit(_track(rotation, 1), gyro[2], 0.0, GYRO_SMOOTHING, LARGEST_DELAY)
    return Agreement(fit, axes, lateral, camera, expected, smooth(gyro[2], GYRO_SMOOTHING))


def _expected(steering: Track, speeds: Track, vehicle: VehicleConfig) -> Track:
    """Yaw rate [rad/s] that steering and speed announce, where the vehicle is fast enough."""
    moving = _faster(steering, speeds, FAST)
    angle = moving.value
    bend = np.tan(angle) if len(angle) and np.abs(angle).max() < LINEAR_BELOW else angle
    return Track(moving.stamp_ns, at(moving.stamp_ns, speeds, MAX_GAP) * bend / vehicle.wheelbase)


def _fit(first: Track, second: Track, least: float, smoothing: float, largest: float) -> Fit:
    """Least squares of `second` on `first`, moved by the delay between them where one is found."""
    if len(first) < LEAST_SAMPLES:
        return Fit(
            samples=len(first),
            reason="too few samples at speed"
            if len(first)
            else "the vehicle never drove fast enough",
        )
    second = smooth(second, smoothing)
    delay = (
        estimate_delay(first.stamp_ns, first.value, second.stamp_ns, second.value, largest)
        if largest
        else None
    )
    lag_ns = round(delay.seconds * 1e9) if delay and abs(delay.correlation) >= AGREES else 0
    partner = at(first.stamp_ns + lag_ns, second, MAX_GAP)
    both = np.isfinite(first.value) & np.isfinite(partner)
    x, y = first.value[both], partner[both]
    lasts = float(np.median(np.diff(first.stamp_ns))) * 1e-9 * len(x)
    if len(x) < LEAST_SAMPLES:
        return Fit(samples=len(x), delay=delay, reason="too little time in which both are there")
    if max(x.std(), y.std()) < least or x.std() < 1e-12:
        return Fit(samples=len(x), delay=delay, reason="the drive is too straight to tell")
    if y.std() < 1e-12:
        return Fit(0.0, float(y.mean()), 0.0, len(x), lasts, delay, deviation=0.0)
    slope, offset = np.polyfit(x, y, 1)
    return Fit(
        float(slope),
        float(offset),
        float(np.corrcoef(x, y)[0, 1]),
        len(x),
        lasts,
        delay,
        deviation=float(y.std()),
    )


def _faster(track: Track, speeds: Track, least: float) -> Track:
    if not len(track) or len(speeds) < 2:
        return Track(track.stamp_ns[:0], track.value[:0])
    fast = np.abs(at(track.stamp_ns, speeds, MAX_GAP)) >= least
    return Track(track.stamp_ns[fast], track.value[fast])


def _tidy(rows: np.ndarray) -> np.ndarray:
    """In order of stamps, the first of equal ones."""
    return rows[np.unique(rows[:, 0], return_index=True)[1]]


def _track(rows: np.ndarray, column: int) -> Track:
    return Track(np.rint(rows[:, 0] * 1e9).astype(np.int64), rows[:, column])


def _missing(**rows: np.ndarray) -> str:
    absent = [name for name, values in rows.items() if len(values) < 2]
    return "the recording has no " + " and no ".join(absent) if absent else ""
