"""Small segments in the format of comma2k19, with pictures that say their own number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

BOOT_S = 46_408.5  # of the first time
ROUTE = "b0c9d2329ad1606b|2018-08-02--08-34-47"
RATES = {"IMU/gyro": 104.0, "IMU/accelerometer": 104.0, "CAN/speed": 83.0, "CAN/steering_angle": 83}
BITS, SIDE = 8, 8  # of the number in a picture, px


def numbered(number: int, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """A picture whose upper row of squares is `number` in binary digits."""
    image = np.full((*size, 3), 90, np.uint8)
    image[size[0] // 2 :, : 4 + number % 40] = 200
    for bit in range(BITS):
        image[: 2 * SIDE, SIDE * bit : SIDE * (bit + 1)] = 235 if number >> bit & 1 else 16
    return image


def number_of(image: np.ndarray) -> int:
    squares = image[2 : 2 * SIDE - 2, :, 0].astype(float)
    means = [squares[:, SIDE * bit + 2 : SIDE * (bit + 1) - 2].mean() for bit in range(BITS)]
    return sum((mean > 125) << bit for bit, mean in enumerate(means))


def write_video(
    path: Path,
    numbers: Sequence[int],
    codec: str = "libx265",
    rate: float = 20.0,
    size: tuple[int, int] = (48, 64),
    group: int = 10,
) -> None:
    """A video of numbered pictures without B-frames, a complete one every `group` of them."""
    import av

    options = {"preset": "ultrafast", "bf": "0"}
    if codec == "libx265":
        options = {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}
    raw = {".hevc": "hevc", ".h264": "h264"}.get(path.suffix)
    with av.open(str(path), "w", format=raw) as container:
        stream = container.add_stream(codec, rate=round(rate), options=options)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.gop_size = group
        for place, number in enumerate(numbers):
            frame = av.VideoFrame.from_ndarray(numbered(number, size), format="rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def times(name: str, seconds: float, begin_s: float) -> np.ndarray:
    """Irregular, as those of a sensor are."""
    count = int(seconds * RATES.get(name, 20.0))
    jitter = 0.2 * np.sin(np.arange(count) * 1.7)
    return begin_s + (np.arange(count) + jitter) / RATES.get(name, 20.0)


def speed(time_s: np.ndarray) -> np.ndarray:
    return 15.0 + 0.5 * np.sin(time_s / 3.0)


def wheel(time_s: np.ndarray) -> np.ndarray:
    """Angle of the steering wheel [degrees], positive to the left."""
    return 20.0 * np.sin(time_s)


def yaw_rate(time_s: np.ndarray) -> np.ndarray:
    return speed(time_s) * np.radians(wheel(time_s)) / 16.3 / 2.65


def save(path: Path, values: np.ndarray) -> None:
    """An array under a name without an ending."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.save(file, values, allow_pickle=values.dtype == object)


def write_segment(
    folder: Path,
    number: int = 3,
    seconds: float = 3.0,
    begin_s: float | None = None,
    route: str = ROUTE,
    video: bool = True,
    size: tuple[int, int] = (48, 64),
) -> Path:
    """Segment `number` of a route in `folder`; its pictures begin with the number of the first."""
    segment = folder / route / str(number)
    begin_s = BOOT_S + seconds * number if begin_s is None else begin_s
    for name in RATES:
        time_s = times(name, seconds, begin_s)
        none = np.zeros_like(time_s)
        values = {
            "IMU/gyro": np.asfortranarray(np.stack([none, none, -yaw_rate(time_s)], 1)),
            "IMU/accelerometer": np.stack([none, none + 0.25, none - 9.81], 1),
            "CAN/speed": speed(time_s)[:, None],
            "CAN/steering_angle": wheel(time_s),
        }[name]
        save(segment / "processed_log" / name / "t", time_s)
        save(segment / "processed_log" / name / "value", values)
    frames = times("frames", seconds, begin_s)
    save(segment / "global_pose" / "frame_times", frames)
    save(segment / "global_pose" / "frame_velocities", np.full((len(frames), 3), 5.0))
    if video:
        first = number * len(frames)
        numbers = [(first + place) % 256 for place in range(len(frames))]
        write_video(segment / "video.hevc", numbers, size=size)
    return segment
