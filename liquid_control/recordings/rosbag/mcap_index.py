"""Where the messages of an MCAP file are: from the index at its end or, where that is missing or
damaged, by walking its records."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import Callable
from zlib import crc32

import numpy as np

from liquid_control.recordings.rosbag import mcap_records as mcap
from liquid_control.recordings.rosbag.storage import LARGEST, Channel
from liquid_control.recordings.values import Damage

MOST_BLOCKS = 2**20
LARGEST_RUN = 2**22  # bytes of consecutive messages outside of chunks that are read at once
PLACE_BITS = 28  # of a place in a block
LATEST = 2**63 - 1
_FRONT = 128  # bytes read to learn what a record is


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """Messages that are read at once: a chunk's record, or consecutive message records. `channels`:
    None where not known. Of its records only those count that begin from `first` to before
    `last`."""

    offset: int
    length: int
    start_ns: int
    end_ns: int
    is_chunk: bool
    channels: frozenset[int] | None
    first: int = 0
    last: int = 2**62


TimesOf = Callable[[Block], dict[int, tuple[np.ndarray, np.ndarray]]]
"""By channel, times [ns] and places of a block's messages, in the order of the file."""


@dataclasses.dataclass
class Index:
    """What is known of a file before its messages are read; `start_ns` is None while there is no
    message."""

    blocks: list[Block] = dataclasses.field(default_factory=list)
    schemas: dict[int, tuple[str, str, str]] = dataclasses.field(default_factory=dict)
    channels: dict[int, Channel] = dataclasses.field(default_factory=dict)
    counts: dict[int, int] = dataclasses.field(default_factory=dict)
    start_ns: int | None = None
    end_ns: int | None = None

    def declare(self, opcode: int, content: memoryview) -> None:
        """Adds a schema or a channel; the first declaration of a channel is valid."""
        if opcode == mcap.SCHEMA:
            number, declared = mcap.schema(content)
            self.schemas.setdefault(number, declared)
        elif opcode == mcap.CHANNEL:
            number, declared = mcap.channel(content, self.schemas)
            self.channels.setdefault(number, declared)

    def seen(self, start_ns: int, end_ns: int) -> None:
        self.start_ns = start_ns if self.start_ns is None else min(self.start_ns, start_ns)
        self.end_ns = end_ns if self.end_ns is None else max(self.end_ns, end_ns)


def read_index(file: int, size: int) -> Index | None:
    """The index at the file's end, None where it is not complete or does not count the messages of
    each channel. RecordError where it is damaged."""
    footer = os.pread(file, mcap.FOOTER_SIZE, max(size - mcap.FOOTER_SIZE, 0))
    if (
        len(footer) < mcap.FOOTER_SIZE
        or not footer.endswith(mcap.MAGIC)
        or mcap.prefix(footer) != (mcap.FOOTER, 20)
    ):
        raise mcap.RecordError("the end of the file is missing")
    begin, crc = int.from_bytes(footer[9:17], "little"), int.from_bytes(footer[25:29], "little")
    end = size - mcap.FOOTER_SIZE
    if begin == 0:
        return None
    if not len(mcap.MAGIC) < begin <= end or end - begin > LARGEST:
        raise mcap.RecordError("the index at the end of the file is not where the file says")
    data = os.pread(file, end - begin, begin)
    if crc and crc32(footer[:25], crc32(data)) != crc:
        raise mcap.RecordError("the checksum of the index at the end of the file is wrong")
    return _summary(memoryview(data), begin)


def _summary(data: memoryview, end_of_data: int) -> Index | None:
    index, messages = Index(), None
    for opcode, begin, end in mcap.records(data):
        content = data[begin:end]
        index.declare(opcode, content)
        if opcode == mcap.CHUNK_INDEX:
            start, last, offset, length, channels = mcap.chunk_index(content)
            if offset + length > end_of_data or length < 49:
                raise mcap.RecordError(
                    "the index at the end of the file names a place that is not in the file"
                )
            index.blocks.append(Block(offset, length, start, last, True, channels or None))
            if len(index.blocks) > MOST_BLOCKS:
                raise mcap.RecordError(
                    f"the index at the end of the file names more than {MOST_BLOCKS} chunks"
                )
        elif opcode == mcap.STATISTICS:
            messages, start, last, index.counts = mcap.statistics(content)
            if messages:
                index.seen(start, last)
    index.blocks.sort(key=lambda block: block.offset)
    if any(
        block.offset + block.length > following.offset
        for block, following in itertools.pairwise(index.blocks)
    ):
        raise mcap.RecordError("the index at the end of the file names a place twice")
    known = frozenset(number for number, channel in index.channels.items() if channel.kind)
    complete = bool(index.blocks) and all(
        block.channels and block.channels <= known for block in index.blocks
    )
    there = frozenset().union(*(block.channels or () for block in index.blocks))
    counted = sum(index.counts.values()) == messages and all(map(index.counts.get, there))
    return index if messages == 0 or (messages and complete and counted) else None


