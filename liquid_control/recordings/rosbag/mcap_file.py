"""One MCAP file: its channels and its messages in the order of their receipt, whatever state the
file is in."""

from __future__ import annotations

import bisect
import contextlib
import functools
import heapq
import os
from collections.abc import Collection, Iterator
from operator import attrgetter
from pathlib import Path
from zlib import crc32

import numpy as np

from liquid_control.errors import RecordingError
from liquid_control.recordings.rosbag import mcap_records as mcap
from liquid_control.recordings.rosbag.mcap_index import (
    LATEST,
    Block,
    Walk,
    divided,
    position,
    read_index,
    times_by_index,
)
from liquid_control.recordings.rosbag.steps import Sequence, find_steps
from liquid_control.recordings.rosbag.storage import LARGEST, BagMessage, Channel, decompressed
from liquid_control.recordings.stretches import PAUSE
from liquid_control.recordings.values import Damage

FEW, LONGER = 4, 4
"""Of more than FEW blocks, one LONGER than the median is looked into for a pause."""
HELD = 2**26  # bytes of messages that wait for those of overlapping blocks
_TIME = attrgetter("receive_ns")
_UNREAD, _ALL = -1, 2**62
_Turn = tuple[int, int, int, int, Block]
"""When a block is read: time, its offset, and which of its messages in received order are due."""


