"""What the topics of cameras hold, by their first messages, and which of several is the camera."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from liquid_control.errors import ImageError, MessageError
from liquid_control.perception.picture_files import checked, video_codec
from liquid_control.perception.pictures import DEPTHS, bits_in_use
from liquid_control.recordings.rosbag.reader import BagReader, BagTopic

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
FFMPEG, FOXGLOVE = (
    "ffmpeg_image_transport_msgs/msg/FFMPEGPacket",
    "foxglove_msgs/msg/CompressedVideo",
)
THEORA = "theora_image_transport/msg/Packet"
CAMERAS = (IMAGE, COMPRESSED, FFMPEG, FOXGLOVE, THEORA)
"""Message types of pictures and of video."""

TRANSPORTS = frozenset(
    "compressed compressedDepth zstd theora ffmpeg h264 h265 hevc x264 x265 foxglove avif "
    "jpeg png video draco".split()
)
"""Last parts of names of one camera's topics, as image_transport appends them."""

LOOKED_AT = 8  # pictures from which the bits in use are found
_BEST = "pixels", "picture", "video", ""  # contents, best first; "": not known
_UNREADABLE = (MessageError, AttributeError, TypeError, ValueError)


class Content(NamedTuple):
    """`sort`: 'pixels', 'picture' (a file of one), 'video', 'depth', 'unreadable', or '' where
    there is no message that can be decoded. `codec` of a video."""

    sort: str = ""
    codec: str = ""


def said_by(decoded, kind: str) -> str:
    """The publisher's name of the format of a message that is not IMAGE."""
    name = {FFMPEG: "encoding", THEORA: ""}.get(kind, "format")
    return str(getattr(decoded, name)) if name else "theora"


def content_of(reader: BagReader, name: str) -> Content:
    """The content of a topic, by its first message."""
    for message in reader.first(name, 1):
        try:
            decoded = reader.decode(message)
            if message.kind == IMAGE:
                return Content("depth" if decoded.encoding in DEPTHS else "pixels")
            said = said_by(decoded, message.kind)
            data = memoryview(decoded.data).cast("B")
        except _UNREADABLE:
            return Content()
        if "compresseddepth" in said.lower() or said.partition(";")[0].strip() in DEPTHS:
            return Content("depth")
        if codec := video_codec(data, said):
            return Content("video", codec)
        try:
            checked(data, said)
            return Content("picture")
        except ImageError as error:
            return Content("unreadable" if error.problem == "format" else "picture")
    return Content()


def bits_of(reader: BagReader, name: str) -> int:
    """How many of 16 bits the pictures of a topic use, by the first ones; 16 for all others."""
    bits = 0
    for message in reader.first(name, LOOKED_AT):
        try:
            bits = max(bits, bits_in_use(reader.decode(message)))
        except _UNREADABLE:
            continue
        if bits == 16:
            break
    return bits or 16


def likely_cameras(topics: Sequence[BagTopic], reader: BagReader) -> list[BagTopic]:
    """Topics of pictures without distances and without the other transports of the same camera,
    raw pixels before files of pictures before video; what cannot be read only where there is
    nothing else."""
    if len({topic.name for topic in topics}) < 2:
        return list(topics)
    contents = {topic.name: content_of(reader, topic.name).sort for topic in topics}
    kept = [topic for topic in topics if not _is_depth(topic, contents[topic.name])]
    kept = [topic for topic in kept if contents[topic.name] != "unreadable"] or kept
    raw = {topic.name for topic in kept if topic.kind == IMAGE}
    best = []
    for _, group in itertools.groupby(
        sorted(kept, key=lambda topic: base_of(topic, raw)), lambda topic: base_of(topic, raw)
    ):
        group = list(group)
        rank = min(_rank(topic, contents) for topic in group)
        best += [topic for topic in group if _rank(topic, contents) == rank]
    return [topic for topic in topics if topic in best]


def base_of(topic: BagTopic, raw: frozenset[str] | set[str] = frozenset()) -> str:
    """The name of a camera without its transport; `raw`: names of topics of raw pictures."""
    base, _, last = topic.name.rpartition("/")
    is_transport = topic.kind != IMAGE and (last in TRANSPORTS or base in raw)
    return base if is_transport else topic.name


def _rank(topic: BagTopic, contents: dict[str, str]) -> int:
    sort = contents[topic.name] or ("pixels" if topic.kind == IMAGE else "picture")
    return _BEST.index(sort) if sort in _BEST else len(_BEST)


def _is_depth(topic: BagTopic, content: str) -> bool:
    parts = topic.name.lower().split("/")
    return content == "depth" or "depth" in parts or parts[-1].startswith("compresseddepth")
