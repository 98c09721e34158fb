"""The records of an MCAP file (mcap.dev/spec), parsed from untrusted bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from liquid_control.recordings.rosbag.storage import CDR, Channel, type_name

MAGIC = b"\x89MCAP0\r\n"
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, MESSAGE_INDEX, CHUNK_INDEX = range(1, 9)
STATISTICS, DATA_END = 0x0B, 0x0F
FOOTER_SIZE = 37  # bytes of the footer's record and the magic behind it

_PREFIX = struct.Struct("<BQ")
_MESSAGE = struct.Struct("<HIQQ")
_CHUNK = struct.Struct("<QQQI")
_STATISTICS = struct.Struct("<QHIIIIQQI")


class RecordError(ValueError):
    """A record does not fit what it claims. Caught inside this package; callers of the reader see a
    Damage."""


class ChunkHead(NamedTuple):
    """The front of a chunk's record; `body` is where its data begin behind the record's prefix."""

    start_ns: int
    end_ns: int
    size: int
    crc: int
    compression: str
    compressed_size: int
    body: int


def prefix(data: bytes) -> tuple[int, int]:
    """(opcode, length of the content)."""
    if len(data) < _PREFIX.size:
        raise RecordError("the file ends within a record's front")
    return _PREFIX.unpack_from(data)


def chunk_head(content: bytes | memoryview) -> ChunkHead:
    try:
        start, end, size, crc = _CHUNK.unpack_from(content)
        (length,) = struct.unpack_from("<I", content, 28)
        if length > 16:
            raise RecordError(f"a compression's name of {length} bytes")
        (compressed,) = struct.unpack_from("<Q", content, 32 + length)
        return ChunkHead(
            start,
            end,
            size,
            crc,
            bytes(content[32 : 32 + length]).decode(errors="replace"),
            compressed,
            40 + length,
        )
    except struct.error as error:
        raise RecordError("a chunk ends within its front") from error


def records(data: memoryview) -> Iterator[tuple[int, int, int]]:
    """(opcode, begin, end) of the contents of records that follow each other. Raises RecordError at
    one that is cut."""
    at, end = 0, len(data)
    unpack = _PREFIX.unpack_from
    while at < end:
        if at + 9 > end:
            raise RecordError("data end within a record's front")
        opcode, length = unpack(data, at)
        at += 9
        if opcode == 0 or length > end - at:
            raise RecordError(
                f"a record of kind {opcode} and {length} bytes where {end - at} are left"
            )
        yield opcode, at, at + length
        at += length


def message_front(data: memoryview, begin: int, end: int) -> tuple[int, int, int]:
    """(channel, log time [ns], where the serialised bytes begin)."""
    if end - begin < _MESSAGE.size:
        raise RecordError(f"a message record of {end - begin} bytes")
    channel, _, log_time, _ = _MESSAGE.unpack_from(data, begin)
    return channel, log_time, begin + _MESSAGE.size


def schema(content: memoryview) -> tuple[int, tuple[str, str, str]]:
    """(id, (name, encoding, text))."""
    number, at = _number(content, 0, 2)
    name, at = _text(content, at)
    encoding, at = _text(content, at)
    text, _ = _text(content, at)
    return number, (name, encoding, text)


def channel(content: memoryview, schemas: dict[int, tuple[str, str, str]]) -> tuple[int, Channel]:
    """(id, channel); a schema that is not there leaves the type empty."""
    number, at = _number(content, 0, 2)
    of, at = _number(content, at, 2)
    topic, at = _text(content, at)
    serialization, _ = _text(content, at)
    kind, encoding, text = schemas.get(of, ("", "", ""))
    return number, Channel(topic, type_name(kind), encoding, text, serialization or CDR)


def statistics(content: memoryview) -> tuple[int, int, int, dict[int, int]]:
    """(messages, start [ns], end [ns], messages by channel)."""
    try:
        messages, _, _, _, _, _, start, end, length = _STATISTICS.unpack_from(content)
    except struct.error as error:
        raise RecordError("statistics are cut") from error
    counts = content[_STATISTICS.size : _STATISTICS.size + length]
    return messages, start, end, dict(struct.iter_unpack("<HQ", counts[: len(counts) // 10 * 10]))


def chunk_index(content: memoryview) -> tuple[int, int, int, int, frozenset[int]]:
    """(start [ns], end [ns], offset of the chunk's record, its length with prefix, channels in
    it)."""
    try:
        start, end, offset, length, size = struct.unpack_from("<QQQQI", content)
        channels = frozenset(
            number for number, _ in struct.iter_unpack("<HQ", content[36 : 36 + size])
        )
    except struct.error as error:
        raise RecordError("a chunk's index is cut") from error
    return start, end, offset, length, channels


def _number(content: memoryview, at: int, size: int) -> tuple[int, int]:
    if at + size > len(content):
        raise RecordError("a record ends within a number")
    return int.from_bytes(content[at : at + size], "little"), at + size


def _text(content: memoryview, at: int) -> tuple[str, int]:
    length, at = _number(content, at, 4)
    if length > len(content) - at:
        raise RecordError(f"a text of {length} bytes where {len(content) - at} are left")
    return bytes(content[at : at + length]).decode(errors="replace"), at + length
