"""Files given to the disk by a thread: on a busy disk an fsync takes seconds, in which their writer
goes on handing data to the kernel. What the kernel has, no death of the process can lose."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from liquid_control.system.files import flush_to_disk
from liquid_control.system.serial_thread import SerialThread


def names_to_disk(folder: Path) -> None:
    """Soon gives the names in a folder to the disk."""
    _thread(os.getpid()).later(flush_to_disk, folder)


class BackgroundSync:
    """Of one open file, by its `descriptor`, which may be closed before this is."""

    def __init__(self, descriptor: int) -> None:
        self._file, self._waits = os.dup(descriptor), False
        self._error: OSError | None = None

    def request(self) -> None:
        """Soon gives what was written to the disk; requests that wait are one. Raises the OSError
        of an earlier one."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if not self._waits:
            self._waits = True
            _thread(os.getpid()).later(self._sync)

    def close(self) -> None:
        """A last request; raises nothing."""
        thread = _thread(os.getpid())
        thread.later(self._sync)
        thread.later(os.close, self._file)

    def _sync(self) -> None:
        self._waits = False
        try:
            os.fdatasync(self._file)
        except OSError as error:
            self._error = error


@functools.lru_cache(maxsize=1)
def _thread(pid: int) -> SerialThread:
    """One for all files; a fork has none of its parent's threads."""
    return SerialThread("disk")