class McapFile:
    """`channels` by id, `counts` of their messages, `start_ns` and `end_ns` (None without
    messages), `damage` found so far."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises RecordingError where the file does not begin like MCAP. `name` is what damage is
        reported under."""
        self.name = name
        self._file = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._file).st_size
        self.damage: list[Damage] = []
        begins = os.pread(self._file, len(mcap.MAGIC), 0)
        if begins != mcap.MAGIC:
            os.close(self._file)
            raise RecordingError(
                path,
                f"{self._size} bytes beginning with {begins.hex() or 'nothing'}, not MCAP",
                "Record or copy it again.",
            )
        try:
            index = read_index(self._file, self._size)
        except mcap.RecordError as error:
            index = None
            self.damage.append(
                Damage(
                    name,
                    self._size,
                    str(error),
                    "what the recorder or the copy had not yet written",
                )
            )
        if index is None:
            index, damage = Walk(self._file, self._size, name, self._load).index_of_all()
            self.damage += damage
        self._index = index
        self.channels, self.counts = index.channels, index.counts
        self.start_ns, self.end_ns = index.start_ns, index.end_ns

    def close(self) -> None:
        os.close(self._file)

    @functools.cached_property
    def stretches(self) -> list[list[Block]]:
        """The blocks of each stretch; one, unless the recorder's clock was set back."""
        blocks = self._index.blocks

        def sequences() -> Iterator[Sequence]:
            for number, block in enumerate(blocks):
                for channel, (times, places) in self._times_of(block).items():
                    yield channel, times, position(number) + places

        return divided(blocks, find_steps(sequences), self._times_of)

    def spans(self, stretch: int) -> list[tuple[int, int]]:
        """(first, last) receipt of each block, or of each message in blocks that last so much
        longer than others that there may be a pause in them."""
        blocks = self.stretches[stretch]
        lengths = sorted(block.end_ns - block.start_ns for block in blocks)
        usual_ns = lengths[len(lengths) // 2] if len(blocks) > FEW else 0
        longest_ns = max(PAUSE * 1e9, LONGER * usual_ns)
        found: list[tuple[int, int]] = []
        for block in blocks:
            if block.end_ns - block.start_ns <= longest_ns:
                found.append((block.start_ns, block.end_ns))
                continue
            for times, places in self._times_of(block).values():
                inside = times[(places >= block.first) & (places < block.last)].tolist()
                found += zip(inside, inside, strict=True)
        return found

    def _times_of(self, block: Block) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        if (found := times_by_index(self._file, block)) is not None:
            return found
        data, _ = self._load(block)
        rows: dict[int, list[tuple[int, int]]] = {}
        with contextlib.suppress(mcap.RecordError):  # reported when its messages are read
            for opcode, begin, end in mcap.records(data):
                if opcode == mcap.MESSAGE:
                    number, log_time, _ = mcap.message_front(data, begin, end)
                    rows.setdefault(number, []).append((min(log_time, LATEST), begin - 9))
        return {number: tuple(np.array(one, np.int64).T) for number, one in rows.items()}

    def messages(
        self, names: Collection[str] | None = None, stretch: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages of topics `names` in one stretch, or in one after the other."""
        wanted = {
            number: channel
            for number, channel in self.channels.items()
            if names is None or channel.topic in names
        }
        read = dict.fromkeys(wanted, 0)
        for number in range(len(self.stretches)) if stretch is None else (stretch,):
            yield from self._in_order(self.stretches[number], wanted, read)
        if stretch is None or len(self.stretches) == 1:
            self._report_missing(read)

    def _in_order(
        self, blocks: list[Block], wanted: dict[int, Channel], read: dict[int, int]
    ) -> Iterator[BagMessage]:
        """Messages by time of receipt, whatever the layout of the file: blocks are read as late as
        their times allow.

        Of blocks that overlap, at most `HELD` bytes are held; of what exceeds that, the latest are
        let go, and their blocks are read again at the time of the first of them.
        """
        schedule: list[_Turn] = [
            (block.start_ns, block.offset, _UNREAD, _ALL, block)
            for block in blocks
            if block.channels is None or not block.channels.isdisjoint(wanted)
        ]
        heapq.heapify(schedule)
        pending: list[BagMessage] = []
        parts: dict[int, tuple[Block, int]] = {}
        held = 0
        while schedule:
            start_ns, _, begin, end, block = heapq.heappop(schedule)
            ready = bisect.bisect_right(pending, start_ns, key=_TIME)
            yield from pending[:ready]
            del pending[:ready]
            if not pending:
                parts, held = {}, 0
            found, size = self._messages_of(block, wanted, read if begin == _UNREAD else {})
            found.sort(key=_TIME)
            if begin == _UNREAD and found and found[0].receive_ns < start_ns:
                problem = f"a block begins {(start_ns - found[0].receive_ns) / 1e9:.3f} s earlier"
                problem += " than the index says"
                self._report(Damage(self.name, block.offset, problem, "the order of its messages"))
            if found := found[max(begin, 0) : end]:
                end = min(end, max(begin, 0) + len(found))
                parts[id(found[0].data.obj)] = block, end
                pending += found
                pending.sort(key=_TIME)
                held += size
            if held > HELD:
                pending, parts, held = _let_go(pending, parts, schedule)
        yield from pending

    def _report_missing(self, read: dict[int, int]) -> None:
        doubt = "" if self.damage else ", or the count is wrong: no block is damaged"
        for number, count in read.items():
            if count < self.counts.get(number, 0):
                topic, announced = self.channels[number].topic, self.counts[number]
                problem = f"{announced} messages of {topic} are announced, {count} could be read"
                lost = f"{announced - count} messages{doubt}"
                self._report(Damage(self.name, None, problem, lost))

    def _messages_of(
        self, block: Block, wanted: dict[int, Channel], read: dict[int, int]
    ) -> tuple[list[BagMessage], int]:
        """(messages in the order of the file, bytes that they hold)."""
        data, problem = self._load(block)
        found, strange = [], 0
        try:
            for opcode, begin, end in mcap.records(data):
                if opcode == mcap.MESSAGE and block.first <= begin - 9 < block.last:
                    number, log_time, body = mcap.message_front(data, begin, end)
                    if number in wanted:
                        channel = wanted[number]
                        read[number] = read.get(number, 0) + 1
                        found.append(BagMessage(channel.topic, log_time, data[body:end], channel))
                    elif number not in self.channels:
                        strange += 1
        except mcap.RecordError as error:
            problem = problem or str(error)
        if problem:
            lost = (
                f"what follows the {len(found)} messages read of it"
                if "checksum" not in problem
                else "nothing, but some value is wrong"
            )
            self._report(
                Damage(
                    self.name, block.offset, problem, f"in a block of {block.length} bytes {lost}"
                )
            )
        if strange:
            self._report(
                Damage(
                    self.name,
                    block.offset,
                    "messages of a channel that is declared nowhere",
                    f"{strange} messages",
                )
            )
        return found, len(data)

    def _load(self, block: Block) -> tuple[memoryview, str]:
        """(records of a block, what is wrong with them or ''); of a damaged block what precedes the
        damage."""
        if block.length > LARGEST:
            return memoryview(b""), f"a block of {block.length} bytes, expected at most {LARGEST}"
        try:
            data = memoryview(os.pread(self._file, block.length, block.offset))
        except OSError as error:
            return memoryview(b""), f"the disk does not give it ({error.strerror})"
        if not block.is_chunk:
            return data, ""
        try:
            if mcap.prefix(data)[0] != mcap.CHUNK:
                raise mcap.RecordError("no chunk where the index says that one begins")
            head = mcap.chunk_head(data[9:])
            if head.size > LARGEST:
                raise mcap.RecordError(
                    f"a chunk that claims {head.size} bytes, expected at most {LARGEST}"
                )
        except mcap.RecordError as error:
            return memoryview(b""), str(error)
        body, problem = decompressed(
            data[9 + head.body :][: head.compressed_size], head.compression, head.size
        )
        if not problem and head.crc and crc32(body) != head.crc:
            problem = "its checksum is wrong"
        return memoryview(body), problem

    def _report(self, damage: Damage) -> None:
        if damage not in self.damage:
            self.damage.append(damage)


def _let_go(
    pending: list[BagMessage], parts: dict[int, tuple[Block, int]], schedule: list[_Turn]
) -> tuple[list[BagMessage], dict[int, tuple[Block, int]], int]:
    """(the earliest pending messages in memory of their own, their parts, their bytes). The others
    are dropped, and their blocks are put on the schedule again.

    `parts`: by the identity of the bytes that messages look into, their block and up to which of
    its messages it is held.
    """
    size = kept = 0
    while kept < len(pending) and size < max(HELD // 2, 1):
        size += len(pending[kept].data)
        kept += 1
    dropped: dict[int, list[int]] = {}  # number of messages, time of the first
    for message in pending[kept:]:
        dropped.setdefault(id(message.data.obj), [0, message.receive_ns])[0] += 1
    ends = {}
    for key, (block, end) in parts.items():
        count, first_ns = dropped.get(key, (0, 0))
        ends[key] = block, end - count
        if count:
            heapq.heappush(schedule, (first_ns, block.offset, end - count, end, block))
    bodies: dict[int, bytearray] = {}
    places = []
    for message in pending[:kept]:
        key = id(message.data.obj)
        body = bodies.setdefault(key, bytearray())
        places.append((key, len(body), len(body) + len(message.data)))
        body += message.data
    views = {key: memoryview(bytes(body)) for key, body in bodies.items()}
    messages = [
        message._replace(data=views[key][begin:end])
        for message, (key, begin, end) in zip(pending, places, strict=False)
    ]
    return messages, {id(view.obj): ends[key] for key, view in views.items()}, size
