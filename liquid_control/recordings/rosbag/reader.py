"""Reads rosbag2: a directory or single files, sqlite3 or mcap, without ROS. No file is changed."""

from __future__ import annotations

import dataclasses
import functools
import heapq
import itertools
import tempfile
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

from liquid_control.errors import MessageError, RecordingError
from liquid_control.recordings.rosbag.definitions import decoder_of
from liquid_control.recordings.rosbag.files import (
    COMPRESSED,
    copy_with_log,
    find_files,
    has_log,
    refuse_pointer,
    storage_of,
    unpack,
)
from liquid_control.recordings.rosbag.mcap_file import McapFile
from liquid_control.recordings.rosbag.sqlite_file import SqliteFile
from liquid_control.recordings.rosbag.storage import CDR, BagMessage, Channel, plain
from liquid_control.recordings.stretches import STEP, covered
from liquid_control.recordings.values import Damage

COMPARED = 256
"""Messages of a topic, at most, by which two files are compared."""
_OPENERS = {".mcap": McapFile, ".db3": SqliteFile}


@dataclasses.dataclass(frozen=True, slots=True)
class BagTopic:
    """One topic of a recording. `kind` is its message type, 'sensor_msgs/msg/Image'; `count` its
    messages, None where unknown.

    A topic whose type changed between the files of a recording is listed once for each type.
    `field`: path of the number that its role is read from, '' for what its type holds.
    """

    name: str
    kind: str
    count: int | None
    field: str = ""


class BagReader:
    """Reads a rosbag2 directory, with or without metadata.yaml, or one .mcap or .db3 file,
    compressed ones (.zstd) included.

    `topics`, `start_ns` and `end_ns` (receipt of the first and the last message; zeros where there
    is none) come from the files' indexes. `damage` lists what could not be read; it grows while
    messages are read.
    """

    def __init__(self, path: str | Path) -> None:
        """Raises RecordingError where nothing can be read."""
        self.path = Path(path)
        self._decoders: dict[Channel, Callable] = {}
        self._folder: tempfile.TemporaryDirectory | None = None
        self._storages: list[McapFile | SqliteFile] = []
        files, self._found = find_files(self.path)
        try:
            self._open(files)
        except BaseException:
            self.close()
            raise
        self._files = list(self._storages)  # in the order of their names
        self._storages.sort(key=lambda storage: (storage.start_ns is None, storage.start_ns or 0))
        self.topics = self._topics()
        self.start_ns = min(
            (s.start_ns for s in self._storages if s.start_ns is not None), default=0
        )
        self.end_ns = max((s.end_ns for s in self._storages if s.end_ns is not None), default=0)

    @functools.cached_property
    def seconds(self) -> float:
        """Of the stretches of the recording together, see `recordings.stretches`."""
        whole = [storage for storage in self._storages if len(storage.stretches) == 1]
        return covered(span for storage in whole for span in storage.spans(0)) + sum(
            covered(storage.spans(number))
            for storage in self._storages
            if storage not in whole
            for number in range(len(storage.stretches))
        )

    def _open(self, files: list[Path]) -> None:
        problems = []
        for file in files:
            try:
                refuse_pointer(file)
                self._storages.append(_OPENERS[storage_of(file)](self._unpacked(file), file.name))
            except (RecordingError, OSError) as error:
                problem = error.problem if isinstance(error, RecordingError) else error.strerror
                self._found.append(
                    Damage(file.name, None, f"cannot be opened: {problem}", "the messages in it")
                )
                problems.append(error)
        self._leave_out_copies()
        foreign = self._foreign()
        if any(storage.channels for storage in self._storages) or not self.damage:
            if foreign and not any(
                channel.serialization == CDR
                for storage in self._storages
                for channel in storage.channels.values()
            ):
                raise RecordingError(self.path, *foreign)
            return
        if len(files) == 1 and problems:
            raise (
                problems[0]
                if isinstance(problems[0], RecordingError)
                else RecordingError(files[0], str(problems[0]), "Check its permissions.")
            )
        found = "; ".join(f"{damage.file}: {damage.problem}" for damage in self.damage[:3])
        raise RecordingError(
            self.path, f"nothing can be read from it ({found})", "Record or copy it again."
        )

    def _leave_out_copies(self) -> None:
        """Two files of the same messages, such as the original and what was converted from it, are
        one recording. They are recognised by their times and their counts."""
        known: dict[tuple, str] = {}
        for storage in list(self._storages):
            counts = {
                (channel.topic, channel.kind): storage.counts.get(number, 0)
                for number, channel in storage.channels.items()
            }
            key = storage.start_ns, storage.end_ns, *sorted(counts.items())
            first = known.setdefault(key, storage.name)
            if storage.start_ns is not None and first != storage.name:
                self._storages.remove(storage)
                storage.close()
                lost = "nothing: they are read once"
                problem = f"the same messages as in {first}"
                self._found.append(Damage(storage.name, None, problem, lost))

    def _foreign(self) -> tuple[str, str] | None:
        """What is wrong with topics that no middleware of ROS 2 wrote, and what to do; they are
        listed as damage."""
        topics: dict[str, list[str]] = {}
        for storage in self._storages:
            for channel in storage.channels.values():
                if channel.serialization != CDR:
                    topics.setdefault(channel.serialization, []).append(channel.topic)
        for form, names in topics.items():
            listed = ", ".join(sorted(set(names))[:4])
            problem = f"messages are {form[:32]}, expected cdr of ROS 2, in {listed}"
            self._found.append(
                Damage(self.path.name, None, problem, "the messages of these topics")
            )
        if not topics:
            return None
        remedy = "Record with ros2 bag, or convert it to a rosbag2"
        remedy += " with rosbags-convert." if "ros1" in topics else "."
        return f"its messages are {', '.join(topics)}, expected cdr of ROS 2", remedy

    def _unpacked(self, file: Path) -> Path:
        if file.suffix not in COMPRESSED and not has_log(file):
            return file
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="recording-")
        if file.suffix not in COMPRESSED:
            return copy_with_log(file, Path(self._folder.name))
        out, damage = unpack(file, Path(self._folder.name))
        self._found += damage
        return out

    def _topics(self) -> tuple[BagTopic, ...]:
        counts: dict[tuple[str, str], int] = {}
        kinds: dict[str, list[str]] = {}
        for storage in self._storages:
            for number, channel in storage.channels.items():
                is_ros = channel.serialization == CDR
                kind = channel.kind if is_ros else f"{channel.kind} ({channel.serialization[:32]})"
                key = channel.topic, kind
                counts[key] = counts.get(key, 0) + storage.counts.get(number, 0)
                kinds.setdefault(channel.topic, []).append(kind)
        for topic, found in kinds.items():
            if len(set(found)) > 1:
                problem = f"topic {topic} changes its type: {', '.join(dict.fromkeys(found))}"
                self._found.append(
                    Damage(
                        self.path.name,
                        None,
                        problem,
                        "nothing, if all of them can be read for its role",
                    )
                )
        return tuple(BagTopic(name, kind, count) for (name, kind), count in sorted(counts.items()))

    @property
    def damage(self) -> list[Damage]:
        return [*self._found, *(damage for storage in self._storages for damage in storage.damage)]

    def __enter__(self) -> BagReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files and removes unpacked copies; `damage` and `topics` stay."""
        self._found, storages, self._storages = self.damage, self._storages, []
        self.__dict__.pop("_groups", None)
        for storage in storages:
            storage.close()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def messages(self, names: Collection[str] | None = None) -> Iterator[BagMessage]:
        """The messages of topics `names` (all, where None) in the order of their receipt; where
        the recorder's clock was set back, of one stretch after the other."""
        for group in self._groups:
            stretches = {len(storage.stretches) for storage in group}
            if len(group) == 1 or len(stretches) > 1:
                for storage in group:
                    yield from storage.messages(names)
                continue
            for number in range(stretches.pop()):
                yield from heapq.merge(
                    *(storage.messages(names, number) for storage in group),
                    key=attrgetter("receive_ns"),
                )

    @functools.cached_property
    def _groups(self) -> list[list[McapFile | SqliteFile]]:
        """Files that are read together. Those that have the same times are merged; but files of
        the same topics and times are of two clocks, or one was set back between them, and are read
        one after the other."""
        groups = []
        for group in _overlapping(self._storages):
            parts: list[list[McapFile | SqliteFile]] = [[]]
            for storage in sorted(group, key=self._files.index):
                if any(_repeats(storage, other) for other in parts[-1]):
                    parts.append([])
                parts[-1].append(storage)
            groups += parts
        return groups

    def first(self, name: str, count: int) -> list[BagMessage]:
        """The first messages of a topic, at most `count`. Damage on the way to them is left for
        `messages` to report."""
        found = [(storage, list(storage.damage)) for storage in self._storages]
        try:
            return list(itertools.islice(self.messages([name]), count))
        finally:
            for storage, damage in found:
                storage.damage[:] = damage

    def decode(self, message: BagMessage) -> SimpleNamespace:
        """The message with the attributes of its type. Raises MessageError where its bytes or its
        definition do not allow it."""
        channel = message.channel
        decode = self._decoders.get(channel)
        if decode is None:
            if channel.serialization != CDR:
                problem = f"its messages are {channel.serialization[:32]}, expected cdr of ROS 2"
                raise MessageError(channel.kind, problem)
            decode = self._decoders[channel] = decoder_of(
                channel.kind, channel.encoding, channel.definition
            )
        try:
            return decode(plain(message.data))
        except ValueError as error:
            raise MessageError(channel.kind, str(error)) from error


