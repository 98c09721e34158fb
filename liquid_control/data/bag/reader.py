"""A recording: rosbag2 as a directory or as single files, sqlite3 or mcap, without ROS. Nothing in place is ever changed."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Collection, Iterator
from pathlib import Path
from types import SimpleNamespace

from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from liquid_control.data.bag.definitions import decoder_of
from liquid_control.errors import BagError

STORAGES = {".mcap": McapReader, ".db3": Sqlite3Reader}


@dataclasses.dataclass(frozen=True, slots=True)
class BagTopic:
    """One topic of a recording. `kind` is its message type, 'sensor_msgs/msg/Image'; `count` its messages, None where unknown."""

    name: str
    kind: str
    count: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """What could not be read: in which file, at which byte (None where unknown), what is wrong, what was lost by it."""

    file: str
    offset: int | None
    problem: str
    lost: str


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class BagMessage:
    """One message as recorded: `data` are its serialised bytes, `receive_ns` when the recorder got it."""

    topic: str
    receive_ns: int
    data: bytes | memoryview
    kind: str
    encoding: str
    definition: str


class BagReader:
    """Reads a rosbag2 directory, with or without metadata.yaml, or one .mcap or .db3 file."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damage: list[Damage] = []
        files = sorted(file for file in self.path.iterdir() if file.suffix in STORAGES) if self.path.is_dir() else [self.path]
        if not files or not files[0].is_file():
            raise BagError(path, "no .mcap or .db3 file here", "Name a rosbag2 directory or a file of one.")
        self._storages = [STORAGES[file.suffix](file) for file in files]
        for storage in self._storages:
            storage.open()
        counts: dict[tuple[str, str], int] = {}
        for connection in (c for storage in self._storages for c in storage.connections):
            key = connection.topic, connection.msgtype
            counts[key] = counts.get(key, 0) + connection.msgcount
        self.topics = tuple(BagTopic(name, kind, count) for (name, kind), count in sorted(counts.items()))
        self.start_ns = min(storage.metadata.start_time for storage in self._storages)
        self.end_ns = max(storage.metadata.end_time for storage in self._storages)

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for storage in self._storages:
            storage.close()
        self._storages = []

    def messages(self, names: Collection[str] | None = None) -> Iterator[BagMessage]:
        """The messages of topics `names` (all, where None) in the order of their receipt."""
        return heapq.merge(*(self._of(storage, names) for storage in self._storages), key=lambda message: message.receive_ns)

    def _of(self, storage, names: Collection[str] | None) -> Iterator[BagMessage]:
        wanted = [c for c in storage.connections if names is None or c.topic in names]
        if wanted:
            for connection, receive_ns, data in storage.messages(wanted):
                text = connection.msgdef
                encoding = {1: "ros2msg", 2: "ros2idl"}.get(text.format.value, "")
                yield BagMessage(connection.topic, receive_ns, data, connection.msgtype, encoding, text.data)

    def decode(self, message: BagMessage) -> SimpleNamespace:
        """The message with the attributes of its type. Raises MessageError where its bytes or its definition do not allow it."""
        return decoder_of(message.kind, message.encoding, message.definition)(message.data)
