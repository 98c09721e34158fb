"""A small drive written as a bag: the road's bend is a bright bar in the picture, left for left, so
that it can be learned in seconds."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.recordings.rosbag.writer import ODOMETRY, BagSettings, BagWriter
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

BEGIN = 1_767_225_600_000_000_000
VEHICLE = VehicleConfig()


def curvature(seconds: float, seed: int) -> float:
    """Driven curvature [1/m] of drive `seed`."""
    return 0.02 * np.sin(1.1 * seconds + seed) + 0.012 * np.sin(2.3 * seconds + 2.0 * seed)


def picture(bend: float, rng: np.random.Generator, size: tuple[int, int] = (16, 32)) -> np.ndarray:
    height, width = size
    image = rng.integers(60, 80, (height, width, 3), dtype=np.uint8)
    column = int(np.clip(width * (0.5 - bend / 0.08), 2, width - 3))
    image[height // 3 :, column - 2 : column + 3] = 230
    return image


def write_drive(
    path: Path,
    seed: int = 0,
    seconds: float = 12.0,
    speed: float = 8.0,
    camera: bool = True,
    imu: bool = True,
    steering: bool = True,
    ratio: float = 1.0,
    still: bool = False,
    size: tuple[int, int] = (16, 32),
    focal: float = 0.0,
    frozen: tuple[float, float] = (0.0, 0.0),
    change=lambda sample: sample,
    policy: tuple[tuple[float, float], ...] | None = None,
) -> Path:
    """`ratio`: recorded steering angle over the driven one. `still`: header stamps stand still.
    `focal`: of a CameraInfo [px], 0: none. `frozen`: in these seconds [from, to) the camera repeats
    one picture. `change`: what is done to each IMU, speed and steering sample. `policy`: in these
    spans [s] a policy drives, which steers to the other side, and a person in the others; None:
    the recording does not say who drives."""
    by = None
    rng = np.random.default_rng(seed)
    image = None
    with BagWriter(path, BagSettings(pictures="raw", steering="ackermann")) as writer:
        for tick in range(int(seconds * 100)):
            received = BEGIN + tick * 10_000_000
            stamp, bend = BEGIN if still else received, float(curvature(tick / 100, seed))
            before, by = by, any(low <= tick / 100 < high for low, high in policy or ())
            if policy is not None and by is not before:
                state = "engaged" if by else "disengaged"
                writer.write_gate_state(state, "policy", "as written", received)
            if imu and tick % 2 == 0:
                inertial = ImuSample(stamp, (0.0, 0.0, speed * bend), (0.0, speed**2 * bend, 9.81))
                writer.write_imu(change(inertial), received)
            if tick % 4 == 0:
                writer.write_speed(change(SpeedSample(stamp, speed)), received)
            if tick % 5 == 0 and rng.random() > 0.05:
                if steering:
                    angle = (-1.0 if by else ratio) * steering_angle(bend, VEHICLE)
                    writer.write_steering(change(SteeringSample(stamp, angle, speed)), received)
                if focal:
                    writer.write_camera_info(stamp, *size, focal, received)
                if camera:
                    if image is None or not frozen[0] < tick / 100 < frozen[1]:
                        image = picture(bend, rng, size)
                    writer.write_frame(Frame(stamp, image), received)
    return path


def robot(wheelbase: float = 0.1) -> VehicleConfig:
    """A small vehicle that drives bends of 10 1/m; of a differential drive the wheelbase is the
    distance between its wheels."""
    return VehicleConfig(wheelbase, math.atan(10.0 * wheelbase))


def sharp_bend(seconds: float, seed: int) -> float:
    """Curvature [1/m] of the small robot's road, mostly 2 to 9 to either side."""
    return 6.0 * np.sin(0.9 * seconds + seed) + 3.0 * np.sin(2.1 * seconds + 2.0 * seed)


def write_robot(
    path: Path,
    seed: int = 0,
    seconds: float = 20.0,
    speed: float = 0.3,
    wheelbase: float = 0.1,
    imu: bool = False,
    odometry: bool = True,
    size: tuple[int, int] = (32, 64),
    frozen: tuple[float, float] = (0.0, 0.0),
) -> Path:
    """A small robot, commanded by twists, whose odometry has positions. `frozen`: in these seconds
    [from, to) the camera repeats one picture."""
    rng, image = np.random.default_rng(seed), None
    vehicle, x, y, yaw = robot(wheelbase), 0.0, 0.0, 0.0
    settings = BagSettings(pictures="raw", steering="twist_stamped")
    with BagWriter(path, settings, vehicle=vehicle) as writer:
        for tick in range(int(seconds * 100)):
            stamp, now = BEGIN + tick * 10_000_000, tick / 100
            bend, v = float(sharp_bend(now, seed)), speed * (1.0 + 0.15 * np.sin(0.7 * now))
            x, y = x + 0.01 * v * math.cos(yaw), y + 0.01 * v * math.sin(yaw)
            yaw += 0.01 * v * bend
            if imu and tick % 2 == 0:
                turning = v * bend + rng.normal(0.0, 0.01), v**2 * bend + rng.normal(0.0, 0.05)
                sample = ImuSample(stamp, (0.0, 0.0, turning[0]), (0.0, turning[1], 9.81))
                writer.write_imu(sample, stamp)
            if odometry and tick % 4 == 0:
                pose = x, y, math.remainder(yaw, 2.0 * math.pi)
                writer.write_pose(ODOMETRY, stamp, "odom", pose, v, v * bend, stamp)
            if tick % 5 == 0 and rng.random() > 0.05:
                angle = steering_angle(bend, vehicle)
                writer.write_steering(SteeringSample(stamp, angle, v), stamp)
                if image is None or not frozen[0] < now < frozen[1]:
                    image = picture(bend / 300.0, rng, size)
                writer.write_frame(Frame(stamp, image), stamp)
    return path
