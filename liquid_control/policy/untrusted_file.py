"""Files of unknown origin: read no further than a bound, and never one that waits for a writer."""

from __future__ import annotations

import hashlib
from pathlib import Path

from liquid_control.errors import ModelFileError

AGAIN = "Copy the whole model directory again, or save the model anew"


def hash_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal, read piece by piece. Raises ModelFileError."""
    found = hashlib.sha256()
    try:
        with open(_regular(path), "rb") as file:
            while piece := file.read(2**20):
                found.update(piece)
    except OSError as error:
        raise ModelFileError(path, f"cannot be read ({error.strerror})", AGAIN) from None
    return found.hexdigest()


def read_bounded(path: Path, largest: int) -> bytes:
    """All of a file that must not be larger than this [bytes]. Raises OSError and ModelFileError."""
    with open(_regular(path), "rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise ModelFileError(path, f"is larger than {largest} bytes", "Do not use a model of unknown origin")
    return data


def _regular(path: Path) -> Path:
    """The path of a file that does not wait for anybody to write it. Raises ModelFileError."""
    if path.exists() and not path.is_file():
        raise ModelFileError(path, "is not a file", AGAIN)
    return path
