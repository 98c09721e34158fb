"""Rows of a CSV file of unknown origin: lines that are damaged cost themselves only."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

from liquid_control.errors import RecordingError
from liquid_control.recordings.tables.table import UNKNOWN, Table
from liquid_control.system.files import POINTER

LARGEST_LINE = 2**16


def read_lines(table: Table, file: Path) -> Iterator[list[str]]:
    """The cells of each line, without blanks around them; empty lines are none. Lines that cannot
    be read are damage of the table. Raises RecordingError for a file that cannot be read."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise RecordingError(file, error.strerror or "unreadable", "Copy it again.") from error
    if data.startswith(POINTER):
        raise RecordingError(file, "a Git LFS pointer", "Fetch the files with git lfs pull.")
    offset = 0
    for line in data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True):
        cells: list[str] | None = []
        if b"\0" in line or len(line) > LARGEST_LINE:
            problem = "NUL characters" if b"\0" in line else "a line without end"
            table.lose(file.name, offset, problem, f"{len(line)} bytes")
        elif line.strip():
            try:
                cells = next(csv.reader([line.decode("utf-8", "replace")], skipinitialspace=True))
            except csv.Error as error:
                table.lose(file.name, offset, str(error), f"{len(line)} bytes")
        offset += len(line)
        if cells:
            yield [cell.strip() for cell in cells]


def to_number(text: str) -> float:
    """A cell as a number; NaN where it is none, or no finite one."""
    try:
        value = float(text)
    except ValueError:
        return UNKNOWN
    return value if math.isfinite(value) else UNKNOWN
