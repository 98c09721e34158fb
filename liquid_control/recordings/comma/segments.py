"""The segments of comma2k19 and of other processed logs of openpilot: folders of one minute each,
in the folder of a route, in that of a chunk of routes.

    CHUNK/DONGLE|YYYY-MM-DD--hh-mm-ss/NUMBER/{processed_log, global_pose, video.hevc}

File systems of Microsoft have _ in place of |.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path

LOG, POSE = "processed_log", "global_pose"
INSIDE = (LOG, POSE)
VIDEOS = ("video.hevc", "video.mp4", "fcamera.hevc", "qcamera.ts")
ROUTE = re.compile(r"([0-9a-f]{16})[|_](\d{4})-(\d\d)-(\d\d)--(\d\d)-(\d\d)-(\d\d)")
DEEPEST = 3  # folders above a segment: of all chunks
MOST = 2**16


@dataclasses.dataclass(frozen=True)
class Segment:
    """A minute of a drive. `route`: name of the folder it is in; `number`: of the segment in it."""

    folder: Path
    route: str
    number: int

    @property
    def dongle(self) -> str:
        """Identifies the vehicle; "" where the route's name says none."""
        found = ROUTE.fullmatch(self.route)
        return found[1] if found else ""

    @property
    def began_ns(self) -> int:
        """When the route began, by its name, read as UTC; 0 where it does not say."""
        found = ROUTE.fullmatch(self.route)
        try:
            parts = map(int, found.groups()[1:]) if found else ()
            moment = datetime.datetime(*parts, tzinfo=datetime.timezone.utc)
        except (ValueError, TypeError):
            return 0
        return int(moment.timestamp()) * 10**9

    @property
    def video(self) -> Path:
        """Its file of video, the first of those there; video.hevc where there is none."""
        there = (self.folder / name for name in VIDEOS)
        return next((file for file in there if file.exists()), self.folder / VIDEOS[0])


def root_of(path: Path) -> Path:
    """The folder that is meant: of a file or folder in a segment, the segment."""
    inside = path.name in INSIDE or path.name in VIDEOS
    return path.parent if inside and _is_segment(path.parent) else path


def is_comma(path: Path) -> bool:
    """Whether a path is a segment or holds some, by the first folders that it holds."""
    return next(iter(_below(root_of(path), DEEPEST)), None) is not None


def segments_of(path: Path) -> list[Segment]:
    """All segments at or below a path, by chunk, route and number."""
    found = []
    for folder in _below(root_of(path), DEEPEST):
        folder = folder.absolute()
        number = int(folder.name) if folder.name.isdecimal() and len(folder.name) < 7 else 0
        found.append(Segment(folder, folder.parent.name, number))
        if len(found) >= MOST:
            break
    starts = {one.folder.parent: one.began_ns for one in found}
    return sorted(
        found,
        key=lambda one: (starts[one.folder.parent], str(one.folder.parent), one.number, one.folder),
    )


def _is_segment(folder: Path) -> bool:
    return (folder / LOG).is_dir() or (folder / POSE / "frame_times").is_file()


def _below(folder: Path, depth: int):
    try:
        if not folder.is_dir():
            return
        if _is_segment(folder):
            yield folder
            return
        if depth:
            for inner in sorted(folder.iterdir()):
                if inner.is_dir() and (inner.name.isdecimal() or _may_hold_some(inner)):
                    yield from _below(inner, depth - 1)
    except OSError:
        return


def _may_hold_some(folder: Path) -> bool:
    return ROUTE.fullmatch(folder.name) is not None or "chunk" in folder.name.lower()
