"""What both storages of rosbag2 share: the values they hand out, and decompression that no lie
about size can make expensive."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import lz4.frame
from backports import zstd

LARGEST = 2**27  # bytes of one chunk or message, compressed or not
CDR = "cdr"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PIECE = 2**14  # bytes given at once to a decompressor that has failed before


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Channel:
    """Messages of one topic, type and definition in one file. `encoding` of the definition:
    'ros2msg', 'ros2idl' or '' for none. `serialization` of the messages: 'cdr', unless another
    middleware or program wrote them."""

    topic: str
    kind: str
    encoding: str
    definition: str
    serialization: str = CDR


def type_name(name: str) -> str:
    """A message type as ROS 2 writes it, 'sensor_msgs/msg/Image', for the other spellings:
    'sensor_msgs/Image' of ROS 1 and of many writers, 'sensor_msgs::msg::dds_::Image_' of DDS."""
    if "::" in name:
        parts = [part for part in name.split("::") if part != "dds_"]
        name = "/".join(parts).removesuffix("_")
    package, _, kind = name.partition("/")
    return f"{package}/msg/{kind}" if package and kind and "/" not in kind else name


class BagMessage(NamedTuple):
    """One message as recorded: `data` are its serialised bytes (zstd-compressed where the recorder
    did so), `receive_ns` its receipt."""

    topic: str
    receive_ns: int
    data: bytes | memoryview
    channel: Channel

    @property
    def kind(self) -> str:
        return self.channel.kind


def decompressed(
    data: bytes | memoryview, compression: str, size: int
) -> tuple[bytes | memoryview, str]:
    """(at most `size` bytes, what went wrong or ''); data that are damaged or cut give what
    precedes the damage."""
    if compression == "":
        return data[:size], "" if len(
            data
        ) >= size else f"{size - len(data)} of {size} bytes are missing"
    if compression not in ("zstd", "lz4"):
        return b"", f"compression {compression!r}, expected zstd or lz4"
    try:
        out = _decompressor(compression).decompress(data, max_length=size + 1)
        problem = (
            ""
            if len(out) == size
            else f"{len(out) if len(out) < size else 'more'} bytes instead of {size}"
        )
        return out[:size], problem
    except (zstd.ZstdError, RuntimeError, EOFError, MemoryError) as error:
        problem = f"{compression} data are damaged ({error})"
    machine, parts, length = _decompressor(compression), [], 0
    try:
        for begin in range(0, len(data), _PIECE):
            parts.append(
                machine.decompress(data[begin : begin + _PIECE], max_length=size + 1 - length)
            )
            length += len(parts[-1])
            if length > size:
                break
    except (zstd.ZstdError, RuntimeError, EOFError, MemoryError):
        pass
    return b"".join(parts)[:size], problem


def plain(data: bytes | memoryview) -> bytes | memoryview:
    """A message's serialised bytes, decompressed where the recorder compressed each message;
    ValueError where that fails.

    Serialised messages begin with a zero byte, compressed ones with zstd's signature: metadata.yaml
    need not say which.
    """
    if len(data) < 4 or data[0] != ZSTD_MAGIC[0] or bytes(data[:4]) != ZSTD_MAGIC:
        return data
    size = zstd.get_frame_info(data).decompressed_size
    limit = LARGEST if size is None else size
    if limit > LARGEST:
        raise ValueError(f"a compressed message of {size} bytes, expected at most {LARGEST}")
    out, problem = decompressed(data, "zstd", limit)
    if problem and size is not None:
        raise ValueError(problem)
    return out


def _decompressor(compression: str):
    return zstd.ZstdDecompressor() if compression == "zstd" else lz4.frame.LZ4FrameDecompressor()
