"""Arrays of numpy's file format (.npy) of unknown origin: never unpickled, and read up to where
they are cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from liquid_control.errors import LiquidControlError
from liquid_control.system.files import POINTER

LARGEST_HEADER = 2**16  # bytes


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
        with open(path, "rb") as file:
            begin = file.read(len(POINTER))
            if begin == POINTER:
                raise ArrayError(path, "a Git LFS pointer: fetch it with git lfs pull")
            file.seek(0)
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }.get(version)
            if read_header is None:
                raise ArrayError(path, f"version {version} of the .npy format, expected 1 or 2")
            shape, by_columns, kind = read_header(file, max_header_size=LARGEST_HEADER)
            data = file.read()
    except OSError as error:
        raise ArrayError(path, error.strerror or "unreadable") from error
    except (ValueError, EOFError, MemoryError, RecursionError, SyntaxError, TypeError) as error:
        raise ArrayError(path, f"no array of numpy ({str(error)[:100]})") from error
    if kind.hasobject:
        raise ArrayError(
            path, "an array of Python objects (pickle), which is not read: it could execute code"
        )
    if kind.kind not in "fiub" or kind.subdtype is not None or len(shape) not in (1, 2):
        raise ArrayError(path, f"{kind} of shape {shape}, expected numbers of one or two axes")
    columns = shape[1] if len(shape) == 2 else 1
    if not 0 < columns < 64 or shape[0] < 0:
        raise ArrayError(path, f"shape {shape}, expected rows of 1 to 63 numbers")
    rows = min(shape[0], len(data) // (columns * kind.itemsize))
    if by_columns and columns > 1 and rows < shape[0]:
        raise ArrayError(path, "cut, and stored by columns, so that no row is whole")
    values = np.frombuffer(data, kind, rows * columns).astype(float)
    order = "F" if by_columns else "C"
    return values.reshape((rows, *shape[1:]), order=order), shape[0] - rows
