"""One sqlite3 file of rosbag2: its topics and its messages in the order of their receipt, whatever
state the file is in.

It is opened read-only and immutable: SQLite then creates no -wal or -journal file and takes no
lock; only a copy with a write-ahead log is not immutable. Rows are read by time as long as the
database allows; from the first damage on, by their numbers, over gaps that cannot be read.
"""

from __future__ import annotations

import functools
import itertools
import urllib.parse
from collections.abc import Collection, Iterator
from pathlib import Path

import apsw
import numpy as np

from liquid_control.errors import RecordingError
from liquid_control.recordings.rosbag.files import has_log, log_of
from liquid_control.recordings.rosbag.steps import STEP_NS, Sequence, find_steps
from liquid_control.recordings.rosbag.storage import CDR, LARGEST, BagMessage, Channel, type_name
from liquid_control.recordings.stretches import PAUSE
from liquid_control.recordings.values import Damage

BATCH = 256  # rows of a damaged file that are put in order at a time
LARGEST_LEAP = 2**40  # row numbers
MOST_FAILURES = 4096
SMALLEST_ROW = 8  # bytes of a row in a file; more rows than fit are a page that is listed twice
STEPS_PER_BYTE = 4  # of SQLite's machine, for the same reason
MOST_DAMAGE = 100
MOST_TOPICS = 2**14
MOST_BREAKS = 2**16
ROWS = 8192  # that are looked at together for their order
LONGEST_TEXT = 2**18 + 1  # characters of a name or a definition
_HEADER = b"SQLite format 3\0"
_PATIENCE = 10_000_000  # steps
_DAMAGED = (apsw.Error, ValueError, MemoryError)


