"""Files of unknown origin: read no further than a bound, and never one that waits for a writer."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from liquid_control.errors import ModelFileError

AGAIN = "Copy the whole model directory again, or save the model anew"
LARGEST_FILE = 2**29
"""Of weights and of a graph [bytes]: 134 million parameters, which a second or two hashes."""


def hash_of(path: Path) -> str:
    """SHA-256 of a file of at most `LARGEST_FILE`, in hexadecimal, read piece by piece. Raises
    ModelFileError."""
    found, size = hashlib.sha256(), 0
    try:
        with open(_regular(path), "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise _too_large(path, LARGEST_FILE)
            while size <= LARGEST_FILE and (piece := file.read(2**20)):
                found.update(piece)
                size += len(piece)
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error.strerror})", AGAIN) from None
    if size > LARGEST_FILE:
        raise _too_large(path, LARGEST_FILE)
    return found.hexdigest()


def read_bounded(path: Path, largest: int) -> bytes:
    """All of a file that must not be larger than this [bytes]. Raises OSError and
    ModelFileError."""
    with open(_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise _too_large(path, largest)
        data = file.read(largest + 1)
    if len(data) > largest:
        raise _too_large(path, largest)
    return data


def _too_large(path: Path, largest: int) -> ModelFileError:
    return ModelFileError(
        path, f"is larger than {largest} bytes", "Do not use a model of unknown origin"
    )


def _regular(path: Path) -> Path:
    """The path of a file that does not wait for anybody to write it. Raises OSError and
    ModelFileError."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a name with a zero byte in it
        raise ModelFileError(path, "is not a name of a file", AGAIN) from None
    if not stat.S_ISREG(mode):
        raise ModelFileError(path, "is not a file", AGAIN)
    return path
