"""One MCAP file: its channels and its messages in the order of their receipt, whatever state the
file is in."""

from __future__ import annotations

import bisect
import os
from collections.abc import Collection, Iterator
from operator import attrgetter
from pathlib import Path
from zlib import crc32

from liquid_control.errors import RecordingError
from liquid_control.recordings.rosbag import mcap_records as mcap
from liquid_control.recordings.rosbag.mcap_index import Block, Walk, read_index
from liquid_control.recordings.rosbag.storage import LARGEST, BagMessage, Channel, decompressed
from liquid_control.recordings.values import Damage

HELD_BLOCKS = 16  # blocks whose messages may wait for those of overlapping ones
_TIME = attrgetter("receive_ns")


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

    def messages(self, names: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Messages of topics `names`, by time of receipt; blocks are read one after the other, as
        late as their times allow."""
        wanted = {
            number: channel
            for number, channel in self.channels.items()
            if names is None or channel.topic in names
        }
        blocks = sorted(self._index.blocks, key=lambda block: (block.start_ns, block.offset))
        blocks = [
            block
            for block in blocks
            if block.channels is None or not block.channels.isdisjoint(wanted)
        ]
        pending: list[BagMessage] = []
        read = dict.fromkeys(wanted, 0)
        held = 0
        for number, block in enumerate(blocks):
            pending += self._messages_of(block, wanted, read)
            pending.sort(key=_TIME)
            held += 1
            ready = len(pending)
            if number + 1 < len(blocks) and held < HELD_BLOCKS:
                ready = bisect.bisect_left(pending, blocks[number + 1].start_ns, key=_TIME)
            yield from pending[:ready]
            del pending[:ready]
            held = held if pending else 0
        for number, count in read.items():
            if count < self.counts.get(number, 0):
                topic, announced = self.channels[number].topic, self.counts[number]
                problem = f"{announced} messages of {topic} are announced, {count} could be read"
                lost = f"{announced - count} messages"
                self._report(Damage(self.name, None, problem, lost))

    def _messages_of(
        self, block: Block, wanted: dict[int, Channel], read: dict[int, int]
    ) -> list[BagMessage]:
        data, problem = self._load(block)
        found, strange = [], 0
        try:
            for opcode, begin, end in mcap.records(data):
                if opcode == mcap.MESSAGE:
                    number, log_time, body = mcap.message_front(data, begin, end)
                    if number in wanted:
                        channel = wanted[number]
                        read[number] += 1
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
        return found

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