class SqliteFile:
    """`channels` by id, `counts` of their messages, `start_ns` and `end_ns` (None without
    messages), `damage` found so far."""

    def __init__(self, path: Path, name: str) -> None:
        """`name`: of the file, for damage. Raises RecordingError where the file does not begin like
        a database of rosbag2."""
        self.name = name
        self.damage: list[Damage] = []
        with path.open("rb") as file:
            begins = file.read(100)
        if not begins.startswith(_HEADER) or len(begins) < 100:
            raise RecordingError(
                path,
                f"beginning with {begins[:16].hex() or 'nothing'}, not SQLite",
                "Record or copy it again.",
            )
        self._size = path.stat().st_size + (log_of(path).stat().st_size if has_log(path) else 0)
        self._pages = (
            _WholePages(int.from_bytes(begins[16:18], "big")) if not has_log(path) else None
        )
        place = f"file:{urllib.parse.quote(str(path.absolute()))}" + (
            "" if has_log(path) else "?immutable=1"
        )
        self._base = None
        try:
            vfs = self._pages.name if self._pages else None
            self._base = apsw.Connection(
                place, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI, vfs=vfs
            )
            self._base.limit(apsw.SQLITE_LIMIT_LENGTH, 2 * LARGEST)
            self._base.set_progress_handler(self._is_endless, 100_000)
            for setting in (
                "trusted_schema=OFF",
                "mmap_size=0",
                "writable_schema=ON",
            ):  # SQLite else refuses a file that is cut
                self._base.execute(f"PRAGMA {setting}")
            self.channels = self._channels()
            self.counts, self.start_ns, self.end_ns = self._extent()
        except _DAMAGED as error:
            self.close()
            raise RecordingError(
                path, f"its tables cannot be read ({error})", "Record or copy it again."
            ) from error

    def close(self) -> None:
        if self._base is not None:
            self._base.close(True)
        if self._pages is not None:
            self._pages.unregister()

    @functools.cached_property
    def stretches(self) -> list[tuple[int, int]]:
        """(first row, row behind the last) of each stretch; one, unless the recorder's clock was
        set back."""
        goes_back = (
            "SELECT 1 FROM (SELECT timestamp AS now, LAG(timestamp) OVER (ORDER BY id) AS before "
            f"FROM messages) WHERE now < before - {STEP_NS} LIMIT 1"
        )
        steps: list[int] = []
        try:
            if list(self._execute(goes_back)):
                steps = find_steps(self._sequences)
        except _DAMAGED:  # reading reports it
            steps = []
        return list(itertools.pairwise([-(2**63), *steps, 2**63 - 1]))

    def _sequences(self) -> Iterator[Sequence]:
        rows: dict[int, list[tuple[int, int]]] = {}
        count = 0
        for number, topic, stamp in self._execute(
            "SELECT id, topic_id, timestamp FROM messages ORDER BY id"
        ):
            if isinstance(topic, int) and isinstance(stamp, int):
                rows.setdefault(topic, []).append((stamp, number))
                count += 1
            if count >= ROWS:
                yield from _columns(rows)
                rows, count = {}, 0
        yield from _columns(rows)

    def spans(self, stretch: int) -> list[tuple[int, int]]:
        """(first, last) receipt of runs of messages without a pause between two of them."""
        begin, end = self.stretches[stretch]
        among = f"typeof(timestamp) = 'integer' AND id >= {begin} AND id < {end}"
        first, last = self.start_ns, self.end_ns
        try:
            if len(self.stretches) > 1:
                ((first, last),) = self._execute(
                    f"SELECT MIN(timestamp), MAX(timestamp) FROM messages WHERE {among}"
                )
            breaks = list(
                self._execute(
                    "SELECT before, now FROM (SELECT timestamp AS now, LAG(timestamp) OVER "
                    f"(ORDER BY timestamp) AS before FROM messages WHERE {among}) "
                    f"WHERE now - before > {round(PAUSE * 1e9)} LIMIT {MOST_BREAKS}"
                )
            )
        except _DAMAGED:  # reading reports it
            breaks = []
        if first is None:
            return []
        edges = [first, *itertools.chain.from_iterable(breaks), last]
        return list(zip(edges[::2], edges[1::2], strict=True))

    def _execute(self, statement: str) -> Iterator[tuple]:
        self._patience = _PATIENCE + STEPS_PER_BYTE * self._size
        return self._base.execute(statement)

    def _is_endless(self) -> bool:
        self._patience -= 100_000
        return self._patience < 0

    def _channels(self) -> dict[int, Channel]:
        tables = {
            name: sql
            for name, sql in self._execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            )
        }
        for name in ("topics", "messages"):
            if not str(tables.get(name)).upper().startswith("CREATE TABLE"):
                raise ValueError(f"no table {name!r}")
        definitions = {}
        if "message_definitions" in tables:
            columns = ", ".join(
                map(_text, ("topic_type", "encoding", "encoded_message_definition"))
            )
            query = f"SELECT {columns} FROM message_definitions LIMIT {MOST_TOPICS}"
            try:
                definitions = {
                    type_name(_read(kind)): (_read(encoding), _read(text))
                    for kind, encoding, text in self._execute(query)
                }
            except _DAMAGED as error:
                self._report(
                    f"its message definitions cannot be read ({error})", "those of unusual types"
                )
        return {
            number: Channel(_read(topic), kind, *definitions.get(kind, ("", "")), form)
            for number, topic, kind, form in self._topics(str(tables["topics"]))
        }

    def _topics(self, table: str) -> Iterator[tuple[int, bytes, str, str]]:
        """(id, name, type, serialization) of each row of the topics' table."""
        has_form = "serialization_format" in table
        columns = ", ".join(map(_text, ("name", "type", *["serialization_format"] * has_form)))
        for number, topic, kind, *form in self._execute(
            f"SELECT id, {columns} FROM topics LIMIT {MOST_TOPICS}"
        ):
            yield number, topic, type_name(_read(kind)), _read(*form) if has_form else CDR

    def _extent(self) -> tuple[dict[int, int], int | None, int | None]:
        """(messages by topic, first and last time): by queries over the tables where they can be
        read, else row by row."""
        try:
            counts = dict(
                self._execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id")
            )
            ((start, end),) = self._execute(
                "SELECT MIN(timestamp), MAX(timestamp) FROM messages "
                "WHERE typeof(timestamp) = 'integer'"
            )
            return counts, start, end
        except _DAMAGED as error:
            self._report(str(error), "messages; reading them reports which")
        counts, start, end = {}, None, None
        for _, topic, stamp, _ in self._salvaged(None, "NULL"):
            counts[topic] = counts.get(topic, 0) + 1
            start, end = (
                stamp if start is None else min(start, stamp),
                stamp if end is None else max(end, stamp),
            )
        return counts, start, end

    def messages(
        self, names: Collection[str] | None = None, stretch: int | None = None
    ) -> Iterator[BagMessage]:
        """Messages of topics `names` in one stretch, or in one after the other, by time of
        receipt."""
        for rows in self.stretches if stretch is None else [self.stretches[stretch]]:
            yield from self._in_order(names, *rows)

    def _in_order(
        self, names: Collection[str] | None, begin: int, end: int
    ) -> Iterator[BagMessage]:
        wanted = {
            number: channel
            for number, channel in self.channels.items()
            if names is None or channel.topic in names
        }
        last, count = (-(2**63), -(2**63)), 0
        data = f"CASE WHEN typeof(data) = 'blob' AND length(data) <= {LARGEST} THEN data END"
        among = ", ".join(str(int(number)) for number in wanted)
        ordered = (
            f"SELECT id, topic_id, timestamp, {data} FROM messages "
            f"WHERE topic_id IN ({among}) AND id >= {begin} AND id < {end} ORDER BY timestamp, id"
        )
        try:
            for row in self._execute(ordered):
                count += 1
                if count * SMALLEST_ROW > self._size:
                    raise ValueError("more rows than fit")
                if (message := self._message(row, wanted)) is not None:
                    last = row[2], row[0]
                    yield message
            return
        except _DAMAGED:
            pass  # `_salvaged` reports it
        batch = []
        for row in self._salvaged(among, data):
            if row[1] in wanted and begin <= row[0] < end and (row[2], row[0]) > last:
                batch.append(row)
            if len(batch) >= 2 * BATCH:
                batch.sort(key=lambda row: row[2])
                yield from filter(None, (self._message(row, wanted) for row in batch[:BATCH]))
                del batch[:BATCH]
        batch.sort(key=lambda row: row[2])
        yield from filter(None, (self._message(row, wanted) for row in batch))

    def _salvaged(
        self, among: str | None, data: str
    ) -> Iterator[tuple[int, int, int, bytes | None]]:
        """Rows (id, topic, time, data) by number, over gaps that cannot be read; with `among`, each
        gap is reported."""
        at, leap, count, failures = -(2**63), 0, 0, 0
        problem, before = "", "the first"
        while leap < LARGEST_LEAP and failures < MOST_FAILURES:
            where = f"id >= {at + leap}" + (
                f" AND topic_id IN ({among})" if among is not None else ""
            )
            try:
                for row in self._execute(
                    f"SELECT id, topic_id, timestamp, {data} FROM messages "
                    f"WHERE {where} ORDER BY id"
                ):
                    count += 1
                    if count * SMALLEST_ROW > self._size:
                        raise ValueError("more rows than fit")
                    if not isinstance(row[0], int) or row[0] < at + leap:
                        continue  # a page of another place: the tree is damaged
                    if problem and among is not None:
                        self._report(problem, f"messages between number {before} and {row[0]}")
                    problem, before, at, leap = "", row[0], row[0] + 1, 0
                    if isinstance(row[1], int) and isinstance(row[2], int):
                        yield row
                break
            except _DAMAGED as error:
                problem, failures = str(error), failures + 1
                at, leap = max(at, 0), max(1, leap * 2)
        if problem and among is not None:
            self._report(problem, f"messages after number {before}")

    def _message(self, row: tuple, wanted: dict[int, Channel]) -> BagMessage | None:
        number, topic, stamp, data = row
        if not isinstance(data, bytes) or not isinstance(stamp, int):
            self._report(
                f"message {number} has no serialised data or time, or more than {LARGEST} bytes",
                "this message",
            )
            return None
        return BagMessage(wanted[topic].topic, stamp, data, wanted[topic])

    def _report(self, problem: str, lost: str) -> None:
        damage = Damage(self.name, None, problem, lost)
        if damage not in self.damage and len(self.damage) < MOST_DAMAGE:
            self.damage.append(damage)


class _WholePages(apsw.VFS):
    """Files that end with their last complete page: SQLite reads the missing part of a cut page as
    zeros."""

    def __init__(self, page: int) -> None:
        self.page = 65536 if page == 1 else max(page, 512)
        self.name = f"whole-pages-{id(self)}"
        super().__init__(self.name, "")

    def xOpen(self, name, flags):  # noqa: N802 (SQLite's name)
        return _WholePagesFile(name, flags, self.page)


class _WholePagesFile(apsw.VFSFile):
    def __init__(self, name, flags, page: int) -> None:
        self.page = page
        super().__init__("", name, flags)

    def xFileSize(self) -> int:  # noqa: N802
        return super().xFileSize() // self.page * self.page


def _columns(rows: dict[int, list[tuple[int, int]]]) -> Iterator[Sequence]:
    for topic, one in rows.items():
        times, numbers = np.array(one, np.int64).T
        yield topic, times, numbers


def _text(column: str) -> str:
    """Texts are read as bytes, as damaged ones are not UTF-8, up to LONGEST_TEXT."""
    return f"CAST(substr({column}, 1, {LONGEST_TEXT}) AS BLOB)"


def _read(text: bytes | None) -> str:
    return (text or b"").decode(errors="replace")
