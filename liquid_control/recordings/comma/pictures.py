"""The pictures of a segment's video, each with its place among the recorded times of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liquid_control.recordings.time_order import in_order

if TYPE_CHECKING:
    from liquid_control.perception.video import av
    from liquid_control.perception.video_file import VideoIndex

UNTIMED = "a picture without a time, or whose time is out of order"
UNPAIRED = "which time belongs to a picture is not known: the video has lost some"


def index_of(file: Path) -> VideoIndex:
    """Raises VideoError for a file that is no video."""
    from liquid_control.perception.video_file import VideoFile

    with VideoFile(file) as video:
        return video.index()


def placed_pictures(
    file: Path, index: VideoIndex, times: np.ndarray
) -> Iterator[tuple[int | None, av.VideoFrame | None, str]]:
    """(index of its time, frame, why it is not used) of each picture, in their order.

    `times`: (M,) of the pictures, NaN for one that cannot be used. A picture's place in its file is
    its place among the times; where both have other numbers, as far as `_sure` says.
    """
    from liquid_control.perception.video_file import UNDECODED, VideoFile

    finite = np.flatnonzero(np.isfinite(times))
    usable = set(finite[in_order(times[finite])].tolist())
    places = {float(key): place for place, key in enumerate(index.keys)}
    sure = len(times) if len(index.keys) == len(times) else _sure(index.whole)
    with VideoFile(file) as video:
        for key, frame in video.pictures():
            place = places.get(key)
            problem = "" if place in usable else UNTIMED
            if place is not None and place >= sure:
                problem = UNPAIRED
            elif frame is None:
                problem = UNDECODED
            yield place if place in usable else None, frame, problem


def _sure(whole: np.ndarray) -> int:
    """How many pictures from the first one on are in their places in a video of which pictures are
    lost: as long as those that are complete in themselves come at their usual distance."""
    at = np.flatnonzero(whole)
    if len(at) < 2 or at[0]:
        return 0
    distances = np.diff(at)
    usual = np.bincount(distances).argmax()
    same = distances == usual
    return int(at[len(same) if same.all() else same.argmin()])
