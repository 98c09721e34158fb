"""Agreement of a recording's signals: steering, lateral acceleration and pictures against the gyro,
and what their signs, units, axes and delays say.

On a kinematic bicycle the yaw rate is speed x tan(steering angle) / wheelbase; a fit of one to the
other gives sign, unit and delay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.inspection.findings import OK, WARNING, Finding, fault, note, warning
from liquid_control.inspection.tracks import Tracks
from liquid_control.recordings.motion import Track, at, smooth, spread
from liquid_control.stats.delay import Delay, estimate_delay

FAST = 2.0  # m/s; slower, the yaw rate says little about the steering
FAST_LATERAL = 3.0  # m/s
LARGEST_DELAY = 1.5  # s
MAX_GAP = 0.5  # s
GYRO_SMOOTHING, LATERAL_SMOOTHING = 0.1, 0.5  # s
LEAST_YAW_RATE, LEAST_LATERAL = 0.01, 0.2
"""Standard deviation [rad/s], [m/s²] below which there is nothing to compare."""
LEAST_SAMPLES = 100
AGREES = 0.6  # correlation
LINEAR_BELOW = 0.7
"""Larger recorded angles [rad] are not front-wheel radians, so their tangent has no meaning."""
DEGREES = 180.0 / np.pi

CLOSE, STRONG, WEAK = 0.95, 0.7, 0.4  # correlations
SAME = 0.6, 1.7  # ratios with the right unit
FITTING = 0.8, 1.25  # ratios with the right wheelbase
UNITS = (
    (6.0, 30.0, "looks like a steering-wheel angle, ratio about {:.0f}"),
    (45.0, 75.0, "looks like degrees"),
    (400.0, 1700.0, "looks like a steering-wheel angle in degrees"),
)
LONG = 0.3  # s
LEAST_TELLING, BENDING = 15.0, 0.03
"""Seconds at speed and standard deviation of the gyro [rad/s] from which on the two must agree."""


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
    """Compares the signals of one pass over a recording; a fit that is not possible says why."""
    imu, forces = (_tidy(_spread(track.rows)) for track in (tracks.gyro, tracks.accelerometer))
    speed, steering = (_tidy(track.rows) for track in (tracks.speed, tracks.steering))
    gyro = [_track(imu, column) for column in (1, 2, 3)]
    speeds = _track(speed, 1)
    expected = _expected(_track(steering, 1), speeds, vehicle)
    fit, axes = Fit(reason=_missing(gyro=imu, speed=speed, steering=steering)), None
    if not fit.reason:
        fit = _fit(expected, gyro[2], LEAST_YAW_RATE, GYRO_SMOOTHING, LARGEST_DELAY)
        axes = tuple(
            _fit(expected, axis, 0.0, GYRO_SMOOTHING, LARGEST_DELAY).correlation for axis in gyro
        )
    lateral = Fit(reason=_missing(gyro=imu, accelerometer=forces, speed=speed))
    if not lateral.reason:
        moving = _faster(gyro[2], speeds, FAST_LATERAL)
        product = smooth(
            Track(moving.stamp_ns, moving.value * at(moving.stamp_ns, speeds, MAX_GAP)),
            LATERAL_SMOOTHING,
        )
        lateral = _fit(product, _track(forces, 2), LEAST_LATERAL, LATERAL_SMOOTHING, 0.0)
    rotation = _tidy(np.array(tracks.pictures.rotation).reshape(-1, 2))
    camera = Fit(reason=_missing(gyro=imu, picture=rotation))
    if not camera.reason:
        camera = _fit(_track(rotation, 1), gyro[2], 0.0, GYRO_SMOOTHING, LARGEST_DELAY)
    return Agreement(fit, axes, lateral, camera, expected, smooth(gyro[2], GYRO_SMOOTHING))


def _expected(steering: Track, speeds: Track, vehicle: VehicleConfig) -> Track:
    """Yaw rate [rad/s] expected from steering and speed, where the vehicle is fast enough."""
    moving = _faster(steering, speeds, FAST)
    angle = moving.value
    bend = np.tan(angle) if len(angle) and np.abs(angle).max() < LINEAR_BELOW else angle
    return Track(moving.stamp_ns, at(moving.stamp_ns, speeds, MAX_GAP) * bend / vehicle.wheelbase)


def _fit(first: Track, second: Track, least: float, smoothing: float, largest: float) -> Fit:
    """Least squares of `second` on `first`, shifted by the delay between them if one is found."""
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


def _missing(**rows: np.ndarray) -> str:
    absent = [name for name, values in rows.items() if len(values) < 2]
    return "the recording has no " + " and no ".join(absent) if absent else ""


def judge_agreement(
    agreement: Agreement, is_curvature: bool, scale: float, vehicle: VehicleConfig
) -> Iterator[Finding]:
    """Signs, units, axes and delay. `is_curvature`: the steering is recorded as a curvature, which
    no scale applies to; `scale`: what recorded angles were multiplied by."""
    fit, axes, lateral = agreement.steering, agreement.axes, agreement.lateral
    seen = agreement.camera.delay
    against = [
        name
        for name, turned in (
            ("steering", fit.known and fit.slope < 0),
            ("lateral acceleration", lateral.known and lateral.slope < 0),
            ("pictures", seen is not None and seen.sure and seen.correlation < 0),
        )
        if turned
    ]
    gyro_turned = len(against) > 1
    if gyro_turned:
        yield fault(
            "gyro_sign",
            "imu",
            f"the gyro's z axis turns against {' and '.join(against)}: it points down",
            "turn the IMU into base_link (z up) before recording",
        )
    elif "pictures" in against:
        yield fault(
            "picture_against_gyro",
            "imu",
            f"the pictures turn against the gyro (correlation {seen.correlation:.2f})",
            "the pictures are mirrored, or the gyro's z axis points down: "
            "correct it before recording",
        )
    if axes is not None and max(abs(axes[0]), abs(axes[1])) > STRONG and not abs(axes[2]) > WEAK:
        best = "x" if abs(axes[0]) > abs(axes[1]) else "y"
        yield fault(
            "gyro_axis",
            "imu",
            f"the gyro's {best} axis follows the steering, z does not: the IMU is not in body axes",
            "turn it into base_link before recording",
        )
    elif fit.known:
        signed = scale * (-1.0 if gyro_turned else 1.0)
        yield from _unit(agreement, is_curvature, signed, vehicle)
        if fit.slope < 0 and not gyro_turned:
            yield _sign(agreement, is_curvature, scale)
        yield from _delay(agreement)
    elif np.isfinite(fit.slope):
        telling = (
            fit.duration > LEAST_TELLING and fit.deviation > BENDING and abs(fit.correlation) < WEAK
        )
        yield (warning if telling else note)(
            "steering_disagrees",
            "steering",
            f"steering and gyro hardly agree (correlation {fit.correlation:.2f} "
            f"in {fit.duration:.0f} s at speed)",
            "is it the right topic (--topics.steering), the right joint (--topics.joint)?"
            if telling
            else "",
        )
    if lateral.known and 0.5 < abs(lateral.slope) * DEGREES < 2.0:
        yield fault(
            "gyro_unit",
            "imu",
            f"speed x gyro is {1 / abs(lateral.slope):.0f} times the lateral acceleration: "
            "degrees per second",
            "the driver must publish rad/s",
        )
    elif lateral.known and lateral.slope < -0.2 and not gyro_turned:
        yield fault(
            "lateral_sign",
            "imu",
            "the lateral acceleration has the opposite sign of speed x yaw rate",
            "y must point left and z up: turn the IMU into base_link before recording",
        )


def _unit(
    agreement: Agreement, is_curvature: bool, scale: float, vehicle: VehicleConfig
) -> Iterator[Finding]:
    """How many times the recorded angle is the one that the gyro's yaw rate needs."""
    size = abs(agreement.steering.ratio)
    if 1.0 / 75.0 < size < 1.0 / 45.0:
        yield fault(
            "gyro_unit",
            "imu",
            f"the gyro turns {1 / size:.0f} times as fast as steering and speed say: "
            "degrees per second",
            "the driver must publish rad/s",
        )
    elif not _same(agreement):
        looks = next(
            (words for low, high, words in UNITS if low < size < high), "of unknown unit"
        ).format(size)
        yield fault(
            "steering_unit",
            "steering",
            f"it is {size:.3g} times what gyro, speed and wheelbase say: {looks}",
            "check speed and gyro"
            if is_curvature
            else f"--steering-scale {scale / agreement.steering.ratio:.3g}",
        )
    elif (
        not is_curvature
        and not FITTING[0] < size < FITTING[1]
        and abs(agreement.steering.correlation) > CLOSE
    ):
        fitted = vehicle.wheelbase * size
        yield Finding(
            "wheelbase",
            "steering",
            f"steering and gyro fit a wheelbase of {fitted:.2f} m, set are {vehicle.wheelbase:g} m",
            f"--vehicle.wheelbase {fitted:.2f}",
            OK,
            WARNING,
        )


