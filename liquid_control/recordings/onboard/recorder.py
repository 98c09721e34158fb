"""A robot's recordings as they are written: a bag for each event, or one behind the other.

One thread receives (`put`, `mark`), another writes (`run`): a slow disk holds up no message. A disk
that fails ends the recording as far as it is; what comes in waits in memory, and another recording
is begun as soon as there is room.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import errno
import math
import os
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

from liquid_control.config import VehicleConfig
from liquid_control.recordings.onboard.backlog import Backlog, Item
from liquid_control.recordings.onboard.folder import RecordingFolder
from liquid_control.recordings.onboard.marks import METADATA, Mark
from liquid_control.recordings.onboard.settings import CONTINUOUS, RecordSettings
from liquid_control.recordings.rosbag.messages import DIAGNOSTIC_ARRAY
from liquid_control.recordings.rosbag.writer import DURABLE_EVERY_NS, BagWriter
from liquid_control.recordings.vehicle_file import NAME as VEHICLE_FILE

WAIT = 0.1
"""The thread looks at the time at least this often [s]."""
GRACE_NS = 300_000_000
"""Messages of an event may be handed over so much later than they were taken."""
ROOM_EVERY_NS = 2_000_000_000
RETRY_NS = 1_000_000_000
"""After an error of the disk it is tried again so much later."""


@dataclasses.dataclass(frozen=True)
class RecorderStatus:
    """`state`: off, waiting (for a mark), recording or failed, by `problem`. `recording`: name of
    the one that is written, since `seconds`. `waiting_s`, `waiting_mb`: what is in memory. The
    rest counts since the start."""

    state: str
    problem: str
    recording: str
    seconds: float
    waiting_s: float
    waiting_mb: float
    written: int
    dropped: int
    shortened: int
    marks: int
    recordings: int
    disk_errors: int
    deleted: int
    deleted_marked: int


class OnboardRecorder:
    """Records what is `put`, by the settings, into `folder`.

    `latched`: topics whose last message before a recording is written at its begin.
    `marks_topic`: that of the marks. `facts`: custom_data of every recording. `clock`: the steady
    one [ns], by which `Item.at_ns` is given; `wall`: the system's, by which messages arrive.
    """

    def __init__(
        self,
        settings: RecordSettings,
        folder: Path,
        latched: Collection[str] = (),
        marks_topic: str = "/recorder_node/marks",
        facts: Mapping[str, str] | None = None,
        clock: Callable[[], int] = time.monotonic_ns,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings, self.clock, self._wall = settings, clock, wall
        self.vehicle = VehicleConfig()
        self.folder = RecordingFolder(
            folder, round(settings.quota * 1e9), round(settings.keep_free * 1e9)
        )
        self.backlog = Backlog(round(settings.before * 1e9), round(settings.memory * 1e6), latched)
        self._kinds, self._marks_topic = settings.kinds.split(), marks_topic
        self._latched, self._latest = frozenset(latched), dict[str, Item]()
        self._facts = dict(facts or {})
        self._counts: collections.Counter[str] = collections.Counter()
        self._attachments: dict[str, tuple[str, bytes]] = {}
        self._attached: dict[str, tuple[str, bytes]] = {}
        self._writer: BagWriter | None = None
        self._begin_ns = self._room_ns = self._wrote_ns = 0
        self._previous: tuple[Path, int] | None = None
        self._kinds_here: collections.Counter[str] = collections.Counter()
        self.refused: dict[str, str] = {}  # topic: why its last message could not be written
        self._why, self._problem, self._failed_ns, self._ends = "", "", -math.inf, False
        self._is_on = False
        if settings.scope == CONTINUOUS:
            self.record(True)

    # *** called by the thread that receives ***

    def put(self, items: Iterable[Item]) -> None:
        """Messages in the order of their receipt. Never waits for the disk."""
        self.backlog.put(items)

    def mark(self, kind: str, reason: str) -> Mark:
        """Marks this moment; a kind of the settings starts a recording, or prolongs it."""
        now_ns, at_ns = self._wall(), self.clock()
        mark = Mark(now_ns, kind, reason)
        if kind in self._kinds and self.settings.scope != CONTINUOUS:
            if at_ns > self.backlog.until_ns:
                self._why = kind
            self.backlog.extend(at_ns + round(self.settings.after * 1e9))
        item = Item(at_ns, now_ns, self._marks_topic, DIAGNOSTIC_ARRAY, mark.message(), mark)
        self._counts["marks"] += 1
        self.backlog.put([item])
        return mark

    def record(self, on: bool) -> None:
        """Records until it is switched off, or ends the recording. Marks go on to start others,
        but in continuous mode."""
        if on:
            if self.clock() > self.backlog.until_ns:
                self._why = "continuous" if self.settings.scope == CONTINUOUS else "manual"
            self.backlog.extend(math.inf)
        else:
            self.backlog.end(self.clock())
        self._is_on = on

    def attach(self, name: str, media_type: str, data: bytes) -> None:
        """A file that belongs into every recording from now on, as an attachment."""
        self._attachments = {**self._attachments, name: (media_type, data)}

    def end(self) -> None:
        """Nothing more is put; `run` writes what is to be written, and returns."""
        self.backlog.end(self.clock())
        self._ends = True

    def status(self) -> RecorderStatus:
        writer, counts = self._writer, self._counts
        off = self.settings.scope == CONTINUOUS and not self._is_on
        state = "recording" if writer else "off" if off else "waiting"
        return RecorderStatus(
            state="failed" if self._problem else state,
            problem=self._problem,
            recording=writer.directory.name if writer else "",
            seconds=(self.clock() - self._begin_ns) / 1e9 if writer else 0.0,
            waiting_s=self.backlog.seconds,
            waiting_mb=self.backlog.size / 1e6,
            dropped=self.backlog.dropped.total() + counts["refused"],
            shortened=self.backlog.shortened,
            **{
                name: counts[name]
                for name in (
                    "written",
                    "marks",
                    "recordings",
                    "disk_errors",
                    "deleted",
                    "deleted_marked",
                )
            },
        )

    # *** called by the thread that writes ***

    def run(self) -> None:
        """Writes until `end`."""
        while not (self._ends and (self.backlog.is_empty or self._problem)):
            self.step(WAIT)
        self._guarded(self._close)

    def step(self, seconds: float = 0.0) -> None:
        """Writes what is to be written; waits up to this time for it."""
        if self.clock() - self._failed_ns < RETRY_NS:
            time.sleep(min(seconds, RETRY_NS / 1e9))
            return
        items = collections.deque(self.backlog.take(seconds))
        if self._guarded(self._write_all, items):
            self._guarded(self._check)
        if items:
            self.backlog.put_back(list(items))

    def _guarded(self, function: Callable, *arguments: object) -> bool:
        """Whether it worked."""
        try:
            function(*arguments)
            return True
        except Exception as error:  # noqa: BLE001  whatever it is, the next recording is begun
            self._fail(error)
            return False

    def _write_all(self, items: collections.deque[Item]) -> None:
        """Removes each item that was written."""
        while items:
            item = items[0]
            long = item.at_ns - self._begin_ns > self.settings.split * 1e9
            if self._writer is not None and long:
                self._close()
            if self._writer is None:
                self._open(item)
            try:
                self._write(item)
            except OSError:
                raise
            except Exception as error:  # noqa: BLE001  one message does not end a recording
                self._counts["refused"] += 1
                self.refused[item.topic] = " ".join(str(error).split())
            items.popleft()
            self._wrote_ns = self.clock()

    def _write(self, item: Item) -> None:
        self._writer.write(item.topic, item.kind, item.data, item.receive_ns)
        self._counts["written"] += 1
        if item.topic in self._latched:
            self._latest[item.topic] = item
        if item.mark is None:
            return
        self._writer.note(METADATA, item.mark.values())
        self._kinds_here[item.mark.kind] += 1
        self.folder.note(self._writer.partial, item.mark)
        if self._previous and item.at_ns - self._previous[1] < self.backlog.before_ns:
            with contextlib.suppress(FileNotFoundError):  # it was deleted
                self.folder.note(self._previous[0], item.mark)

    def _open(self, first: Item) -> None:
        self._make_room()
        directory = self.folder.new(self._why or "manual")
        facts = {**self._facts, "begun_by": self._why or "manual"}
        self._writer = BagWriter(directory, facts=facts, vehicle=self.vehicle, durable=True)
        self._begin_ns = first.at_ns
        self._kinds_here.clear()
        self._attached = {}
        self._attach(first.receive_ns)
        before = [*self.backlog.held(), *self._latest.values()]
        for item in sorted(before, key=lambda item: item.at_ns):
            if item.at_ns <= first.at_ns:
                self._latest[item.topic] = item
        for item in self._latest.values():
            self._writer.write(item.topic, item.kind, item.data, first.receive_ns)
        self._problem = ""

    def _attach(self, time_ns: int) -> None:
        for name, (media_type, data) in self._attachments.items():
            if self._attached.get(name) == (media_type, data):
                continue
            self._writer.attach(name, media_type, data, time_ns)
            if name == VEHICLE_FILE:  # as `vehicle_file` looks for it
                (self._writer.partial / name).write_bytes(data)
            self._attached[name] = media_type, data

    def _check(self) -> None:
        """What is due at times: the end of an event, a flush without messages, room."""
        now_ns = self.clock()
        if self._writer is None:
            return
        if now_ns > self.backlog.until_ns + GRACE_NS and self.backlog.is_empty:
            return self._close()
        if now_ns - self._wrote_ns > DURABLE_EVERY_NS:
            self._writer.flush()
            self._wrote_ns = now_ns
        if now_ns - self._room_ns > ROOM_EVERY_NS:
            self._attach(self._wall())
            self._make_room()

    def _make_room(self) -> None:
        """Raises OSError where nothing more may be written."""
        self._room_ns = self.clock()
        deleted = self.folder.make_room(self._writer.partial if self._writer else None)
        self._counts["deleted"] += len(deleted)
        self._counts["deleted_marked"] += sum(one.is_marked for one in deleted)
        if self.folder.left() <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder.path))

    def _close(self) -> None:
        if self._writer is None:
            return
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self._kinds_here.items()))
        self._writer.facts |= {"marks": kinds} if kinds else {}
        self._writer.close()
        self._previous = self._writer.directory, self.clock()
        self._counts["recordings"] += 1
        self._writer = None

    def _fail(self, error: Exception) -> None:
        said = error.strerror if isinstance(error, OSError) else str(error)
        self._problem = " ".join((said or type(error).__name__).split())
        self._counts["disk_errors"] += 1
        self._failed_ns = self.clock()
        if self._writer is not None:
            with contextlib.suppress(Exception):
                self._writer.abandon(self._problem)
            self._writer = None
