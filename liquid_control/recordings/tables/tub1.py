"""DonkeyCar's tub of version 1: meta.json, a JSON file for each record, pictures beside them, and
exclude.json with the numbers of deleted records."""

from __future__ import annotations

import json
import re
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source
from liquid_control.recordings.tables.donkey import NO_TIME, any_between, fill, stamp_of
from liquid_control.recordings.tables.recording import TableRecording
from liquid_control.recordings.tables.table import Table
from liquid_control.system.files import POINTER

META, EXCLUDED = "meta.json", "exclude.json"
RECORD = re.compile(r"record_(\d+)\.json")
DELETED = "deleted in the tub (exclude.json)"
EARLY_NS = 10**9
"""Begin of times whose origin is not known; a time of 0 is none."""


def recognises(path: Path) -> bool:
    """Whether a folder holds a record."""
    try:
        return path.is_dir() and any(RECORD.fullmatch(file.name) for file in path.iterdir())
    except OSError:
        return False


def open_tub(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises RecordingError where no record can be used, TopicError as `donkey.choose` does."""
    return TableRecording(path, settings, guess, read_tub(path, settings))


def read_tub(folder: Path, settings: RecordingSettings) -> Table:
    """All records in the order of their numbers."""
    table = Table(folder)
    meta, excluded = _json(table, META, dict), _json(table, EXCLUDED, list)
    start = meta.get("start")
    known = isinstance(start, (int, float)) and 0 < start < 2**33
    if not known:
        table.remarks.append(
            f"camera: {META} has no start: times are counted from the first record on"
        )
    start_ns = round(start * 1e3) * 10**6 if known else EARLY_NS
    deleted = {number for number in excluded if isinstance(number, int)}
    files = {
        int(match[1]): file
        for file in folder.iterdir()
        if (match := RECORD.fullmatch(file.name)) is not None
    }
    timed, holes, latest, gone = [], set(), 0, sorted(deleted)
    for number in sorted(files):
        if number in deleted:
            table.leave_out(DELETED)
            continue
        record = _record(table, files[number])
        stamp_ns = stamp_of(record, start_ns)
        if record and stamp_ns:
            if timed and any_between(latest, number, gone):
                holes.add(len(timed))
            latest = number
            timed.append((stamp_ns, record))
        elif record:
            table.leave_out(NO_TIME)
    if not timed and table.left_out.get(NO_TIME):
        raise RecordingError(
            folder,
            f"{table.left_out[NO_TIME]} records without a time (`milliseconds`)",
            "The order of the records is no time: record again with DonkeyCar 2.5 or later.",
        )
    inputs = meta.get("inputs")
    inputs = [name for name in inputs if isinstance(name, str)] if isinstance(inputs, list) else []
    fill(table, timed, settings, "", inputs, holes)
    return table


def _record(table: Table, file: Path) -> dict:
    try:
        data = file.read_bytes()
        if data.startswith(POINTER):
            raise ValueError("a Git LFS pointer: git lfs pull")
        record = json.loads(data.strip(b"\0 \t\r\n") or b"null")
    except OSError as error:
        table.lose(file.name, None, error.strerror or "unreadable", "its record")
        return {}
    except (ValueError, RecursionError) as error:
        problem = str(error) if "LFS" in str(error) else "not JSON"
        table.lose(file.name, None, problem, "its record")
        return {}
    if not isinstance(record, dict) or not record:
        table.lose(file.name, None, "an empty record", "its record")
        return {}
    return record


def _json(table: Table, name: str, kind: type):
    """The content of a file that may be missing; an empty one where it is no `kind`."""
    file = table.folder / name
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        return kind()
    except (OSError, ValueError, RecursionError):
        found = None
    if isinstance(found, kind):
        return found
    table.lose(name, None, "not readable", "what it says of all records")
    return kind()


TUB1 = Format(
    "DonkeyCar tub of version 1",
    recognises,
    open_tub,
    "a DonkeyCar tub of version 1 (record_N.json files)",
)