def _sign(agreement: Agreement, is_curvature: bool, scale: float) -> Finding:
    needed = (
        f"--steering-scale {-scale if _same(agreement) else scale / agreement.steering.ratio:.3g}"
    )
    return fault(
        "steering_sign",
        "steering",
        "its sign is flipped against the gyro's "
        f"(correlation {agreement.steering.correlation:.2f})",
        "record the command with left positive" if is_curvature else needed,
    )


def _same(agreement: Agreement) -> bool:
    """Whether the unit is right, within the noise of both signals."""
    size, trust = abs(agreement.steering.ratio), abs(agreement.steering.correlation)
    return SAME[0] < size / trust and size * trust < SAME[1]


def _delay(agreement: Agreement) -> Iterator[Finding]:
    delay = agreement.steering.delay
    if delay is not None and delay.sure and abs(delay.seconds) > max(LONG, 3.0 * delay.uncertainty):
        if delay.seconds > 0:
            yield note(
                "steering_delay",
                "steering",
                f"the vehicle turns {delay.seconds:.2f} s after the recorded steering",
            )
        else:
            yield warning(
                "steering_delay",
                "steering",
                f"the vehicle turns {-delay.seconds:.2f} s before the recorded steering",
                "their clocks differ: read it with --stamps receive",
            )
