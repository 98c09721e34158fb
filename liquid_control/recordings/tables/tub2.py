"""DonkeyCar's tub of version 2: manifest.json, catalogs of one JSON object a line, and images/.

What is in a tub by mistake is left out: catalogs that the manifest does not list, indexes from
`current_index` on, and lines whose picture a later session of the same indexes has overwritten.
Facts of the format: donkeycar's tub_v2.py and datastore_v2.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Format, Source
from liquid_control.recordings.tables.donkey import NO_TIME, any_between, fill, stamp_of
from liquid_control.recordings.tables.recording import TableRecording
from liquid_control.recordings.tables.table import Table
from liquid_control.system.files import POINTER

MANIFEST, IMAGES = "manifest.json", "images"
CATALOG = re.compile(r"catalog_(\d+)\.catalog")
DELETED = "deleted in the tub (deleted_indexes)"
BEYOND = "at or beyond current_index: records of an earlier tub"
OVERWRITTEN = "written again later under the same index: the last one counts"
UNLISTED = "catalogs that manifest.json does not list: of an earlier tub"
MOST_TRIES = 64  # objects in a damaged line
MOST_RUNS = 256

Numbered = tuple[int, dict]


def folder_of(path: Path) -> Path | None:
    """The folder of the tub at `path`: itself, its `data`, or that of one of its files."""
    if path.name == MANIFEST or CATALOG.fullmatch(path.name):
        path = path.parent
    return next((one for one in (path, path / "data") if _is_tub(one)), None)


def _is_tub(folder: Path) -> bool:
    try:
        names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    except OSError:
        return False
    return any(map(CATALOG.fullmatch, names)) or {MANIFEST, IMAGES} <= names


def open_tub(path: Path, settings: RecordingSettings, guess: bool) -> Source:
    """Raises RecordingError where no record can be used, TopicError as `donkey.choose` does."""
    return TableRecording(path, settings, guess, read_tub(folder_of(path), settings))


def read_tub(folder: Path, settings: RecordingSettings) -> Table:
    """All records that count, in the order of their indexes."""
    table = Table(folder)
    inputs, index = _manifest(table)
    numbered = []
    for catalog in _catalogs(table, index):
        numbered += _records(table, catalog)
    current = index.get("current_index")
    if _is_index(current):
        kept = [one for one in numbered if one[0] < current]
        table.leave_out(BEYOND, len(numbered) - len(kept))
        numbered = kept
    numbered = _without_overwritten(table, numbered)
    deleted = index.get("deleted_indexes")
    deleted = set(filter(_is_index, deleted)) if isinstance(deleted, list) else set()
    kept = [one for one in numbered if one[0] not in deleted]
    table.leave_out(DELETED, len(numbered) - len(kept))
    timed, holes, gone = [], set(), sorted(deleted)
    latest = kept[0][0] if kept else 0
    for index, record in kept:
        stamp_ns = stamp_of(record)
        if not stamp_ns:
            table.leave_out(NO_TIME)
            continue
        if any_between(latest, index, gone):
            holes.add(len(timed))
        latest = index
        timed.append((stamp_ns, record))
    fill(table, timed, settings, f"{IMAGES}/", inputs, holes)
    return table


def _manifest(table: Table) -> tuple[list[str], dict]:
    """(names of the inputs, metadata of the catalogs): five lines of JSON."""
    try:
        data = (table.folder / MANIFEST).read_bytes()
    except OSError as error:
        table.lose(MANIFEST, None, error.strerror or "unreadable", "which records are deleted")
        return [], {}
    if data.startswith(POINTER):
        raise RecordingError(
            table.folder / MANIFEST, "a Git LFS pointer", "Fetch the files with git lfs pull."
        )
    found = []
    for line in data.splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    inputs = found[0] if found and isinstance(found[0], list) else []
    index = next((one for one in reversed(found) if isinstance(one, dict) and "paths" in one), None)
    if index is None:
        table.lose(MANIFEST, None, "without its fifth line", "which records are deleted")
    return [name for name in inputs if isinstance(name, str)], index or {}


def _catalogs(table: Table, index: dict) -> list[Path]:
    """The catalogs that count, by their numbers."""
    there = {file.name: file for file in table.folder.iterdir() if CATALOG.fullmatch(file.name)}
    listed = index.get("paths")
    if not isinstance(listed, list):
        return [there[name] for name in sorted(there, key=_number_of)]
    names = [Path(str(name).replace("\\", "/")).name for name in listed]
    names = sorted(dict.fromkeys(filter(CATALOG.fullmatch, names)), key=_number_of)
    for name in names:
        if name not in there:
            table.lose(name, None, "missing", "its records")
    table.leave_out(UNLISTED, len(there.keys() - set(names)))
    return [there[name] for name in names if name in there]


def _number_of(name: str) -> int:
    return int(CATALOG.fullmatch(name)[1])


def _records(table: Table, catalog: Path) -> Iterator[Numbered]:
    """(index, record) of each line that holds one."""
    try:
        data = catalog.read_bytes()
    except OSError as error:
        table.lose(catalog.name, None, error.strerror or "unreadable", "its records")
        return
    if data.startswith(POINTER):
        table.lose(catalog.name, None, "a Git LFS pointer: git lfs pull", "its records")
        return
    offset = 0
    for line in data.splitlines(keepends=True):
        text = line.strip(b"\0 \t\r\n")
        objects, problem = _objects(text)
        if not text and b"\0" in line:
            problem = "a line of NUL characters"
        if problem:
            table.lose(catalog.name, offset, problem, f"{len(line)} bytes")
        for record in objects:
            if _is_index(record.get("_index")):
                yield record["_index"], record
            else:
                table.lose(catalog.name, offset, "a record without _index", "the record")
        offset += len(line)


def _objects(text: bytes) -> tuple[list[dict], str]:
    """The JSON objects of a line, usually one: several where they ran together, and those behind a
    part that is none. (objects, what is wrong)."""
    if not text:
        return [], ""
    try:
        one = json.loads(text)
        return ([one], "") if isinstance(one, dict) else ([], "no JSON object")
    except (ValueError, RecursionError):
        pass
    decoder, found, at = json.JSONDecoder(), [], 0
    rest = text.decode("utf-8", "replace")
    for _ in range(MOST_TRIES):
        begin = rest.find('{"', at)
        if begin < 0:
            break
        try:
            one, at = decoder.raw_decode(rest, begin)
            found.append(one)
        except (ValueError, RecursionError):
            at = begin + 1
    whole = sum(len(json.dumps(one)) for one in found) >= len(rest) - 2 * len(found)
    return found, "" if found and whole else "a line that is not JSON"


def _without_overwritten(table: Table, numbered: list[Numbered]) -> list[Numbered]:
    """Of each index the last line, by index. A run of rising indexes that begins anew has
    overwritten the pictures from its first to its last index, those of its unreadable lines
    included."""
    runs: list[list[Numbered]] = []
    for one in numbered:
        if not runs or one[0] <= runs[-1][-1][0]:
            runs.append([])
        runs[-1].append(one)
    kept, later = [], []
    if len(runs) > MOST_RUNS:  # no sessions, but disorder
        kept = list(dict(numbered).items())
        runs = []
    for run in reversed(runs):
        kept += [one for one in run if not any(low <= one[0] <= high for low, high in later)]
        later = _joined([*later, (run[0][0], run[-1][0])])
    table.leave_out(OVERWRITTEN, len(numbered) - len(kept))
    return sorted(kept, key=lambda one: one[0])


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that touch as one."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return joined


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


TUB2 = Format(
    "DonkeyCar tub",
    lambda path: folder_of(path) is not None,
    open_tub,
    "a DonkeyCar tub (manifest.json with catalogs)",
)
