"""SHA-256 of a file, read piece by piece."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

PIECE = 2**20


def sha256_of(path: Path, largest: int | None = None) -> str:
    """SHA-256 of a file, in hexadecimal. Raises OSError; EFBIG for more than `largest` bytes, of
    which no more are read."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        if largest is not None and os.fstat(file.fileno()).st_size > largest:
            raise _too_large(path)
        while piece := file.read(PIECE):
            size += len(piece)
            if largest is not None and size > largest:  # it grows while it is read
                raise _too_large(path)
            digest.update(piece)
    return digest.hexdigest()


def _too_large(path: Path) -> OSError:
    return OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
