"""One sqlite3 file of rosbag2: its topics and its messages in the order of their receipt, whatever state the file is in.

It is opened read-only and immutable: SQLite then makes no -wal or -journal beside it and takes no lock; only a copy that has a log
beside it is not. Rows are read by time as long as
the database allows; from the first damage on, by their numbers, leaping over what cannot be read.
"""

from __future__ import annotations

import sqlite3
import urllib.parse
from collections.abc import Collection, Iterator
from pathlib import Path

from liquid_control.data.bag.files import has_log
from liquid_control.data.bag.storage import LARGEST, BagMessage, Channel, Damage
from liquid_control.errors import BagError

BATCH = 256  # rows of a damaged file that are put in order at a time
LARGEST_LEAP = 2**40  # row numbers
_HEADER = b"SQLite format 3\0"
_TOO_LONG = "a message longer than any that is read"


class SqliteFile:
    """`channels` by id, `counts` of their messages, `start_ns` and `end_ns` (None without messages), `damage` found so far."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises BagError where the file does not begin like a database of rosbag2. `name` is what damage is reported under."""
        self.name = name
        self.damage: list[Damage] = []
        with path.open("rb") as file:
            begins = file.read(len(_HEADER))
        if begins != _HEADER:
            raise BagError(path, f"beginning with {begins.hex() or 'nothing'}, not SQLite", "Record or copy it again.")
        place = f"file:{urllib.parse.quote(str(path.absolute()))}?mode=ro" + ("" if has_log(path) else "&immutable=1")
        self._base = sqlite3.connect(place, uri=True, check_same_thread=False)
        self._base.text_factory = lambda data: data.decode(errors="replace")
        try:
            self._base.execute("PRAGMA trusted_schema=OFF")
            self._base.execute("PRAGMA writable_schema=ON")  # nothing can be written; SQLite else refuses a file that is cut
            self._base.execute("PRAGMA mmap_size=0")
            self.channels = self._channels()
            self.counts, self.start_ns, self.end_ns = self._extent()
        except sqlite3.Error as error:
            self._base.close()
            raise BagError(path, f"its tables cannot be read ({error})", "Record or copy it again.") from error

    def close(self) -> None:
        self._base.close()

    def _channels(self) -> dict[int, Channel]:
        tables = {name: sql for name, sql in self._base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")}
        for name in ("topics", "messages"):
            if not tables.get(name, "").upper().startswith("CREATE TABLE"):
                raise sqlite3.DatabaseError(f"no table {name!r}")
        definitions = {}
        if "message_definitions" in tables:
            asked = "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
            try:
                definitions = {kind: (str(encoding), str(text)) for kind, encoding, text in self._base.execute(asked)}
            except sqlite3.Error as error:
                self._report(Damage(self.name, None, f"its message definitions cannot be read ({error})", "those of unusual types"))
        rows = self._base.execute("SELECT id, name, type FROM topics").fetchall()
        return {number: Channel(str(topic), str(kind), *definitions.get(kind, ("", ""))) for number, topic, kind in rows}

    def _extent(self) -> tuple[dict[int, int], int | None, int | None]:
        """(messages by topic, first and last time): from whole tables where they can be read, else row by row."""
        try:
            counts = dict(self._base.execute("SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id"))
            start, end = self._base.execute("SELECT MIN(timestamp), MAX(timestamp) FROM messages").fetchone()
            return counts, _whole(start), _whole(end)
        except sqlite3.Error as error:
            self.damage.append(Damage(self.name, None, str(error), "messages; which ones is told when they are read"))
        counts, start, end = {}, None, None
        for _, topic, stamp, _ in self._salvaged(None, "NULL"):
            counts[topic] = counts.get(topic, 0) + 1
            start, end = stamp if start is None else min(start, stamp), stamp if end is None else max(end, stamp)
        return counts, start, end

    def messages(self, names: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Messages of topics `names`, by time of receipt."""
        wanted = {number: channel for number, channel in self.channels.items() if names is None or channel.topic in names}
        last = (-(2**63), -(2**63))
        data = f"CASE WHEN length(data) <= {LARGEST} THEN data END"
        among = ", ".join(str(int(number)) for number in wanted)
        ordered = f"SELECT id, topic_id, timestamp, {data} FROM messages WHERE topic_id IN ({among}) ORDER BY timestamp, id"
        try:
            for row in self._base.execute(ordered):
                if (message := self._message(row, wanted)) is not None:
                    last = row[2], row[0]
                    yield message
            return
        except sqlite3.Error:
            pass  # told by the other way of reading
        batch = []
        for row in self._salvaged(among, data):
            if (row[2], row[0]) > last:
                batch.append(row)
            if len(batch) >= 2 * BATCH:
                batch.sort(key=lambda row: row[2])
                yield from filter(None, (self._message(row, wanted) for row in batch[:BATCH]))
                del batch[:BATCH]
        batch.sort(key=lambda row: row[2])
        yield from filter(None, (self._message(row, wanted) for row in batch))

    def _salvaged(self, among: str | None, data: str) -> Iterator[tuple[int, int, int, bytes | None]]:
        """Rows (id, topic, time, data) by number, over gaps that cannot be read; each gap is reported when topics are asked for."""
        at, leap = -(2**63), 0
        problem, before = "", None
        while leap < LARGEST_LEAP:
            where = f"id >= {at + leap}" + (f" AND topic_id IN ({among})" if among is not None else "")
            try:
                for row in self._base.execute(f"SELECT id, topic_id, timestamp, {data} FROM messages WHERE {where} ORDER BY id"):
                    if problem and among is not None:
                        self._report(Damage(self.name, None, problem, f"messages between number {before} and {row[0]}"))
                    problem, before, at, leap = "", row[0], row[0] + 1, 0
                    if isinstance(row[1], int) and isinstance(row[2], int):
                        yield row
                break
            except sqlite3.Error as error:
                problem = str(error)
                if before is None and leap == 0:
                    at = 0
                leap = max(1, leap * 2)
        if problem and among is not None:
            self._report(Damage(self.name, None, problem, f"messages after number {before}" if before is not None else "all messages"))

    def _message(self, row: tuple, wanted: dict[int, Channel]) -> BagMessage | None:
        number, topic, stamp, data = row
        if not isinstance(data, bytes) or not isinstance(stamp, int):
            self._report(Damage(self.name, None, f"message {number} holds no serialised data or time, or more than {LARGEST} bytes", "it"))
            return None
        return BagMessage(wanted[topic].topic, stamp, data, wanted[topic])

    def _report(self, damage: Damage) -> None:
        if damage not in self.damage and len(self.damage) < 100:
            self.damage.append(damage)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