def _repeats(storage: McapFile | SqliteFile, other: McapFile | SqliteFile) -> bool:
    """Whether a file has topics of another at the same times, with other messages."""
    begin_ns, end_ns = max(storage.start_ns, other.start_ns), min(storage.end_ns, other.end_ns)
    if end_ns - begin_ns <= STEP * 1e9:
        return False
    of_both = {channel.topic for channel in storage.channels.values()} & {
        channel.topic for channel in other.channels.values()
    }
    for name in of_both:
        mine, theirs = (
            _times_within(one.messages([name]), begin_ns, end_ns) for one in (storage, other)
        )
        if mine and theirs and max(mine[0], theirs[0]) <= min(mine[-1], theirs[-1]):
            return not set(mine) & set(theirs)
    return False


def _times_within(messages: Iterator[BagMessage], begin_ns: int, end_ns: int) -> list[int]:
    """Receipts of the first messages of a topic in [begin_ns, end_ns]."""
    inside = (one.receive_ns for one in messages if one.receive_ns >= begin_ns)
    return list(itertools.takewhile(lambda ns: ns <= end_ns, itertools.islice(inside, COMPARED)))


def _overlapping(storages: list[McapFile | SqliteFile]) -> Iterator[list[McapFile | SqliteFile]]:
    """Files, sorted by their start, in groups that share time; splits of one recording hardly do,
    and are read one after the other."""
    group, end = [], 0
    for storage in itertools.filterfalse(lambda storage: storage.start_ns is None, storages):
        if group and storage.start_ns > end:
            yield group
            group = []
        end = max(end, storage.end_ns) if group else storage.end_ns
        group.append(storage)
    if group:
        yield group
