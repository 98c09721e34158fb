"""The time line: stamped frames and measurements, in any order, give observations with a known dt.

A frame as old as the last one or slightly older is refused; a gap, a backward clock jump or a first
frame starts a new sequence.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

from liquid_control.config import TimelineConfig
from liquid_control.errors import ConfigError
from liquid_control.perception.contribution import Account, Contribution
from liquid_control.signals import Frame, ImuSample, Observation, Reason, Rejected, SpeedSample

MEASURABLE = ("yaw_rate", "lateral_acceleration", "speed")
"""Measurements that the time line can give: [rad/s] and [m/s²], means since the frame before, and
[m/s], the latest."""
MAX_YAW_RATE = 50.0  # rad/s; automotive and robot gyroscopes end at 2,000 °/s = 35 rad/s
MAX_ACCELERATION = 500.0  # m/s²; 50 g
MAX_SPEED = 200.0  # m/s
MOVING_SPEED = 1.0
"""A car faster than this changes what its sensors see from one frame to the next [m/s]; of other
vehicles see `control.driving_scale`."""
SPEED_LIFETIME_NS = 1_000_000_000
SAMPLES_KEPT = 8192  # 0.8 s of a 10 kHz sensor; bounds the memory when no frame comes
FRAME_REASONS = (Reason.DUPLICATE, Reason.OLDER, Reason.FUTURE, Reason.MALFORMED)
STAMP_RANGE = range(-(2**63), 2**63)


class Timeline:
    """Order, dt, gaps, clock jumps and the inertial window of each frame. After construction
    nothing raises; what is refused is counted.

    `measurements`: names of those that an observation gets, in order, each of `MEASURABLE`; others
    raise ConfigError. `moving`: speed from which on the vehicle moves [m/s].

    `rejected` counts refused frames by reason, `measurements_rejected` dropped
    IMU and speed samples; `assumed` names the measurements that the latest frame was given without
    a sample (zero motion, the assumed speed). All survive `reset`. Gyro and accelerometer are two
    sensors: an IMU sample may hold one of them, and each has its own order of stamps.

    Without a receiver's clock (`now_ns`) a stamp far ahead is indistinguishable from a gap. It then
    starts a new sequence, and the next true frame reads as a backward jump and starts another one:
    one bad stamp costs one reset.
    """

    def __init__(
        self,
        config: TimelineConfig | None = None,
        measurements: Sequence[str] = MEASURABLE,
        moving: float = MOVING_SPEED,
    ) -> None:
        self.config, self.moving = config or TimelineConfig(), moving
        unknown = [name for name in measurements if name not in MEASURABLE]
        if unknown:
            raise ConfigError("measurements", unknown, f"some of {', '.join(MEASURABLE)}")
        self._order = [MEASURABLE.index(name) for name in measurements]
        self.rejected = dict.fromkeys(FRAME_REASONS, 0)
        self.measurements_rejected = 0
        self.assumed: tuple[str, ...] = ()
        self._gyro, self._accelerometer, self._speed = (
            deque(maxlen=SAMPLES_KEPT) for _ in MEASURABLE
        )  # (stamp, yaw rate), (stamp, lateral acceleration), (stamp, speed)
        self._accounts = {name: Account() for name in MEASURABLE}
        self._last_ns: int | None = None
        self._imu: tuple | None = None

    def reset(self) -> None:
        """Forgets the sequence and all samples."""
        self._last_ns = self._imu = None
        for samples in (self._gyro, self._accelerometer, self._speed):
            samples.clear()

    @property
    def latest_speed(self) -> float | None:
        """The speed measured last [m/s], however old; None before the first."""
        return self._speed[-1][1] if self._speed else None

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What each of the named measurements contributed to the frames since construction."""
        return {MEASURABLE[i]: self._accounts[MEASURABLE[i]].contribution for i in self._order}

    def push_imu(self, sample: ImuSample) -> Rejected | None:
        """Takes an IMU sample, or the part of it that is measured; Rejected when it is dropped:
        malformed (not finite, beyond any real sensor), without any measured part, older than the
        one before, or the same. Other samples of the same stamp are a batch: all are used."""
        try:
            rates, accelerations = (
                tuple(map(float, sample.angular_velocity)),
                tuple(map(float, sample.linear_acceleration)),
            )
        except (TypeError, ValueError, OverflowError):
            rates = accelerations = ()
        gyro = _part(rates, MAX_YAW_RATE, axis=2)
        accelerometer = _part(accelerations, MAX_ACCELERATION, axis=1)
        if Reason.MALFORMED in (gyro, accelerometer):
            gyro = accelerometer = Reason.MALFORMED
        parts = (sample.stamp_ns, gyro, accelerometer)
        several, self._imu = parts != self._imu, parts
        refused = [
            self._keep("yaw_rate", self._gyro, sample.stamp_ns, gyro, several),
            self._keep(
                "lateral_acceleration", self._accelerometer, sample.stamp_ns, accelerometer, several
            ),
        ]
        return self._dropped(sample.stamp_ns, *refused)

    def push_speed(self, sample: SpeedSample) -> Rejected | None:
        """Takes a speed sample; Rejected when it is dropped, for the same reasons as an IMU
        sample."""
        try:
            speed = float(sample.speed)
        except (TypeError, ValueError, OverflowError):
            speed = math.nan
        value = speed if abs(speed) <= MAX_SPEED else Reason.MALFORMED
        return self._dropped(
            sample.stamp_ns, self._keep("speed", self._speed, sample.stamp_ns, value)
        )

    def push_frame(self, frame: Frame, now_ns: int | None = None) -> Observation | Rejected:
        """The observation of a frame, or why there is none. `now_ns`: the receiver's clock, to
        refuse stamps far in the future."""
        stamp = _stamp(frame.stamp_ns)
        if stamp is None or not _is_picture(frame.image):
            return self._reject(0 if stamp is None else stamp, Reason.MALFORMED)
        if now_ns is not None and not stamp - now_ns <= self.config.max_future * 1e9:
            return self._reject(stamp, Reason.FUTURE)
        age_ns = (
            None if self._last_ns is None else self._last_ns - stamp
        )  # negative when time goes forward
        if age_ns == 0:
            return self._reject(stamp, Reason.DUPLICATE)
        if age_ns is not None and 0 < age_ns <= self.config.clock_jump * 1e9:
            return self._reject(stamp, Reason.OLDER)
        if age_ns is not None and age_ns > 0:
            for samples in (self._gyro, self._accelerometer, self._speed):
                _forget_since(samples, stamp + 1)
        is_first = age_ns is None or age_ns > 0 or -age_ns > self.config.max_gap * 1e9
        dt = self.config.nominal_dt if is_first else -age_ns / 1e9
        previous = None if is_first else self._last_ns
        measurements = self._measure(stamp, previous)
        self._last_ns = stamp
        return Observation(stamp, frame.image, measurements, dt, is_first)

    def _reject(self, stamp: int, reason: Reason) -> Rejected:
        self.rejected[reason] += 1
        return Rejected(stamp, reason)

    def _keep(
        self, name: str, samples: deque, stamp: object, value: float | Reason, several: bool = False
    ) -> Reason | None:
        """Keeps a sample of one sensor; the reason where it does not. A Reason in place of a value
        is that of a sample without one. `several` may have one stamp."""
        stamp, account = _stamp(stamp), self._accounts[name]
        reason = value if isinstance(value, Reason) else None
        if stamp is None:
            reason = Reason.MALFORMED
        elif reason is None:
            age_ns = samples[-1][0] - stamp if samples else -1  # negative when time goes forward
            if 0 < age_ns <= self.config.clock_jump * 1e9:
                reason = Reason.OLDER
            elif age_ns == 0 and not several:
                reason = Reason.DUPLICATE
        if reason is not None:
            account.refused[reason] += 1
            return reason
        if age_ns:
            _forget_since(samples, stamp)
        samples.append((stamp, value))
        account.take(stamp)
        return None

    def _dropped(self, stamp: object, *reasons: Reason | None) -> Rejected | None:
        """Counts a message of which no part was kept; the first of its parts' reasons that is about
        a measured one."""
        if None in reasons:
            return None
        self.measurements_rejected += 1
        measured = [reason for reason in reasons if reason is not Reason.NOT_MEASURED]
        return Rejected(_stamp(stamp) or 0, (measured or reasons)[0])

    def _measure(self, stamp: int, previous: int | None) -> np.ndarray:
        """Measurements (M,) of a frame, in the order of their names."""
        oldest = stamp - round(self.config.imu_window * 1e9)
        known = (
            _mean(self._gyro, stamp, previous, oldest),
            _mean(self._accelerometer, stamp, previous, oldest),
            self._speed_at(stamp),
        )
        moves = known[2] is None or abs(known[2]) > self.moving
        for name, value in zip(MEASURABLE, known, strict=True):
            self._accounts[name].frame(stamp, value, moves)
        self.assumed = tuple(MEASURABLE[i] for i in self._order if known[i] is None)
        instead = (0.0, 0.0, self.config.assumed_speed)
        return np.array(
            [instead[i] if known[i] is None else known[i] for i in self._order], np.float32
        )

    def _speed_at(self, stamp: int) -> float | None:
        latest = next((sample for sample in reversed(self._speed) if sample[0] <= stamp), None)
        return latest[1] if latest and stamp - latest[0] <= SPEED_LIFETIME_NS else None


