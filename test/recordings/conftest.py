"""Small recordings for tests, written with rosbags' own writer: a camera, an IMU, odometry and a
command, all with known values."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from liquid_control.errors import RecordingError
from liquid_control.perception.view import Intrinsics
from liquid_control.recordings.rosbag.definitions import KNOWN
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.values import StoredPicture
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

START_NS = 1_700_000_000_000_000_000
IMAGE, COMPRESSED, IMU = (
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Imu",
)
ODOMETRY, TWIST = "nav_msgs/msg/Odometry", "geometry_msgs/msg/TwistStamped"
CAMERA_INFO, ACKERMANN = "sensor_msgs/msg/CameraInfo", "ackermann_msgs/msg/Ackermann"
LATE_NS = 2_000_000  # from stamp to receipt

TYPES = get_typestore(Stores.ROS2_JAZZY)
for _kind, _text in KNOWN.items():
    TYPES.register(get_types_from_msg(_text, _kind))


def make(kind: str, **fields):
    """A message of `kind`; what is not given is zero, empty or false."""
    values = {}
    for name, (node, detail) in TYPES.fielddefs[kind][1]:
        if name in fields:
            values[name] = fields[name]
        elif node.name == "NAME":
            values[name] = make(detail)
        elif node.name == "BASE":
            values[name] = "" if detail[0] == "string" else False if detail[0] == "bool" else 0
        else:
            (_, (base, *_)), length = (
                detail if detail[0][0].name == "BASE" else ((None, ("object",)), detail[1])
            )
            values[name] = (
                []
                if base in ("string", "object")
                else np.zeros(length if node.name == "ARRAY" else 0, base)
            )
    return TYPES.types[kind](**values)


def time(stamp: int):
    return make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)


def header(stamp: int):
    return make("std_msgs/msg/Header", stamp=time(stamp), frame_id="somewhere")


def vector(x: float = 0.0, y: float = 0.0, z: float = 0.0):
    return make("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def twist(speed: float, yaw_rate: float):
    return make("geometry_msgs/msg/Twist", linear=vector(speed), angular=vector(z=yaw_rate))


def odometry(stamp: int, speed: float):
    return make(
        ODOMETRY,
        header=header(stamp),
        twist=make("geometry_msgs/msg/TwistWithCovariance", twist=twist(speed, 0.0)),
    )


def picture(k: int) -> np.ndarray:
    return np.random.default_rng(k).integers(0, 256, (16, 24, 3), np.uint8)


def png(k: int) -> np.ndarray:
    return cv2.imencode(".png", cv2.cvtColor(picture(k), cv2.COLOR_RGB2BGR))[1]


def drive(frames: int = 6, start_ns: int = START_NS) -> list[tuple[int, str, str, object]]:
    """(receive_ns, topic, kind, message) of a short drive: a frame each 40 ms, the IMU each 10 ms,
    odometry and command each 20 ms."""
    events = []
    for k in range(frames * 4):
        stamp = start_ns + k * 10_000_000
        events.append(
            (
                stamp,
                "/imu/data",
                IMU,
                make(
                    IMU,
                    header=header(stamp),
                    angular_velocity=vector(z=k / 100),
                    linear_acceleration=vector(0.0, 1.0, 9.81),
                ),
            )
        )
        if k % 2 == 0:
            events.append((stamp, "/odom", ODOMETRY, odometry(stamp, 5.0 + k / 10)))
            events.append(
                (
                    stamp,
                    "/command",
                    TWIST,
                    make(TWIST, header=header(stamp), twist=twist(5.0, k / 200)),
                )
            )
        if k % 4 == 0:
            events.append(
                (
                    stamp,
                    "/camera/image_raw/compressed",
                    COMPRESSED,
                    make(
                        COMPRESSED,
                        header=header(stamp),
                        format="rgb8; png compressed bgr8",
                        data=png(k // 4).reshape(-1),
                    ),
                )
            )
    return [(stamp + LATE_NS, *event) for stamp, *event in events]


def messages_of(samples: list, camera: Intrinsics | None = None) -> list[tuple]:
    """(receive_ns, topic, kind, message) of (receive_ns, sample) pairs; the stamp of a
    StoredPicture is its receipt."""
    events = []
    if camera is not None:
        size = {"height": camera.height, "width": camera.width}
        info = make(CAMERA_INFO, header=header(0), k=np.array(camera.matrix), **size)
        events.append((samples[0][0], "/camera/camera_info", CAMERA_INFO, info))
    for receive_ns, sample in samples:
        stamped = header(getattr(sample, "stamp_ns", receive_ns))
        if isinstance(sample, ImuSample):
            rate, force = vector(*sample.angular_velocity), vector(*sample.linear_acceleration)
            message = make(IMU, header=stamped, angular_velocity=rate, linear_acceleration=force)
            events.append((receive_ns, "/imu", IMU, message))
        elif isinstance(sample, SpeedSample):
            events.append((receive_ns, "/odom", ODOMETRY, odometry(sample.stamp_ns, sample.speed)))
        elif isinstance(sample, SteeringSample):
            angle, speed = sample.steering_angle, sample.speed
            driven = make(ACKERMANN + "Drive", steering_angle=angle, speed=speed)
            message = make(ACKERMANN + "DriveStamped", header=stamped, drive=driven)
            events.append((receive_ns, "/drive", ACKERMANN + "DriveStamped", message))
        else:
            is_frame = isinstance(sample, Frame)
            stored = StoredPicture.from_image(sample.image) if is_frame else sample
            names = ("encoding", "height", "width", "step")
            fields = {name: getattr(stored, name) for name in names}
            data = np.frombuffer(stored.data, np.uint8)
            message = make(IMAGE, header=stamped, data=data, **fields)
            events.append((receive_ns, "/camera/image_raw", IMAGE, message))
    return events


def write(
    path: Path, events: list, storage: str = "mcap", compression: str = "none", chunk: int = 0
) -> Path:
    """A recording of `events`; `chunk`: messages in each mcap chunk (0: as many as rosbags puts
    there)."""
    writer = Writer(path, version=9, storage_plugin=StoragePlugin[storage.upper()])
    if compression != "none":
        writer.set_compression(CompressionMode[compression.upper()], CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for number, (receive_ns, topic, kind, message) in enumerate(events):
            if (topic, kind) not in connections:
                connections[topic, kind] = writer.add_connection(topic, kind, typestore=TYPES)
            writer.write(connections[topic, kind], receive_ns, TYPES.serialize_cdr(message, kind))
            if chunk and number % chunk == chunk - 1:
                writer.storage.close_chunk()
    return path


def contents(reader) -> list[tuple[str, int, bytes]]:
    return [
        (message.topic, message.receive_ns, bytes(message.data)) for message in reader.messages()
    ]


def expected(events: list) -> list[tuple[str, int, bytes]]:
    return [
        (topic, receive_ns, bytes(TYPES.serialize_cdr(message, kind)))
        for receive_ns, topic, kind, message in events
    ]


def read(path: Path) -> tuple[list, list]:
    """(messages, damage), nothing where nothing can be read."""
    try:
        with BagReader(path) as reader:
            return contents(reader), reader.damage
    except RecordingError as error:
        return [], [error]


@pytest.fixture(scope="session")
def bags() -> SimpleNamespace:
    """All of this module, for tests that make recordings."""
    return SimpleNamespace(**globals())


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> dict:
    """By kind of file: (the file, its messages, the byte behind each message's data)."""
    made = {}
    events = drive(10)
    kinds = (
        ("plain.mcap", "mcap", "none"),
        ("packed.mcap", "mcap", "storage"),
        ("plain.db3", "sqlite3", "none"),
    )
    for name, storage, compression in kinds:
        folder = tmp_path_factory.mktemp("whole") / name.partition(".")[0]
        path = (
            write(folder, events, storage, compression, chunk=12 if storage == "mcap" else 0)
            / f"{folder.name}{Path(name).suffix}"
        )
        data, messages = path.read_bytes(), expected(events)
        made[name] = (
            path,
            messages,
            [data.find(message[2]) + len(message[2]) for message in messages]
            if compression == "none"
            else None,
        )
    return made
