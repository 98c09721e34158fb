"""A made-up recording to measure with: pictures as heavy as a camera's, an IMU at 200 Hz, odometry
and steering at 50 Hz, real stamps.

Pictures have the spectrum of natural scenes (amplitude falls with frequency to the power of 1.2; D.
J. Tolhurst et al., Amplitude spectra of natural images, Ophthalmic and Physiological Optics 12,
1992), so that their JPEG files are as large, and as slow to decode, as those of a camera. A few are
encoded once and repeat: the encoder is not measured.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.recordings.rosbag.messages import jpeg
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.signals import ImuSample, SpeedSample, SteeringSample

HEIGHT, WIDTH = 480, 640
QUALITY = 80  # the default of ROS's image_transport
SLOPE = 1.2
PICTURES = 60
CAMERA_RATE, IMU_RATE, SLOW_RATE = 30.0, 200.0, 50.0  # Hz
SPEED, SWING, PERIOD = 12.0, 0.02, 14.0  # m/s, 1/m, s
DELIVERY_NS = 8_000_000  # from a stamp to its receipt
START_NS = 1_790_000_000_000_000_000


def make_bag(
    directory: Path,
    seconds: float,
    advance=lambda seconds: None,
    pictures: int = PICTURES,
    seed: int = 0,
) -> None:
    """Writes a recording of `seconds` with this many different `pictures`; `advance` receives each
    second."""
    rng = np.random.default_rng(seed)
    encoded = [jpeg(natural_picture(rng), QUALITY) for _ in range(pictures)]
    vehicle = VehicleConfig()
    frames = (
        np.cumsum(rng.normal(1.0, 0.03, int(seconds * CAMERA_RATE)).clip(0.8, 1.2)) / CAMERA_RATE
    )
    events = [(at, 0) for at in frames] + [
        (i / IMU_RATE, 1) for i in range(int(seconds * IMU_RATE))
    ]
    events += [(i / SLOW_RATE, 2) for i in range(int(seconds * SLOW_RATE))]
    events.sort()
    shown = whole = 0
    with BagWriter(directory, vehicle=vehicle) as writer:
        for at, kind in events:
            stamp = START_NS + round(at * 1e9)
            bend = SWING * math.sin(2 * math.pi * at / PERIOD)
            if kind == 0:
                writer.write_jpeg(stamp, encoded[shown % pictures], stamp + DELIVERY_NS)
                shown += 1
            elif kind == 1:
                writer.write_imu(
                    ImuSample(stamp, (0.0, 0.0, SPEED * bend), (0.0, SPEED**2 * bend, 9.81)),
                    stamp + DELIVERY_NS,
                )
            else:
                writer.write_speed(SpeedSample(stamp, SPEED), stamp + DELIVERY_NS)
                writer.write_steering(
                    SteeringSample(stamp, steering_angle(bend, vehicle), SPEED), stamp + DELIVERY_NS
                )
            if at - whole >= 1.0:
                whole += 1
                advance(1)


def natural_picture(rng: np.random.Generator) -> np.ndarray:
    """(HEIGHT, WIDTH, 3) uint8 RGB with the spectrum of a natural scene and the muted colours of
    one."""
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = 1.0

    def field() -> np.ndarray:
        values = np.fft.irfft2(
            np.fft.rfft2(rng.standard_normal((HEIGHT, WIDTH))) / frequency**SLOPE, (HEIGHT, WIDTH)
        )
        return values / values.std()

    grey = field()
    return (
        np.stack([118.0 + 46.0 * (grey + 0.25 * field()) for _ in range(3)], axis=-1)
        .clip(0, 255)
        .astype(np.uint8)
    )
