"""Which picture of a video belongs to which row of a table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from liquid_control.perception.video import av
    from liquid_control.perception.video_file import VideoIndex

NEAR = 0.25
"""Times of a row and of its picture differ by no more than this share of the pictures' interval."""
MOST = 0.9
"""Share of rows that must have a picture at their time, where pictures are missing."""


def pair(
    seconds: np.ndarray,
    frame: np.ndarray,
    length: int,
    keys: np.ndarray,
    begin: float,
    end: float | None,
) -> tuple[np.ndarray, str]:
    """((N,) for each row the place of its picture among the video's, -1 for none; why there is
    none).

    `seconds`, `frame`: (N,) times of the rows since their episode's start and their numbers in it,
    NaN where unknown; `length`: rows of the episode as recorded. `keys`: (M,) times of the video's
    pictures; `begin`, `end`: the part of it that is the episode's, end None: up to its last one.

    Where the episode has as many pictures as rows, a row's number is its picture's, whatever the
    times of a video of constant rate are. Else the times decide, if they are those of the video.
    """
    none = np.full(len(seconds), -1)
    if len(keys) < 1:
        return none, "the video has no pictures"
    interval = float(np.median(np.diff(keys))) if len(keys) > 1 else 1.0
    first, last = 0, len(keys)
    if end is not None:
        first, last = np.searchsorted(keys, (begin - interval / 2, end - interval / 2)).tolist()
    part = keys[first:last]
    shifted = abs(keys[0]) > interval / 2
    if end is not None and (shifted or not len(part) or abs(part[0] - begin) > interval / 2):
        return none, (
            f"the video begins at {keys[0]:g} s"
            if shifted
            else f"the video has no picture at {begin:g} s, where the episode begins"
        )
    whole = np.isfinite(frame).all() and ((frame >= 0) & (frame < length)).all()
    whole = whole and bool(np.all(np.diff(frame) > 0))
    if whole and len(part) == length:
        return first + frame.astype(np.int64), ""
    away = begin + seconds
    near = np.clip(np.searchsorted(part, away), 1, max(len(part) - 1, 1))
    before = np.clip(near - 1, 0, len(part) - 1)
    near = np.clip(near, 0, len(part) - 1)
    near = np.where(np.abs(part[before] - away) <= np.abs(part[near] - away), before, near)
    fits = np.abs(part[near] - away) <= NEAR * interval
    even = whole and np.all(np.abs(seconds - frame * interval) <= NEAR * interval)
    if shifted or not even or np.count_nonzero(fits) < MOST * min(len(seconds), len(part)):
        return none, (
            f"{len(part)} pictures for {length} rows, and the times of the rows are not the video's"
        )
    return np.where(fits, first + near, -1), ""


def index_of(file: Path) -> VideoIndex:
    """Raises VideoError for a file that is no video."""
    from liquid_control.perception.video_file import VideoFile

    with VideoFile(file) as video:
        return video.index()


def frames_of_rows(
    file: Path, keys: np.ndarray, places: np.ndarray
) -> Iterator[tuple[int, av.VideoFrame | None]]:
    """(row, frame, None where it cannot be decoded) of each row that has a picture, in their order.

    `places`: (N,) of the rows' pictures among the `keys`, -1 for none. A picture that comes late is
    given for no row.
    """
    from liquid_control.perception.video_file import VideoFile

    rows = np.flatnonzero(places >= 0).tolist()
    if not rows:
        return
    wanted = {float(keys[place]): place for place in places[rows].tolist()}
    final = float(keys[places.max()])
    at = 0
    with VideoFile(file) as video:
        for key, frame in video.pictures(float(keys[places[rows].min()])):
            if at >= len(rows) or key > final:
                break
            place = wanted.get(key, -1)
            while at < len(rows) and places[rows[at]] < place:
                yield rows[at], None
                at += 1
            while at < len(rows) and places[rows[at]] == place:
                yield rows[at], frame
                at += 1
    for row in rows[at:]:
        yield row, None
