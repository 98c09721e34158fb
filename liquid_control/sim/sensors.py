"""Timing and errors of the simulated sensors: a camera with jitter and dropped frames, a noisy and
biased IMU."""

from __future__ import annotations

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.signals import ImuSample
from liquid_control.sim.bodies.body import Parameters

GYRO_NOISE = 0.004
ACCELEROMETER_NOISE = 0.12
SPEED_NOISE = 0.03


class CameraClock:
    """Draws exposure instants: a base rate per episode, each period jittered, some frames
    dropped."""

    def __init__(self, config: WorldConfig, rng: np.random.Generator) -> None:
        self._rng, self._config = rng, config
        self._period = 1.0 / rng.uniform(config.frame_rate_low, config.frame_rate_high)
        self._next = self._period * rng.random()

    def due(self, now: float) -> tuple[float, bool] | None:
        """(exposure time [s], dropped) when an exposure fell before `now`, else None."""
        if now < self._next:
            return None
        exposed, jitter = self._next, self._config.frame_jitter
        self._next += self._period * (1.0 + self._rng.uniform(-jitter, jitter))
        return exposed, bool(self._rng.random() < self._config.drop_share)


def imu_sample(
    stamp_ns: int,
    gyro: np.ndarray,
    accelerometer: np.ndarray,
    body: Parameters,
    rng: np.random.Generator,
) -> ImuSample:
    """A noisy, biased reading of true angular velocity (3,) and specific force (3,)."""
    noise = rng.standard_normal(
        6
    ).tolist()  # plain floats: an array operation on three numbers costs more than the numbers
    return ImuSample(
        stamp_ns,
        tuple(
            true + bias + GYRO_NOISE * error
            for true, bias, error in zip(gyro.tolist(), body.gyro_bias, noise[:3], strict=True)
        ),
        tuple(
            true + bias + ACCELEROMETER_NOISE * error
            for true, bias, error in zip(
                accelerometer.tolist(), body.accelerometer_bias, noise[3:], strict=True
            )
        ),
    )