def times_by_index(file: int, block: Block) -> dict[int, tuple[np.ndarray, np.ndarray]] | None:
    """By channel, times [ns] and places of a chunk's messages, in the order of the file, from the
    message indexes behind it; None where they are not there."""
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    at = block.offset + block.length
    while len(front := os.pread(file, 15, at)) == 15:
        opcode, length = mcap.prefix(front)
        if opcode != mcap.MESSAGE_INDEX or not 6 <= length <= LARGEST:
            break
        data = os.pread(file, length - 6, at + 15)
        rows = np.frombuffer(data[: len(data) // 16 * 16], "<u8").reshape(-1, 2)
        if len(rows):
            rows = np.minimum(rows, LATEST).astype(np.int64)
            rows = rows[np.argsort(rows[:, 1], kind="stable")]
            found[int.from_bytes(front[9:11], "little")] = rows[:, 0], rows[:, 1]
        at += 9 + length
    return found if block.is_chunk and found else None


def divided(blocks: list[Block], steps: list[int], times_of: TimesOf) -> list[list[Block]]:
    """The blocks of each stretch; `steps`: positions (see `position`) at which one begins."""
    found: list[list[Block]] = []
    for begin, end in itertools.pairwise([0, *steps, 2**63]):
        stretch = []
        for number in range(begin >> PLACE_BITS, min((end - 1) >> PLACE_BITS, len(blocks) - 1) + 1):
            first, last = begin - position(number), end - position(number)
            block = blocks[number]
            if first <= 0 and last >= 2**PLACE_BITS:
                stretch.append(block)
                continue
            parts = [
                times[(places >= first) & (places < last)]
                for times, places in times_of(block).values()
            ]
            times = np.concatenate(parts)
            if len(times):
                span = int(times.min()), int(times.max())
                place = max(first, 0), last
                stretch.append(
                    Block(block.offset, block.length, *span, block.is_chunk, block.channels, *place)
                )
        found.append(stretch)
    return found


def position(number: int, place: int = 0) -> int:
    """Of a record in the file's order: by the number of its block and its place in it."""
    return (number << PLACE_BITS) + place


class Walk:
    """Walks the records of a file from its beginning. `load` gives the records inside a chunk, for
    declarations that it may hold."""

    def __init__(self, file: int, size: int, name: str, load) -> None:
        self.file, self.size, self.name, self.load = file, size, name, load
        self.index, self.damage = Index(), []
        self._run: list[int] = []  # [begin, end, start_ns, end_ns] of messages outside of chunks

    def index_of_all(self) -> tuple[Index, list[Damage]]:
        at = len(mcap.MAGIC)
        while at < self.size:
            front = os.pread(self.file, _FRONT, at)
            try:
                if len(self.index.blocks) > MOST_BLOCKS:
                    raise mcap.RecordError(f"more than {MOST_BLOCKS} chunks before here")
                opcode, length = mcap.prefix(front)
                end = at + 9 + length
                if opcode == 0:
                    raise mcap.RecordError("no record where one should begin")
                if opcode in (mcap.DATA_END, mcap.FOOTER):
                    break
                if opcode == mcap.CHUNK:
                    end = self._chunk(at, min(end, self.size), front)
                elif end <= self.size:
                    self._record(opcode, at, end, front)
                if at + 9 + length > self.size:
                    raise mcap.RecordError(
                        f"a record of {length} bytes where {self.size - at - 9} are left"
                    )
            except mcap.RecordError as error:
                self.damage.append(
                    Damage(
                        self.name,
                        at,
                        str(error),
                        f"what is not complete in its last {self.size - at} bytes",
                    )
                )
                break
            at = end
        self._close_run()
        return self.index, self.damage

    def _record(self, opcode: int, at: int, end: int, front: bytes) -> None:
        if opcode == mcap.MESSAGE:
            channel, log_time, _ = mcap.message_front(
                memoryview(front), 9, min(end - at, len(front))
            )
            self._count(channel, 1)
            self.index.seen(log_time, log_time)
            if not self._run or self._run[1] != at or end - self._run[0] > LARGEST_RUN:
                self._close_run()
                self._run = [at, end, log_time, log_time]
            self._run[1:] = [end, min(self._run[2], log_time), max(self._run[3], log_time)]
        elif opcode in (mcap.SCHEMA, mcap.CHANNEL) and end - at < LARGEST:
            self.index.declare(opcode, memoryview(os.pread(self.file, end - at - 9, at + 9)))

    def _close_run(self) -> None:
        if self._run:
            begin, end, start, last = self._run
            self.index.blocks.append(Block(begin, end - begin, start, last, False, None))
        self._run = []

    def _chunk(self, at: int, end: int, front: bytes) -> int:
        """Takes in a chunk and the message indexes behind it; answers where the next record
        begins."""
        head = mcap.chunk_head(front[9:])
        after, counts = end, {}
        while after + 15 <= self.size:
            record = os.pread(self.file, 15, after)
            opcode, length = mcap.prefix(record)
            if opcode != mcap.MESSAGE_INDEX or length < 6 or after + 9 + length > self.size:
                break
            counts[int.from_bytes(record[9:11], "little")] = (
                int.from_bytes(record[11:15], "little") // 16
            )
            after += 9 + length
        block = Block(at, end - at, head.start_ns, head.end_ns, True, frozenset(counts) or None)
        if not counts or not counts.keys() <= self.index.channels.keys():
            counts = self._look_inside(block)
        for channel, count in counts.items():
            self._count(channel, count)
        if counts:
            self.index.seen(head.start_ns, head.end_ns)
        self.index.blocks.append(block)
        return after

    def _look_inside(self, block: Block) -> dict[int, int]:
        counts: dict[int, int] = {}
        data, _ = self.load(block)
        try:
            for opcode, begin, end in mcap.records(data):
                if opcode == mcap.MESSAGE:
                    channel = mcap.message_front(data, begin, end)[0]
                    counts[channel] = counts.get(channel, 0) + 1
                else:
                    self.index.declare(opcode, data[begin:end])
        except mcap.RecordError:
            pass  # reported when its messages are read
        return counts

    def _count(self, channel: int, count: int) -> None:
        self.index.counts[channel] = self.index.counts.get(channel, 0) + count
