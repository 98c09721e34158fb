"""The pictures of a LeRobot dataset's episodes, each at the time of the row that it belongs to."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from liquid_control.errors import ImageError
from liquid_control.recordings.clock import Deferred, Record
from liquid_control.recordings.lerobot.dataset import LARGEST_EPISODE, Clip, Dataset
from liquid_control.recordings.lerobot.pairing import frames_of_rows, index_of, pair
from liquid_control.recordings.lerobot.rows import Piece, Rows
from liquid_control.recordings.tables.recording import EMPTY, MISSING, OUTSIDE
from liquid_control.recordings.values import Entry, StoredPicture
from liquid_control.system.parquet import FileColumn, ParquetError

if TYPE_CHECKING:
    from liquid_control.perception.video import av

NO_PICTURE = "no picture in the video for the row"
UNPAIRED = "which picture is a row's is not known: "


class EpisodePictures:
    """Those of one camera `name`, of files of video or `in_rows`. What is lost is listed in the
    dataset's damage."""

    def __init__(self, dataset: Dataset, name: str, in_rows: bool) -> None:
        self._dataset, self._name, self._are_in_rows = dataset, name, in_rows
        self._indexed: Path | None = None
        self._keys_of_file = np.zeros(0)

    def records(self, piece: Piece, rows: Rows, stamps: list[int]) -> Iterator[Record]:
        """One for each row, in their order; none where the file of the rows cannot be read."""
        name = self._name
        if self._are_in_rows:
            yield from self._in_rows(piece, stamps)
            return
        clip = self._dataset.clips[name].get(piece.episode)
        places, keys, problem = self._paired(piece, rows, clip)
        frames = iter(()) if clip is None else frames_of_rows(clip.file, keys, places)
        for row, stamp_ns in enumerate(stamps):
            if places[row] < 0:
                text = f"{name}: {problem or NO_PICTURE}"
                yield Entry(stamp_ns, "camera", stamp_ns, None, None, text)
                continue
            _, frame = next(frames, (row, None))
            yield Deferred(stamp_ns, functools.partial(_picture, stamp_ns, frame, name))

    def _paired(
        self, piece: Piece, rows: Rows, clip: Clip | None
    ) -> tuple[np.ndarray, np.ndarray, str]:
        """(place of each row's picture in the video, -1 for none, times of the video's pictures,
        why there is none)."""
        from liquid_control.perception.video_file import VideoError

        none = np.full(len(piece.rows), -1)
        if clip is None or clip.problem:
            problem = clip.problem if clip else "no video of the episode"
            self._dataset.lose(f"episode {piece.episode}", problem, "its pictures")
            return none, np.zeros(0), problem
        try:
            keys = self._keys(clip.file)
        except VideoError as error:
            self._dataset.lose(clip.file, error.problem, "the pictures of its episodes")
            return none, np.zeros(0), "its video cannot be read"
        frame = rows.frame[piece.rows]
        last = np.nanmax(frame) if np.isfinite(frame).any() else LARGEST_EPISODE
        length = int(last) + 1 if last < LARGEST_EPISODE else len(frame)
        length = self._dataset.lengths.get(piece.episode, length)
        seconds = rows.seconds[piece.rows]
        places, problem = pair(seconds, frame, length, keys, clip.begin, clip.end)
        if problem:
            self._dataset.lose(f"episode {piece.episode}", UNPAIRED + problem, "its pictures")
        return places, keys, problem and UNPAIRED + problem

    def _keys(self, file: Path) -> np.ndarray:
        if self._indexed != file:
            self._keys_of_file, self._indexed = index_of(file).keys, file
        return self._keys_of_file

    def _in_rows(self, piece: Piece, stamps: list[int]) -> Iterator[Record]:
        name = self._name
        try:
            column = FileColumn(piece.file, name)
        except ParquetError as error:
            self._dataset.lose(piece.file, error.problem, "its pictures")
            return
        try:
            for row, stamp_ns in zip(piece.rows.tolist(), stamps, strict=True):
                try:
                    data, path = column[row]
                except ParquetError as error:
                    text = f"{name}: its group of rows cannot be read"
                    self._dataset.lose(piece.file, error.problem, "pictures")
                    yield Entry(stamp_ns, "camera", stamp_ns, None, None, text)
                    continue
                make = functools.partial(_stored, self._dataset.root, stamp_ns, data, path, name)
                yield Deferred(stamp_ns, make)
        finally:
            column.close()


def _picture(stamp_ns: int, frame: av.VideoFrame | None, name: str) -> Entry:
    from liquid_control.perception.video_file import UNDECODED, pixels

    try:
        if frame is not None:
            picture = StoredPicture.from_image(pixels(frame))
            return Entry(stamp_ns, "camera", stamp_ns, None, picture)
        problem = UNDECODED
    except ImageError as error:
        problem = str(error)
    return Entry(stamp_ns, "camera", stamp_ns, None, None, f"{name}: {problem}")


def _stored(root: Path, stamp_ns: int, data: bytes | None, path: str | None, name: str) -> Entry:
    """Of a picture in a row: its bytes, else those of the file in the dataset that it names."""
    problem = ""
    if data is None and path:
        parts = path.replace("\\", "/").split("/")
        if ".." in parts or path.startswith(("/", "\\")):
            problem = OUTSIDE
        else:
            try:
                data = root.joinpath(*parts).read_bytes()
            except (OSError, ValueError):
                problem = MISSING
    problem = problem or ("" if data else EMPTY if data is not None else MISSING)
    if problem:
        return Entry(stamp_ns, "camera", stamp_ns, None, None, f"{name}: {problem}")
    return Entry(stamp_ns, "camera", stamp_ns, None, StoredPicture(data))
