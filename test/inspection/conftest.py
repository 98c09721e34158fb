"""A short recorded drive whose signals agree, made without a simulator, for tests that damage one
thing at a time."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from liquid_control.recordings.rosbag import messages
from liquid_control.recordings.rosbag.writer import (
    CAMERA,
    COMMAND,
    INERTIAL,
    ODOMETRY,
    BagSettings,
    BagWriter,
)
from liquid_control.signals import ImuSample

START_NS = 1_700_000_000_000_000_000
WHEELBASE = 2.6
HEIGHT, WIDTH, FOCAL = 64, 96, 86.0
RATES = {"camera": 12.0, "imu": 50.0, "speed": 20.0, "steering": 25.0}
LATENCY = {"camera": 0.03, "imu": 0.002, "speed": 0.005, "steering": 0.004}


@dataclasses.dataclass
class Drive:
    """Times of each role: header stamps and receipt [s]; values: pictures (JPEG files), imu rows
    (gyro, acceleration), speed, angle."""

    stamp: dict[str, np.ndarray]
    receipt: dict[str, np.ndarray]
    pictures: list[np.ndarray]
    imu: np.ndarray
    speed: np.ndarray
    steering: np.ndarray
    topics: dict[str, str] = dataclasses.field(default_factory=dict)
    poses: np.ndarray | None = None  # x, y, heading with each speed

    def keep(self, role: str, which: np.ndarray) -> None:
        """Only the messages of a role that `which` (N,) bool says."""
        self.stamp[role], self.receipt[role] = self.stamp[role][which], self.receipt[role][which]
        if role == "camera":
            self.pictures = [
                picture for picture, kept in zip(self.pictures, which, strict=True) if kept
            ]
        else:
            setattr(self, role, getattr(self, role)[which])

    def write(self, directory: Path, steering: str = "ackermann") -> Path:
        rows = sorted(
            (receipt, role, i)
            for role, times in self.receipt.items()
            for i, receipt in enumerate(times)
        )
        with BagWriter(directory, BagSettings(compression="none")) as writer:
            for receipt, role, i in rows:
                stamp_ns = max(
                    START_NS * (self.stamp[role][i] > -1e8) + round(self.stamp[role][i] * 1e9), 0
                )
                kind, data = self._message(role, i, stamp_ns, steering)
                names = {
                    "camera": f"{CAMERA}/compressed",
                    "imu": INERTIAL,
                    "speed": ODOMETRY,
                    "steering": COMMAND,
                }
                writer.write(
                    self.topics.get(role, names[role]), kind, data, START_NS + round(receipt * 1e9)
                )
        return directory

    def _message(self, role: str, i: int, stamp_ns: int, steering: str) -> tuple[str, bytes]:
        if role == "camera":
            return messages.COMPRESSED_IMAGE, messages.compressed_message(
                stamp_ns, self.pictures[i]
            )
        if role == "imu":
            rate, force = (
                tuple(map(float, self.imu[i, part])) for part in (slice(0, 3), slice(3, 6))
            )
            return messages.IMU, messages.imu_message(ImuSample(stamp_ns, rate, force))
        if role == "speed":
            pose = None if self.poses is None else tuple(map(float, self.poses[i]))
            return messages.ODOMETRY, messages.odometry_message(
                stamp_ns, "odom", pose, float(self.speed[i])
            )
        angle, speed = float(self.steering[i]), float(self._speed_at(self.stamp[role][i]))
        if steering == "twist_angle":  # angular.z = speed x "curvature"
            return messages.TWIST, messages.twist_message(stamp_ns, angle / speed, speed)
        if steering == "twist":
            return messages.TWIST, messages.twist_message(
                stamp_ns, np.tan(angle) / WHEELBASE, speed
            )
        return messages.ACKERMANN, messages.ackermann_message(stamp_ns, angle, speed)

    def _speed_at(self, seconds: float) -> float:
        return (
            float(np.interp(seconds, self.stamp["speed"], self.speed)) if len(self.speed) else 10.0
        )


@pytest.fixture(scope="session")
def drive():
    """The function that makes motion as arrays: `synthetic_motion.drive`."""
    spec = importlib.util.spec_from_file_location(
        "synthetic_motion", Path(__file__).with_name("synthetic_motion.py")
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module.drive


@pytest.fixture(scope="session")
def new_drive():
    """The function that makes a drive: (seed) → Drive."""
    return make_drive


@pytest.fixture(scope="session")
def clean() -> Drive:
    return make_drive(7)


def make_drive(seed: int = 0, duration: float = 24.0, steering_delay: float = 0.08) -> Drive:
    """Sensors with noise, stamps with jitter, a few dropped pictures; the vehicle turns
    `steering_delay` after the command."""
    rng = np.random.default_rng(seed)
    stamp = {}
    for role, rate in RATES.items():
        times = np.arange(0.0, duration, 1.0 / rate)
        stamp[role] = times + rng.uniform(-0.1, 0.1, len(times)) / rate
    stamp["camera"] = stamp["camera"][rng.uniform(size=len(stamp["camera"])) > 0.04]
    receipt = {
        role: np.maximum.accumulate(times + LATENCY[role] + rng.exponential(0.002, len(times)))
        for role, times in stamp.items()
    }
    frequency, phase = rng.uniform(0.05, 0.45, 12), rng.uniform(0, 2 * np.pi, 12)

    def yaw_rate(t: np.ndarray) -> np.ndarray:
        return 0.09 * np.sin(2 * np.pi * frequency * np.asarray(t)[:, None] + phase).sum(1)

    def speed(t: np.ndarray) -> np.ndarray:
        return 9.0 + 2.0 * np.sin(0.4 * np.asarray(t))

    rate, t = yaw_rate(stamp["imu"]) + 0.003, stamp["imu"]
    noise = rng.normal(size=(len(t), 6)) * np.array([0.004, 0.004, 0.004, 0.08, 0.08, 0.08])
    zero = np.zeros_like(rate)
    imu = np.stack([zero, zero, rate, zero, speed(t) * rate, zero + 9.81], 1) + noise
    ahead = stamp["steering"] + steering_delay
    angle = np.arctan(WHEELBASE * yaw_rate(ahead) / speed(stamp["steering"]))
    return Drive(
        stamp, receipt, _pictures(stamp["camera"], yaw_rate, rng), imu, speed(stamp["speed"]), angle
    )


def _pictures(times: np.ndarray, yaw_rate, rng: np.random.Generator) -> list[np.ndarray]:
    """A panorama that turns: when the vehicle turns left, what it sees moves to the right."""
    fine = np.arange(-1.0, times[-1] + 1.0, 0.005)
    heading = np.interp(times, fine, np.cumsum(yaw_rate(fine)) * 0.005)
    around = cv2.GaussianBlur(
        rng.uniform(0, 255, (HEIGHT, 2048, 3)).astype(np.float32), (0, 0), 2.0
    )
    around = np.clip((around - around.mean()) * 5.0 + 110.0, 0, 255).astype(np.uint8)
    pictures = []
    for angle in heading:
        left = (1024.0 - FOCAL * angle) % (2048 - WIDTH)
        view = cv2.warpAffine(
            around, np.float32([[1, 0, -left], [0, 1, 0]]), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR
        )
        noisy = np.clip(view + rng.normal(0, 2.0, view.shape), 0, 255).astype(np.uint8)
        pictures.append(messages.jpeg(noisy, 90))
    return pictures
