"""Writes streams as rosbag2 recordings: any order of the messages in the file, any size of chunks,
mcap or SQLite, any encoding of the pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from liquid_control.recordings.rosbag import messages
from liquid_control.signals import ImuSample
from liquid_control.stress.recordings.drive import Drive, Stream

TOPICS = {
    "camera": "/camera/image_raw",
    "imu": "/imu/data",
    "speed": "/odom",
    "steering": "/command",
}
ENCODINGS = (
    "rgb8",
    "bgr8",
    "rgba8",
    "bgra8",
    "mono8",
    "mono16",
    "mono16 12 bits",
    "yuv422_yuy2",
    "uyvy",
    "nv12",
    "bayer_rggb8",
    "bayer_bggr8",
    "png",
    "jpeg",
)


@dataclasses.dataclass(frozen=True)
class Layout:
    """`storage`: mcap or sqlite. `order` of the messages in the file: by their receipt, recorded
    (by their true receipt), or topics one after the other (mcap). `chunk`: bytes of an mcap chunk,
    0: no chunks. `twist`: the steering is a TwistStamped whose angular.z holds the angle."""

    storage: str = "mcap"
    order: str = "received"
    chunk: int = 2**18
    compression: str = "NONE"
    encoding: str = "rgb8"
    twist: bool = False


def draw_layout(rng: np.random.Generator) -> Layout:
    storage = "sqlite" if rng.random() < 0.25 else "mcap"
    return Layout(
        storage,
        "topics" if storage == "mcap" and rng.random() < 0.3 else "received",
        int(rng.choice([0, 2**12, 2**16, 2**20])),
        str(rng.choice(["NONE", "LZ4", "ZSTD"])),
        str(rng.choice(ENCODINGS)),
    )


def write_recording(
    folder: Path, drive: Drive, streams: Mapping[str, Stream], layout: Layout
) -> Path:
    """A new recording in `folder`, which must be empty."""
    rows = [
        (received, TOPICS[role], kind, data, order)
        for role, stream in streams.items()
        for (received, kind, data), order in zip(
            _messages(role, stream, drive, layout), stream.order.tolist(), strict=True
        )
    ]
    if layout.order == "recorded":
        rows.sort(key=lambda row: row[4])
    elif layout.order == "received":
        rows.sort(key=lambda row: row[0])
    return (_write_mcap if layout.storage == "mcap" else _write_sqlite)(folder, rows, layout)


def _messages(
    role: str, stream: Stream, drive: Drive, layout: Layout
) -> Iterator[tuple[int, str, bytes]]:
    for received, stamp, row in zip(
        stream.received_ns.tolist(), stream.stamp_ns.tolist(), stream.values.tolist(), strict=True
    ):
        if role == "imu":
            yield received, messages.IMU, messages.imu_message(ImuSample(stamp, row[:3], row[3:]))
        elif role == "speed":
            speed, x, y, yaw, _, yaw_rate = row
            data = messages.odometry_message(stamp, "odom", (x, y, yaw), speed, yaw_rate)
            yield received, messages.ODOMETRY, data
        elif role == "steering" and layout.twist:
            angle, speed = row
            data = messages.twist_message(stamp, angle / max(speed, 1e-6), speed)
            yield received, messages.TWIST, data
        elif role == "steering":
            yield received, messages.ACKERMANN, messages.ackermann_message(stamp, *row)
        else:
            yield received, *picture_message(stamp, drive.picture(int(row[0])), layout.encoding)


def picture_message(stamp_ns: int, image: np.ndarray, encoding: str) -> tuple[str, bytes]:
    """(type, bytes) of a grey picture (H, W, 3) uint8 in an encoding of `ENCODINGS`."""
    grey = np.ascontiguousarray(image[..., 0])
    height, width = grey.shape
    if encoding in ("png", "jpeg"):
        quality = [cv2.IMWRITE_JPEG_QUALITY, 95] if encoding == "jpeg" else []
        data = cv2.imencode(f".{encoding.replace('jpeg', 'jpg')}", image, quality)[1]
        return messages.COMPRESSED_IMAGE, messages.compressed_message(stamp_ns, data)
    neutral = np.full_like(grey, 128)
    planes = {
        "rgb8": (image, 3),
        "bgr8": (image, 3),
        "rgba8": (np.dstack([image, neutral]), 4),
        "bgra8": (np.dstack([image, neutral]), 4),
        "mono16": (grey.astype("<u2") * 257, 2),
        "mono16 12 bits": (grey.astype("<u2") * 16, 2),
        "yuv422_yuy2": (np.dstack([_studio(grey), neutral]), 2),
        "uyvy": (np.dstack([neutral, _studio(grey)]), 2),
        "nv12": (np.vstack([_studio(grey), neutral[: height // 2]]), 1),
    }
    data, step = planes.get(encoding, (grey, 1))
    return messages.IMAGE, messages.raw_image_message(
        stamp_ns, data, height, width, encoding.split()[0], step * width
    )


def _studio(grey: np.ndarray) -> np.ndarray:
    """Luminance of video levels, 16 to 235."""
    return np.rint(16 + grey.astype(float) * 219 / 255).astype(np.uint8)


def _write_mcap(folder: Path, rows: list, layout: Layout) -> Path:
    from mcap.writer import CompressionType, Writer

    path = folder / "drive.mcap"
    with path.open("wb") as file:
        writer = Writer(
            file,
            chunk_size=layout.chunk or 2**20,
            compression=CompressionType[layout.compression],
            use_chunking=layout.chunk > 0,
        )
        writer.start(profile="ros2", library="stress")
        channels: dict[str, int] = {}
        for received, topic, kind, data, _ in rows:
            if topic not in channels:
                text = messages.definition(kind)[0].encode()
                schema = writer.register_schema(kind, "ros2msg", text)
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], received, data, received)
        writer.finish()
    return path


def _write_sqlite(folder: Path, rows: list, layout: Layout) -> Path:
    from rosbags.rosbag2 import StoragePlugin, Writer

    path = folder / "drive"
    with Writer(path, version=9, storage_plugin=StoragePlugin.SQLITE3) as writer:
        connections: dict[str, object] = {}
        for received, topic, kind, data, _ in rows:
            if topic not in connections:
                store = messages.typestore()
                connections[topic] = writer.add_connection(topic, kind, typestore=store)
            writer.write(connections[topic], received, data)
    return path