def _part(values: tuple[float, ...], largest: float, axis: int) -> float | Reason:
    """The value of one sensor of an IMU, or why there is none."""
    if len(values) != 3:
        return Reason.MALFORMED
    x, y, z = values
    if abs(x) <= largest and abs(y) <= largest and abs(z) <= largest:
        return values[axis]
    return Reason.NOT_MEASURED if x != x and y != y and z != z else Reason.MALFORMED


def _mean(samples: deque, stamp: int, previous: int | None, oldest: int) -> float | None:
    """Mean of the samples in (previous, stamp], else of the latest stamp since `oldest`, else
    None."""
    count, total = 0, 0.0
    until_ns = previous
    for sample_ns, value in reversed(samples):
        if sample_ns > stamp:
            continue
        if sample_ns < oldest:
            break
        if until_ns is not None and sample_ns <= until_ns:
            if count:
                break
            until_ns = sample_ns - 1
        count, total = count + 1, total + value
    return total / count if count else None


def _forget_since(samples: deque, stamp: int) -> None:
    """Drops the samples stamped `stamp` or later: after a backward clock jump they are invalid."""
    while samples and samples[-1][0] >= stamp:
        samples.pop()


def _stamp(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return None
    value = int(value)
    return value if value in STAMP_RANGE else None


def _is_picture(image: object) -> bool:
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == 3
        and image.size > 0
    )
