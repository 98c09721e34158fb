"""Atomic file writes: a file at its final path is always complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

SUFFIX = ".partial"
"""Ends the name of every temporary file, so that no pattern such as `*.npz` matches one."""


@contextlib.contextmanager
def write_atomically(path: str | Path, durable: bool = False) -> Iterator[Path]:
    """Yields a temporary path in the folder of `path` for the body to write.

    A clean exit renames it to `path`, over a file that is there; an exception removes it, leaves
    `path` as it was and propagates. Several contexts of one `ExitStack` rename in reverse order.
    `durable` flushes file and folder to the disk, so that the file survives a power loss. Raises
    FileNotFoundError when the body writes nothing.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}{SUFFIX}")
    try:
        yield partial
        if durable:
            _flush(partial)
        partial.replace(path)
        if durable:
            _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
