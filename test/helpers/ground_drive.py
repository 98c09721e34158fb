"""A drive over painted flat ground, drawn exactly for any pose: what the recorded world should
show, and the recording that it is made from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from liquid_control.config import PreprocessConfig, VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.control.vehicle import steering_angle
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import Track
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.sim.recorded.path import RecordedPath, integrate
from liquid_control.sim.recorded.road import RecordedRoad

BEGIN = 1_767_225_600_000_000_000
SPEED, RATE = 8.0, 20.0
VEHICLE = VehicleConfig()
CAMERA = GroundCamera.of_lens(64, 128, 1.2, 1.4, 0.2, 1.6)
SIZE = PreprocessConfig()


def bend(seconds: np.ndarray) -> np.ndarray:
    """Driven curvature [1/m]."""
    return 0.03 * np.sin(0.9 * seconds)


def draw(
    x: float, y: float, heading: float, camera: GroundCamera = CAMERA, gain: float = 1.0
) -> np.ndarray:
    """The picture (H, W, 3) uint8 of a vehicle posed at x, y, heading: smooth paint on the ground,
    smooth sky by direction."""
    columns, rows = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    at = camera.ground(np.stack([columns, rows], -1))
    cos, sin = math.cos(heading), math.sin(heading)
    with np.errstate(invalid="ignore"):
        east, north = (
            x + at[..., 0] * cos - at[..., 1] * sin,
            y + at[..., 0] * sin + at[..., 1] * cos,
        )
        near = np.exp(-(at[..., 0] ** 2) / 400.0)
        paint = 120 + 60 * near * np.sin(0.6 * east) * np.cos(0.5 * north)
    right = (columns - camera.centre[0]) / camera.focal[0]
    down = (rows - camera.centre[1]) / camera.focal[1]
    ray = np.stack([right, down, np.ones(right.shape)], -1) @ camera.axes
    sky = 120 + 50 * np.sin(4.0 * (heading + np.arctan2(ray[..., 1], ray[..., 0])))
    grey = np.where(np.isfinite(paint), paint, sky) * gain
    return np.repeat(np.clip(np.rint(grey), 0, 255).astype(np.uint8)[..., None], 3, 2)


def path(seconds: float = 12.0, delay: float = 0.1, bends: float = 1.0) -> RecordedPath:
    """Driven at `SPEED` along `bends` x `bend`; the command precedes it by `delay` [s]."""
    time = np.arange(0.0, seconds, 1 / RATE)
    stamp_ns = BEGIN + np.round(time * 1e9).astype(np.int64)
    fine = np.arange(0.0, seconds + 0.01, 0.01)
    turn = Track(BEGIN + np.round(fine * 1e9).astype(np.int64), bends * SPEED * bend(fine))
    return integrate(stamp_ns, np.full(len(time), SPEED), bends * bend(time + delay), turn, delay)


def road(seconds: float = 12.0, delay: float = 0.1, bends: float = 1.0, **changes) -> RecordedRoad:
    """Of such a drive, in memory."""
    line = path(seconds, delay, bends)
    pictures = np.stack([draw(*pose) for pose in zip(line.x, line.y, line.heading, strict=True)])
    given = {
        "name": "painted",
        "path": line,
        "pictures": pictures,
        "camera": CAMERA,
        "vehicle": VEHICLE,
        "response_delay": delay,
        "scale": driving_scale(VEHICLE),
        "preprocess": SIZE,
        "measured": ("yaw_rate", "lateral_acceleration", "speed"),
    }
    return RecordedRoad(**(given | changes))


def write_ground_drive(
    folder: Path,
    seconds: float = 12.0,
    delay: float = 0.1,
    pause: tuple[float, float] = (0.0, 0.0),
    stop: tuple[float, float] = (0.0, 0.0),
    spin: tuple[float, float] = (0.0, 0.0),
    jump: float = 0.0,
    imu: bool = True,
    speed: bool = True,
    steering: bool = True,
) -> Path:
    """The same as a bag. In `pause` [s] nothing is recorded, in `stop` the vehicle stands, in
    `spin` its wheels turn and nothing else does. `jump` [s] of the clock after half of it."""
    rng = np.random.default_rng(0)
    line = path(seconds, delay)
    ticks = np.arange(int(seconds * 100)) / 100
    with BagWriter(folder, BagSettings(pictures="raw", steering="ackermann")) as writer:
        for number, now in enumerate(ticks.tolist()):
            if pause[0] < now < pause[1]:
                continue
            stamp = BEGIN + number * 10_000_000 + round(jump * 1e9) * (now > seconds / 2)
            place = number if not spin[0] < now < spin[1] else round(spin[0] * 100)
            moving = 0.0 if stop[0] < now < stop[1] else SPEED
            if imu:
                turn = moving * float(bend(now))
                sample = ImuSample(stamp, (0.0, 0.0, turn), (0.0, moving * turn, 9.81))
                writer.write_imu(sample, stamp)
            if speed:
                writer.write_speed(SpeedSample(stamp, moving), stamp)
            if number % 5 == 0:
                angle = steering_angle(float(bend(now + delay)), VEHICLE)
                if steering:
                    writer.write_steering(SteeringSample(stamp, angle, moving), stamp)
                writer.write_camera_info(stamp, CAMERA.height, CAMERA.width, CAMERA.focal[0], stamp)
                pose = (line.x[place // 5], line.y[place // 5], line.heading[place // 5])
                picture = draw(*pose) + (place != number) * rng.integers(
                    0, 2, (64, 128, 1), np.uint8
                )
                writer.write_frame(Frame(stamp, picture), stamp)
    return folder
