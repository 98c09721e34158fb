"""Message definitions: the text that a recording brings, or the known one of that type, made into a
decoder."""

from __future__ import annotations

import functools
from collections.abc import Callable

from liquid_control.errors import MessageError, MissingDependencyError

try:
    from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

    from liquid_control.recordings.rosbag.cdr import decoder
except ImportError as error:
    raise MissingDependencyError(
        error.name or "rosbags", "Install the bags extra: pip install 'liquid_control[bags]'"
    ) from error

LONGEST = 2**18  # characters of a definition
STORES = (Stores.ROS2_JAZZY, Stores.LATEST, Stores.ROS2_HUMBLE, Stores.ROS2_FOXY)
_RULE = "=" * 80 + "\n"
_STAMP, _CONTROL = (
    "builtin_interfaces/Time stamp\n",
    "builtin_interfaces/Time stamp\nbuiltin_interfaces/Time control_time\n",
)
_LATERAL = "float32 steering_tire_angle\nfloat32 steering_tire_rotation_rate\n"
_VELOCITY = (
    "std_msgs/Header header\nfloat32 longitudinal_velocity\nfloat32 lateral_velocity\n"
    "float32 heading_rate\n"
)
KNOWN = {
    "ackermann_msgs/msg/AckermannDrive": "".join(
        f"float32 {name}\n"
        for name in ("steering_angle", "steering_angle_velocity", "speed", "acceleration", "jerk")
    ),
    "ackermann_msgs/msg/AckermannDriveStamped": (
        "std_msgs/Header header\nackermann_msgs/AckermannDrive drive\n"
    ),
    "autoware_control_msgs/msg/Lateral": _CONTROL
    + _LATERAL
    + "bool is_defined_steering_tire_rotation_rate\n",
    "autoware_control_msgs/msg/Longitudinal": (
        _CONTROL
        + "float32 velocity\nfloat32 acceleration\nfloat32 jerk\n"
        + "bool is_defined_acceleration\nbool is_defined_jerk\n"
    ),
    "autoware_control_msgs/msg/Control": (
        _CONTROL
        + "autoware_control_msgs/Lateral lateral\nautoware_control_msgs/Longitudinal longitudinal\n"
    ),
    "autoware_auto_control_msgs/msg/AckermannLateralCommand": _STAMP + _LATERAL,
    "autoware_auto_control_msgs/msg/LongitudinalCommand": _STAMP
    + "float32 speed\nfloat32 acceleration\nfloat32 jerk\n",
    "autoware_auto_control_msgs/msg/AckermannControlCommand": (
        _STAMP
        + "autoware_auto_control_msgs/AckermannLateralCommand lateral\n"
        + "autoware_auto_control_msgs/LongitudinalCommand longitudinal\n"
    ),
    "autoware_vehicle_msgs/msg/SteeringReport": _STAMP + "float32 steering_tire_angle\n",
    "autoware_auto_vehicle_msgs/msg/SteeringReport": _STAMP + "float32 steering_tire_angle\n",
    "autoware_vehicle_msgs/msg/VelocityReport": _VELOCITY,
    "autoware_auto_vehicle_msgs/msg/VelocityReport": _VELOCITY,
    **{
        f"{package}/msg/Float{bits}Stamped": _STAMP + f"float{bits} data\n"
        for package in ("autoware_internal_debug_msgs", "tier4_debug_msgs")
        for bits in (32, 64)
    },
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket": (
        "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
        "uint8 flags\nbool is_bigendian\nuint8[] data\n"
    ),
    "foxglove_msgs/msg/CompressedVideo": (
        "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n"
    ),
    "theora_image_transport/msg/Packet": (
        "std_msgs/Header header\nuint8[] data\nint32 b_o_s\nint32 e_o_s\nint64 granulepos\n"
        "int64 packetno\n"
    ),
}
"""Definitions that older sqlite3 recordings lack and that rosbags does not know. What we write has
them, too."""


@functools.lru_cache(maxsize=256)
def decoder_of(kind: str, encoding: str, text: str) -> Callable:
    """The decoder of message type `kind` by its definition `text` in `encoding` ('ros2msg',
    'ros2idl', or '' for none).

    Types that the text does not define are looked up among the known ones. Raises MessageError
    where neither knows the type.
    """
    fields = dict(_known())
    if text.strip():
        try:
            fields.update(_parsed(kind, encoding, text))
        except (
            Exception
        ) as error:  # a damaged or hostile text may fail in any way inside the parser
            if kind not in fields:
                raise MessageError(
                    kind, f"its definition in the recording cannot be read ({type(error).__name__})"
                ) from error
    return decoder(kind, fields)


def _parsed(kind: str, encoding: str, text: str) -> dict:
    if len(text) > LONGEST:
        raise MessageError(
            kind, f"a definition of {len(text)} characters, expected at most {LONGEST}"
        )
    if "idl" not in encoding:
        return get_types_from_msg(text, kind)
    found = {}
    for part in text.split(_RULE) if text.startswith(_RULE) else [text]:
        if part.startswith("IDL: "):
            part = part.split("\n", 1)[1]
        if part.strip():
            found.update(get_types_from_idl(part))
    return found


@functools.cache
def _known() -> dict:
    fields = {}
    for store in reversed(STORES):
        fields.update(get_typestore(store).fielddefs)
    for kind, text in KNOWN.items():
        fields.update(get_types_from_msg(text, kind))
    return fields
