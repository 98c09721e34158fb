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
from liquid_control.signals import Frame, ImuSample, Observation, Reason, Rejected, SpeedSample

MEASURABLE = ("yaw_rate", "lateral_acceleration", "speed")
"""Measurements that the time line can give: [rad/s] and [m/s²], means since the frame before, and
[m/s], the latest."""
MAX_YAW_RATE = 50.0  # rad/s; automotive and robot gyroscopes end at 2,000 °/s = 35 rad/s
MAX_ACCELERATION = 500.0  # m/s²; 50 g
MAX_SPEED = 200.0  # m/s
SPEED_LIFETIME_NS = 1_000_000_000
SAMPLES_KEPT = 8192  # 0.8 s of a 10 kHz sensor; bounds the memory when no frame comes
FRAME_REASONS = (Reason.DUPLICATE, Reason.OLDER, Reason.FUTURE, Reason.MALFORMED)
STAMP_RANGE = range(-(2**63), 2**63)


class Timeline:
    """Order, dt, gaps, clock jumps and the inertial window of each frame. After construction
    nothing raises; what is refused is counted.

    `measurements`: names of those that an observation gets, in order, each of `MEASURABLE`; others
    raise ConfigError. `rejected` counts refused frames by reason, `measurements_rejected` dropped
    IMU and speed samples; both survive `reset`.

    Without a receiver's clock (`now_ns`) a stamp far ahead is indistinguishable from a gap. It then
    starts a new sequence, and the next true frame reads as a backward jump and starts another one:
    one bad stamp costs one reset.
    """

    def __init__(
        self, config: TimelineConfig | None = None, measurements: Sequence[str] = MEASURABLE
    ) -> None:
        self.config = config or TimelineConfig()
        unknown = [name for name in measurements if name not in MEASURABLE]
        if unknown:
            raise ConfigError("measurements", unknown, f"some of {', '.join(MEASURABLE)}")
        self._order = [MEASURABLE.index(name) for name in measurements]
        self.rejected = dict.fromkeys(FRAME_REASONS, 0)
        self.measurements_rejected = 0
        self._imu: deque[tuple[int, float, float]] = deque(
            maxlen=SAMPLES_KEPT
        )  # stamp, yaw rate, lateral acceleration
        self._speed: deque[tuple[int, float]] = deque(maxlen=SAMPLES_KEPT)  # stamp, speed
        self._last_ns: int | None = None

    def reset(self) -> None:
        """Forgets the sequence and all samples."""
        self._last_ns = None
        self._imu.clear()
        self._speed.clear()

    @property
    def latest_speed(self) -> float | None:
        """The speed measured last [m/s], however old; None before the first."""
        return self._speed[-1][1] if self._speed else None

    def push_imu(self, sample: ImuSample) -> Rejected | None:
        """Takes an IMU sample; Rejected when it is dropped: malformed (not finite, beyond any real
        sensor), or not newer than the one before."""
        try:
            rates, accelerations = (
                tuple(map(float, sample.angular_velocity)),
                tuple(map(float, sample.linear_acceleration)),
            )
        except (TypeError, ValueError, OverflowError):
            rates = accelerations = ()
        real = len(rates) == len(accelerations) == 3
        real = (
            real
            and all(abs(rate) <= MAX_YAW_RATE for rate in rates)
            and all(abs(value) <= MAX_ACCELERATION for value in accelerations)
        )
        return self._keep(
            self._imu, sample.stamp_ns, (rates[2], accelerations[1]) if real else None
        )

    def push_speed(self, sample: SpeedSample) -> Rejected | None:
        """Takes a speed sample; Rejected when it is dropped, for the same reasons as an IMU
        sample."""
        try:
            speed = float(sample.speed)
        except (TypeError, ValueError, OverflowError):
            speed = math.nan
        return self._keep(
            self._speed, sample.stamp_ns, (speed,) if abs(speed) <= MAX_SPEED else None
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
            for samples in (self._imu, self._speed):
                _forget_since(samples, stamp + 1)
        is_first = age_ns is None or age_ns > 0 or -age_ns > self.config.max_gap * 1e9
        dt = self.config.nominal_dt if is_first else -age_ns / 1e9
        previous = None if is_first else self._last_ns
        measured = (*self._motion(stamp, previous), self._speed_at(stamp))
        measurements = np.array([measured[index] for index in self._order], np.float32)
        self._last_ns = stamp
        return Observation(stamp, frame.image, measurements, dt, is_first)

    def _reject(self, stamp: int, reason: Reason) -> Rejected:
        self.rejected[reason] += 1
        return Rejected(stamp, reason)

    def _keep(self, samples: deque, stamp: object, values: tuple | None) -> Rejected | None:
        stamp = _stamp(stamp)
        if stamp is None or values is None:
            return self._drop(0 if stamp is None else stamp, Reason.MALFORMED)
        age_ns = samples[-1][0] - stamp if samples else -1  # negative when time goes forward
        if 0 <= age_ns <= self.config.clock_jump * 1e9:
            return self._drop(stamp, Reason.OLDER if age_ns else Reason.DUPLICATE)
        _forget_since(samples, stamp)
        samples.append((stamp, *values))
        return None

    def _drop(self, stamp: int, reason: Reason) -> Rejected:
        self.measurements_rejected += 1
        return Rejected(stamp, reason)

    def _motion(self, stamp: int, previous: int | None) -> tuple[float, float]:
        """Mean yaw rate and lateral acceleration in (previous, stamp], else the latest within the
        window, else zeros."""
        oldest = stamp - round(self.config.imu_window * 1e9)
        count, yaw_rate, acceleration = 0, 0.0, 0.0
        for sample_ns, rate, lateral in reversed(self._imu):
            if sample_ns > stamp:
                continue
            if sample_ns < oldest:
                break
            if previous is not None and sample_ns <= previous:
                return (yaw_rate / count, acceleration / count) if count else (rate, lateral)
            count, yaw_rate, acceleration = count + 1, yaw_rate + rate, acceleration + lateral
        return (yaw_rate / count, acceleration / count) if count else (0.0, 0.0)

    def _speed_at(self, stamp: int) -> float:
        latest = next((sample for sample in reversed(self._speed) if sample[0] <= stamp), None)
        return (
            latest[1]
            if latest and stamp - latest[0] <= SPEED_LIFETIME_NS
            else self.config.assumed_speed
        )


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
