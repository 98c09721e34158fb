"""Recorded motion without a recording: arrays of a drive whose signals agree, for tests that spoil
one of them. Nothing is read from files, so that a hundred drives take seconds."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.inspection.motion_signals import Signals, poses_of
from liquid_control.recordings.motion import EMPTY, Track
from liquid_control.recordings.values import Sample
from liquid_control.signals import ImuSample, PlanarOdometry, SpeedSample, SteeringSample

START_NS = 2_000_000_000
RATES = {"imu": 50.0, "speed": 25.0, "steering": 20.0}


@dataclasses.dataclass
class Motion:
    """Rows by role: imu (N, 7) seconds, gyro, acceleration; speed (N, 2); steering (N, 2) angle;
    odometry (N, 5) seconds, x, y, heading, speed to the left; rotation (N, 2) of the pictures."""

    wheelbase: float
    imu: np.ndarray
    speed: np.ndarray
    steering: np.ndarray
    odometry: np.ndarray
    rotation: np.ndarray

    def signals(self) -> Signals:
        return Signals(
            tuple(_track(self.imu, column) for column in (1, 2, 3)),
            tuple(_track(self.imu, column) for column in (4, 5, 6)),
            _track(self.speed, 1),
            _track(self.steering, 1),
            _track(self.rotation, 1),
            poses_of(self.odometry + np.array([START_NS * 1e-9, 0.0, 0.0, 0.0, 0.0])),
        )

    def samples(self) -> list[tuple[int, Sample]]:
        """As a recording in memory takes them, received when they are stamped."""
        samples: list[Sample] = [
            ImuSample(_ns(row[0]), tuple(row[1:4].tolist()), tuple(row[4:7].tolist()))
            for row in self.imu
        ]
        poses = [PlanarOdometry(*row[1:].tolist(), 0.0) for row in self.odometry]
        poses = poses or [None] * len(self.speed)
        samples += [
            SpeedSample(_ns(seconds), speed, pose)
            for (seconds, speed), pose in zip(self.speed.tolist(), poses, strict=True)
        ]
        samples += [
            SteeringSample(_ns(seconds), angle, None) for seconds, angle in self.steering.tolist()
        ]
        return sorted(((one.stamp_ns, one) for one in samples), key=lambda pair: pair[0])


def drive(
    seed: int = 0,
    speed: float = 8.0,
    wheelbase: float = 2.6,
    amplitude: float = 0.06,
    seconds: float = 24.0,
    varies: float = 0.15,
    gyro_bias: float = 0.002,
    steering_delay: float = 0.05,
    circling: float = 0.0,
) -> Motion:
    """A kinematic bicycle that steers in sines of `amplitude` [rad] at about `speed` [m/s], which
    changes by the share `varies`, around an angle `circling` [rad]. Noise and jitter as of common
    sensors."""
    rng = np.random.default_rng(seed)
    t = np.arange(-1.0, seconds + 1.0, 0.005)
    frequency, phase = rng.uniform(0.05, 0.4, 6), rng.uniform(0.0, 2.0 * np.pi, 6)
    angle = circling + amplitude / 2.0 * np.sin(2 * np.pi * frequency * t[:, None] + phase).sum(1)
    v = speed * (1.0 + varies * np.sin(2 * np.pi * t / 17.0 + phase[0]))
    rate = v * np.tan(angle) / wheelbase
    yaw = np.cumsum(rate) * 0.005
    x, y = (np.cumsum(v * part(yaw)) * 0.005 for part in (np.cos, np.sin))
    change = np.gradient(v, t)

    def stamps(role: str) -> np.ndarray:
        step = 1.0 / RATES[role]
        times = np.arange(0.0, seconds, step)
        return times + rng.uniform(-0.1, 0.1, len(times)) * step

    def at(times: np.ndarray, *values: np.ndarray) -> np.ndarray:
        return np.stack([times, *(np.interp(times, t, one) for one in values)], 1)

    zero = np.zeros_like(t)
    imu = at(stamps("imu"), zero, zero, rate + gyro_bias, change, v * rate, zero + 9.81)
    imu[:, 1:] += rng.normal(size=imu[:, 1:].shape) * np.array([0.004] * 3 + [0.08] * 3)
    odometry = at(stamps("speed"), x, y, yaw, zero)
    odometry[:, 1:3] += rng.normal(size=(len(odometry), 2)) * 0.002
    steering = at(stamps("steering"), angle)
    steering[:, 0] -= steering_delay
    rotation = at(np.arange(0.0, seconds, 0.1), rate * 0.9)
    rotation[:, 1] += rng.normal(size=len(rotation)) * 0.3 * rotation[:, 1].std()
    spoken = at(odometry[:, 0], v)
    return Motion(wheelbase, imu, spoken, steering, odometry, rotation)


def _ns(seconds: float) -> int:
    return START_NS + round(seconds * 1e9)


def _track(rows: np.ndarray, column: int) -> Track:
    if not len(rows):
        return EMPTY
    order = np.argsort(rows[:, 0], kind="stable")
    return Track(START_NS + np.rint(rows[order, 0] * 1e9).astype(np.int64), rows[order, column])
