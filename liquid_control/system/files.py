"""Files of results: written whole or not at all, read with a clear error, and cleared of an earlier
run's; and what stands for a file that is elsewhere."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from liquid_control.errors import ConfigError

SUFFIX = ".partial"
"""Ends the name of every temporary file, so that no pattern such as `*.npz` matches one."""
POINTER = b"version https://git-lfs"
"""How a file begins that stands for one of Git LFS, which was not fetched."""


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
            flush_to_disk(partial)
        partial.replace(path)
        if durable:
            flush_to_disk(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def read_json(path: Path, *names: str) -> dict:
    """The mapping that an earlier run wrote to a file. Raises ConfigError for a file that is cut,
    damaged or without one of the `names`; FileNotFoundError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        for name in names:
            found[name]
        return dict(found)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise damaged(path) from None


def damaged(path: Path) -> ConfigError:
    """The error for a file of an earlier run that cannot be read."""
    return ConfigError(str(path), "a damaged file", "an intact one, or none: remove it")


def clear_results(folder: Path, *patterns: str) -> None:
    """Removes the files below `folder` that an earlier run of the same verb wrote, so that none of
    them stands next to the results of this one. `patterns`: all names that the verb may write."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.is_file() or path.is_symlink():
                path.unlink()


def flush_to_disk(path: Path) -> None:
    """Gives a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
