"""Signals as serialised ROS messages, without ROS. Pure functions: signal in, type and bytes out;
the reverse is `readings`.

Steering travels as ros.conversions documents it: TwistStamped with linear.x the speed and angular.z
the yaw rate, speed x curvature, or AckermannDriveStamped with angle and speed.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Mapping

import cv2
import numpy as np

from liquid_control.errors import MessageError, MissingDependencyError
from liquid_control.signals import Frame, ImuSample

COMPRESSED_IMAGE, IMAGE, CAMERA_INFO = (
    "sensor_msgs/msg/CompressedImage",
    "sensor_msgs/msg/Image",
    "sensor_msgs/msg/CameraInfo",
)
IMU, ODOMETRY, TWIST = (
    "sensor_msgs/msg/Imu",
    "nav_msgs/msg/Odometry",
    "geometry_msgs/msg/TwistStamped",
)
ACKERMANN = "ackermann_msgs/msg/AckermannDriveStamped"
DIAGNOSTIC_ARRAY = "diagnostic_msgs/msg/DiagnosticArray"
STATUS = "diagnostic_msgs/msg/DiagnosticStatus"

UNKNOWN_POSE = 1e6
"""Variance [m²], [rad²] of a pose that is not measured, as REP-105 estimators take it."""


@functools.cache
def typestore():
    """The message types of Humble, which Jazzy shares, and those of `definitions.KNOWN`, as a
    rosbags Typestore."""
    try:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        from liquid_control.recordings.rosbag.definitions import KNOWN
    except ImportError as error:
        raise MissingDependencyError(
            "rosbags", "Install the bags extra: pip install 'liquid_control[bags]'"
        ) from error
    store = get_typestore(Stores.ROS2_HUMBLE)
    for kind, text in KNOWN.items():
        store.register(get_types_from_msg(text, kind))
    return store


def definition(kind: str) -> tuple[str, str]:
    """The full text of a message type with all that it is made of, as rosbag2 stores it, and its
    RIHS01 hash.

    Raises MessageError for a type that is in neither.
    """
    if kind not in typestore().fielddefs:
        raise MessageError(
            kind,
            "no definition of this type is known; expected one of Humble's, or another of "
            "definitions.KNOWN",
        )
    text, _ = typestore().generate_msgdef(kind, ros_version=2)
    return text, typestore().hash_rihs01(kind)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """A picture (H, W, 3) uint8 RGB as a JPEG file (N,) uint8; `quality` 1 to 100."""
    return cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )[1]


def compressed_message(stamp_ns: int, data: np.ndarray) -> bytes:
    """CompressedImage of a JPEG file (N,) uint8."""
    return _serialised(
        COMPRESSED_IMAGE, header=_header(stamp_ns, "camera_optical_frame"), format="jpeg", data=data
    )


def status_message(level: int, name: str, text: str, values: Mapping[str, str]) -> bytes:
    """DiagnosticStatus, as the safety gate publishes its state."""
    return _serialised(STATUS, **_status(level, name, text, values))


def image_message(frame: Frame) -> bytes:
    height, width, _ = frame.image.shape
    return raw_image_message(frame.stamp_ns, frame.image, height, width, "rgb8", 3 * width)


def raw_image_message(
    stamp_ns: int, pixels: np.ndarray, height: int, width: int, encoding: str, step: int
) -> bytes:
    """Image of pixels in any encoding, whose bytes are rows of `step`."""
    return _serialised(
        IMAGE,
        header=_header(stamp_ns, "camera_optical_frame"),
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=np.ascontiguousarray(pixels).reshape(-1).view(np.uint8),
    )


def camera_info_message(stamp_ns: int, height: int, width: int, focal: float) -> bytes:
    """A pinhole without distortion; `focal` [px]."""
    x, y = width / 2, height / 2
    return _serialised(
        CAMERA_INFO,
        header=_header(stamp_ns, "camera_optical_frame"),
        height=height,
        width=width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=np.array([focal, 0, x, 0, focal, y, 0, 0, 1.0]),
        r=np.eye(3).reshape(-1),
        p=np.array([focal, 0, x, 0, 0, focal, y, 0, 0, 0, 1.0, 0]),
        binning_x=0,
        binning_y=0,
        roi=_make(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def imu_message(sample: ImuSample) -> bytes:
    """Orientation, and what the sample does not measure, is marked as not measured (covariance[0] =
    -1)."""
    data = _stamped(_imu_form(), sample.stamp_ns)
    for place, values in ((24, sample.angular_velocity), (12, sample.linear_acceleration)):
        if all(map(math.isnan, values)):
            struct.pack_into("<d", data, len(data) - 8 * (place - 3), -1.0)
        else:
            struct.pack_into("<3d", data, len(data) - 8 * place, *values)
    return bytes(data)


def odometry_message(
    stamp_ns: int,
    frame_id: str,
    pose: tuple[float, float, float] | None,
    speed: float,
    yaw_rate: float = 0.0,
) -> bytes:
    """A planar pose (x [m], y [m], yaw [rad]) in `frame_id`, None where it is not measured, and
    motion in base_link."""
    data = _stamped(_odometry_form(frame_id, pose is not None), stamp_ns)
    x, y, yaw = pose or (0.0, 0.0, 0.0)
    struct.pack_into(
        "<7d", data, len(data) - 8 * 85, x, y, 0.0, 0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)
    )
    struct.pack_into("<6d", data, len(data) - 8 * 42, speed, 0.0, 0.0, 0.0, 0.0, yaw_rate)
    return bytes(data)


def twist_message(stamp_ns: int, curvature: float, speed: float) -> bytes:
    """Path curvature [1/m] at a speed [m/s]."""
    data = _stamped(_twist_form(), stamp_ns)
    struct.pack_into("<6d", data, len(data) - 8 * 6, speed, 0.0, 0.0, 0.0, 0.0, speed * curvature)
    return bytes(data)


def ackermann_message(stamp_ns: int, steering_angle: float, speed: float) -> bytes:
    unknown = {"steering_angle_velocity": 0.0, "acceleration": 0.0, "jerk": 0.0}
    drive = _make(
        "ackermann_msgs/msg/AckermannDrive", steering_angle=steering_angle, speed=speed, **unknown
    )
    return _serialised(ACKERMANN, header=_header(stamp_ns, "base_link"), drive=drive)


def diagnostic_message(stamp_ns: int, level: int, name: str, text: str) -> bytes:
    """DiagnosticArray of one status."""
    status = _make(STATUS, **_status(level, name, text, {}))
    return _serialised(DIAGNOSTIC_ARRAY, header=_header(stamp_ns, ""), status=[status])


@functools.cache
def _imu_form() -> bytes:
    """The frequent messages are filled into forms: they end in float64 numbers alone, whose places
    are counted from the end."""
    covariances = {
        "orientation_covariance": np.array([-1.0] + [0.0] * 8),
        "angular_velocity_covariance": np.zeros(9),
    }
    return _serialised(
        IMU,
        header=_header(0, "imu_link"),
        orientation=_make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
        angular_velocity=_vector(),
        linear_acceleration=_vector(),
        linear_acceleration_covariance=np.zeros(9),
        **covariances,
    )


@functools.cache
def _odometry_form(frame_id: str, measured: bool) -> bytes:
    place = _make(
        "geometry_msgs/msg/Pose",
        position=_make("geometry_msgs/msg/Point", x=0.0, y=0.0, z=0.0),
        orientation=_make("geometry_msgs/msg/Quaternion", x=0.0, y=0.0, z=0.0, w=1.0),
    )
    covariance = np.zeros(36) if measured else np.diag(np.full(6, UNKNOWN_POSE)).reshape(-1)
    return _serialised(
        ODOMETRY,
        header=_header(0, frame_id),
        child_frame_id="base_link",
        pose=_make("geometry_msgs/msg/PoseWithCovariance", pose=place, covariance=covariance),
        twist=_make(
            "geometry_msgs/msg/TwistWithCovariance", twist=_twist(), covariance=np.zeros(36)
        ),
    )


@functools.cache
def _twist_form() -> bytes:
    return _serialised(TWIST, header=_header(0, "base_link"), twist=_twist())


def _stamped(form: bytes, stamp_ns: int) -> bytearray:
    """A copy of a form with the stamp of its header, which comes first, behind four bytes of
    encapsulation."""
    data = bytearray(form)
    struct.pack_into("<iI", data, 4, *divmod(stamp_ns, 1_000_000_000))
    return data


def _status(level: int, name: str, text: str, values: Mapping[str, str]) -> dict:
    pairs = [_make("diagnostic_msgs/msg/KeyValue", key=key, value=values[key]) for key in values]
    fields = {"level": level, "name": name, "message": text, "hardware_id": "liquid_control"}
    return fields | {"values": pairs}


def _make(kind: str, **fields):
    return typestore().types[kind](**fields)


def _serialised(kind: str, **fields) -> bytes:
    return bytes(typestore().serialize_cdr(_make(kind, **fields), kind))


def _header(stamp_ns: int, frame_id: str):
    sec, nanosec = divmod(stamp_ns, 1_000_000_000)
    return _make(
        "std_msgs/msg/Header",
        stamp=_make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec),
        frame_id=frame_id,
    )


def _vector():
    return _make("geometry_msgs/msg/Vector3", x=0.0, y=0.0, z=0.0)


def _twist():
    return _make("geometry_msgs/msg/Twist", linear=_vector(), angular=_vector())
