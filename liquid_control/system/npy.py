"""Arrays of numpy's file format (.npy) of unknown origin: never unpickled, and read up to where
they are cut."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from liquid_control.errors import LiquidControlError
from liquid_control.system.files import POINTER

MAGIC = b"\x93NUMPY"
LARGEST_HEADER = 2**12  # bytes
HEADER = re.compile(
    r"\{'descr': '(<f[248]|<[iu][248]|\|[iub]1)', 'fortran_order': (True|False), "
    r"'shape': \((\d{1,12}L?(?:,|, \d{1,12}L?)),?\), \}\s*"
)
"""Of numbers of one or two axes, in the byte order of all computers that record."""
OBJECTS = re.compile(r"'descr': '[|]O")


class ArrayError(LiquidControlError):
    """A file holds no array of numbers."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem


def read_array(path: Path) -> tuple[np.ndarray, int]:
    """(float64 array (N,) or (N, K) of the rows that are there, rows that are missing at its end).

    Raises ArrayError for a file that cannot be read, is none of numpy's, holds Python objects
    (reading these would execute what is in the file), or values that are no real numbers.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArrayError(path, error.strerror or "unreadable") from error
    if data.startswith(POINTER):
        raise ArrayError(path, "a Git LFS pointer: fetch it with git lfs pull")
    if not data.startswith(MAGIC) or len(data) < 12 or data[6] not in (1, 2):
        raise ArrayError(path, "no array of numpy (.npy of version 1 or 2)")
    size = 2 if data[6] == 1 else 4
    begin = 8 + size + int.from_bytes(data[8 : 8 + size], "little")
    header = data[8 + size : min(begin, LARGEST_HEADER)].decode("latin-1")
    if OBJECTS.search(header):
        raise ArrayError(
            path, "an array of Python objects (pickle), which is not read: it could execute code"
        )
    found = HEADER.fullmatch(header)
    if found is None:
        raise ArrayError(path, f"numbers in rows are expected, its header is {header[:100]!r}")
    kind, by_columns = np.dtype(found[1]), found[2] == "True"
    shape = tuple(int(number) for number in re.findall(r"\d+", found[3]))
    columns = shape[1] if len(shape) == 2 else 1
    if not 0 < columns < 64:
        raise ArrayError(path, f"shape {shape}, expected rows of 1 to 63 numbers")
    there = max(len(data) - begin, 0)
    rows = min(shape[0], there // (columns * kind.itemsize))
    if there > shape[0] * columns * kind.itemsize:
        raise ArrayError(path, f"{there} bytes, its header says {kind} of shape {shape}")
    if by_columns and columns > 1 and rows < shape[0]:
        raise ArrayError(path, "cut, and stored by columns, so that no row is whole")
    values = np.frombuffer(data, kind, rows * columns, begin if rows else 0).astype(float)
    order = "F" if by_columns else "C"
    return values.reshape((rows, *shape[1:]), order=order), shape[0] - rows
