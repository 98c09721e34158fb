"""Files of unknown origin: regular files only, and never more bytes than a bound."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from liquid_control.errors import ModelFileError
from liquid_control.system.sha256 import sha256_of

AGAIN = "Copy the whole model directory again, or save the model again"
UNKNOWN_ORIGIN = "Do not use a model of unknown origin"
LARGEST_FILE = 2**29
"""Of weights and of a graph [bytes]: 134 million parameters, hashed in a second or two."""


def hash_of(path: Path) -> str:
    """SHA-256 of a file of at most `LARGEST_FILE` bytes, in hexadecimal. Raises ModelFileError."""
    try:
        return sha256_of(_regular(path), LARGEST_FILE)
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise _too_large(path, LARGEST_FILE) from None
        raise ModelFileError(path, f"cannot be read ({error.strerror})", AGAIN) from None


def read_bounded(path: Path, largest: int) -> bytes:
    """All of a file of at most `largest` bytes. Raises OSError and ModelFileError."""
    with open(_regular(path), "rb") as file:
        if os.fstat(file.fileno()).st_size > largest:
            raise _too_large(path, largest)
        data = file.read(largest + 1)
    if len(data) > largest:
        raise _too_large(path, largest)
    return data


def _too_large(path: Path, largest: int) -> ModelFileError:
    return ModelFileError(path, f"is larger than {largest} bytes", UNKNOWN_ORIGIN)


def _regular(path: Path) -> Path:
    """The path of a regular file; a pipe would block the reader. Raises OSError and
    ModelFileError."""
    try:
        mode = path.stat().st_mode
    except ValueError:  # a name with a zero byte
        raise ModelFileError(path, "is not a name of a file", AGAIN) from None
    if not stat.S_ISREG(mode):
        raise ModelFileError(path, "is not a file", AGAIN)
    return path
