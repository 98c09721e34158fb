"""A drive of a kinematic bicycle whose truth is known, as streams of stamped numbers."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.perception.inertial import GRAVITY

BEGIN_NS = 1_767_225_600_000_000_000
STEP = 0.005
"""Of the truth [s]."""
HEIGHT, WIDTH = 24, 64
"""Of the pictures [px]."""
FIELD_OF_VIEW = 1.2
"""Of the camera [rad]."""
TINY = 0.13
"""Wheelbase of a small robot [m]."""
BITS = 12
"""In which a picture holds its number."""
BAND = 4
"""Rows of a picture that hold its number [px]."""
LATENCY_NS = {"camera": 8_000_000, "imu": 1_000_000, "speed": 1_500_000, "steering": 700_000}
"""Receipt after the stamp, by role."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stream:
    """N samples: received_ns (N,), stamp_ns (N,) int64, values (N, K); order (N,): true receipt,
    which no change moves.

    Columns by role. imu: angular velocity x y z, acceleration x y z. speed: forward speed, x, y,
    yaw, speed to the left, yaw rate. steering: angle, speed. camera: number of the picture.
    """

    received_ns: np.ndarray
    stamp_ns: np.ndarray
    values: np.ndarray
    order: np.ndarray

    def changed(self, **changes: np.ndarray) -> Stream:
        return dataclasses.replace(self, **changes)


@dataclasses.dataclass(frozen=True, eq=False)
class Drive:
    """The truth on a grid of `STEP`: time [s], speed [m/s], angle [rad], curvature [1/m], yaw_rate
    [rad/s], lateral_acceleration [m/s²], yaw [rad], x, y [m], each (T,); `picture_times` (F,) [s].
    """

    wheelbase: float
    time: np.ndarray
    speed: np.ndarray
    angle: np.ndarray
    curvature: np.ndarray
    yaw_rate: np.ndarray
    lateral_acceleration: np.ndarray
    yaw: np.ndarray
    x: np.ndarray
    y: np.ndarray
    picture_times: np.ndarray
    texture: np.ndarray

    def at(self, name: str, times: np.ndarray) -> np.ndarray:
        return np.interp(times, self.time, getattr(self, name))

    def picture(self, number: int) -> np.ndarray:
        """(HEIGHT, WIDTH, 3) uint8: bits of the number above a horizon that moves with the yaw."""
        image = np.empty((HEIGHT, WIDTH), np.uint8)
        bits = [255 * (number >> bit & 1) for bit in range(BITS)]
        image[:BAND] = np.pad(np.repeat(bits, WIDTH // BITS), (0, WIDTH % BITS))
        yaw = float(self.at("yaw", self.picture_times[number]))
        columns = np.arange(WIDTH) - yaw * WIDTH / FIELD_OF_VIEW
        image[BAND:] = np.interp(columns, np.arange(len(self.texture)), self.texture, period=4096)
        return np.repeat(image[..., None], 3, axis=2)


def number_of(image: np.ndarray) -> int:
    """The number in a picture (HEIGHT, WIDTH, 3), also where its colours were coded with loss."""
    width = WIDTH // BITS
    bits = image[:BAND, : BITS * width].reshape(BAND, BITS, width, -1).mean((0, 2, 3)) > 127
    return int(sum(1 << bit for bit in range(BITS) if bits[bit]))


def draw_drive(rng: np.random.Generator) -> Drive:
    """A car at 5 to 12 m/s, a vehicle of 1:8 at 1 to 2 m/s or a small robot at 0.25 to 0.5 m/s in
    bends of up to 9 1/m, 14 to 20 s in changing bends."""
    small = rng.random() < 0.3
    wheelbase = 0.33 if small else 2.6
    lateral = rng.uniform(0.5, 1.2) if small else rng.uniform(1.2, 2.5)
    cruise = rng.uniform(1.0, 2.0) if small else rng.uniform(5.0, 12.0)
    if small and lateral > 0.85:
        wheelbase, cruise = TINY, cruise / 4.0
        lateral = cruise**2 * (4.0 + 5.0 * (lateral - 0.85) / 0.35)
    time = np.arange(0.0, rng.uniform(14.0, 20.0), STEP)
    slow, fast, phases = rng.uniform(0.15, 0.25), rng.uniform(0.35, 0.55), rng.uniform(0, 6.3, 3)
    speed = cruise * (1 + 0.15 * np.sin(2 * np.pi * 0.08 * time + phases[2]))
    bend = 0.6 * np.sin(2 * np.pi * slow * time + phases[0])
    bend += 0.4 * np.sin(2 * np.pi * fast * time + phases[1])
    angle = np.arctan(wheelbase * lateral / cruise**2 * bend)
    curvature = np.tan(angle) / wheelbase
    yaw_rate = speed * curvature
    yaw = np.cumsum(yaw_rate) * STEP
    noise = rng.integers(0, 256, 512).astype(float)
    texture = np.interp(np.arange(4096) / 8, np.arange(512), noise)
    times = np.arange(0.2, time[-1] - 0.2, 1 / rng.uniform(15, 30))
    times = times + rng.uniform(-0.1, 0.1, len(times)) * (times[1] - times[0])
    return Drive(
        wheelbase,
        time,
        speed,
        angle,
        curvature,
        yaw_rate,
        speed * yaw_rate,
        yaw,
        np.cumsum(speed * np.cos(yaw)) * STEP,
        np.cumsum(speed * np.sin(yaw)) * STEP,
        times[: 2**BITS],
        texture,
    )


def streams_of(drive: Drive, rng: np.random.Generator) -> dict[str, Stream]:
    """What the drive's sensors record, by role, with the noise of common ones."""

    def sampled(role: str, times: np.ndarray, columns: list[np.ndarray]) -> Stream:
        stamp_ns = BEGIN_NS + np.rint(times * 1e9).astype(np.int64)
        late = LATENCY_NS[role] * rng.uniform(0.8, 1.2, len(times))
        received = np.maximum.accumulate(stamp_ns + late.astype(np.int64))
        return Stream(received, stamp_ns, np.stack(columns, axis=1), received)

    def times_at(rate: float) -> np.ndarray:
        return np.arange(0.1, drive.time[-1] - 0.1, 1 / rate)

    def read(name: str, times: np.ndarray, noise: float) -> np.ndarray:
        return drive.at(name, times) + rng.normal(0.0, noise, len(times))

    fast, medium, slow = times_at(100.0), times_at(50.0), times_at(25.0)
    shaken = 0.08 if drive.wheelbase > TINY else 0.03
    still = [rng.normal(0.0, 0.003, len(fast)) for _ in range(2)]
    forward = np.interp(fast, drive.time, np.gradient(drive.speed, STEP))
    force = [
        forward + rng.normal(0.0, 0.05, len(fast)),
        read("lateral_acceleration", fast, shaken),
        GRAVITY + rng.normal(0.0, 0.05, len(fast)),
    ]
    speed = drive.at("speed", medium) * (1 + rng.normal(0.0, 0.005, len(medium)))
    pose = [drive.at(name, medium) for name in ("x", "y", "yaw")]
    pictures = drive.picture_times
    return {
        "camera": sampled("camera", pictures, [np.arange(len(pictures), dtype=float)]),
        "imu": sampled("imu", fast, [*still, read("yaw_rate", fast, 0.003), *force]),
        "speed": sampled(
            "speed", medium, [speed, *pose, np.zeros_like(speed), read("yaw_rate", medium, 0.003)]
        ),
        "steering": sampled(
            "steering", slow, [read("angle", slow, 0.001), drive.at("speed", slow)]
        ),
    }
