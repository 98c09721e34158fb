"""The folder of a robot's recordings: their names, and which are deleted when they take too much of
the disk."""

from __future__ import annotations

import dataclasses
import re
import shutil
import time
from pathlib import Path

from liquid_control.recordings.onboard.marks import Mark
from liquid_control.recordings.rosbag.writer import PARTIAL

MARKS = "marks.txt"
"""In a recording's directory: a line for each of its marks. It makes the recording one that is
deleted late."""
OURS = re.compile(r"\d{8}_\d{6}_[a-z]+(_\d+)?" + f"({re.escape(PARTIAL)})?")
"""Names of recordings: what is called otherwise is never deleted."""


@dataclasses.dataclass(frozen=True)
class Kept:
    """A recording on the disk. `changed_ns`: when it was written last."""

    path: Path
    size: int
    is_marked: bool
    changed_ns: int


class RecordingFolder:
    """`path` is made where it is missing. `quota` [bytes] for all recordings, `free` [bytes] to be
    left on the disk."""

    def __init__(self, path: Path, quota: int, free: int) -> None:
        self.path, self.quota, self.free = path, quota, free

    def new(self, why: str) -> Path:
        """A free directory for a recording that begins now, in UTC."""
        self.path.mkdir(parents=True, exist_ok=True)
        name = f"{time.strftime('%Y%m%d_%H%M%S', time.gmtime())}_{why}"
        number, path = 1, self.path / name
        while path.exists() or path.with_name(path.name + PARTIAL).exists():
            number += 1
            path = self.path / f"{name}_{number}"
        return path

    def note(self, directory: Path, mark: Mark) -> None:
        """Adds a mark to a recording, so that it is deleted late."""
        with (directory / MARKS).open("a", encoding="utf-8") as file:
            reason = " ".join(mark.reason.split())
            file.write(f"{mark.time_ns / 1e9:.3f} {mark.kind}: {reason}\n")

    def kept(self) -> list[Kept]:
        """All recordings of ours, the oldest first."""
        found = []
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if not OURS.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
                continue
            try:
                status = [file.stat() for file in path.iterdir()]
                size = sum(one.st_size for one in status)
                changed_ns = max((one.st_mtime_ns for one in status), default=0)
            except OSError:  # it is being deleted
                continue
            found.append(Kept(path, size, (path / MARKS).exists(), changed_ns))
        return sorted(found, key=lambda one: (one.path.name, one.changed_ns))

    def left(self) -> int:
        """Bytes that may still be written, negative where there are too many."""
        used = sum(one.size for one in self.kept())
        return min(self.quota - used, self.disk_free() - self.free)

    def disk_free(self) -> int:
        self.path.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(self.path).free

    def make_room(self, current: Path | None = None) -> list[Kept]:
        """Deletes the oldest recordings without a mark, then the oldest of all, until there is
        room; never `current`. Returns those that it deleted."""
        deleted: list[Kept] = []
        if self.left() > 0:
            return deleted
        for one in sorted(self.kept(), key=lambda one: one.is_marked):
            if one.path == current:
                continue
            shutil.rmtree(one.path, ignore_errors=True)
            deleted.append(one)
            if self.left() > 0:
                break
        return deleted
