"""A file of video, read picture by picture: which picture of the file each one is stays known
behind damage.

Needs PyAV. Only the container that a file's name says is read, since others may name further files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from liquid_control.errors import ImageError, LiquidControlError
from liquid_control.perception.picture_files import LARGEST_AREA
from liquid_control.perception.video import av
from liquid_control.system.files import POINTER

CONTAINERS = {".mp4": "mp4", ".mkv": "matroska", ".ts": "mpegts", ".hevc": "hevc", ".h264": "h264"}
RAW = ("hevc", "h264")
"""Containers without times: a packet is known by its number."""
UNDECODED = "video that cannot be decoded, up to the next complete picture"
MOST_PICTURES = 2**24


class VideoError(LiquidControlError):
    """A file holds no video that can be read."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.problem = problem


class VideoIndex(NamedTuple):
    """The pictures of a file in the order in which they are shown. `keys`: (N,) their times [s], or
    their numbers where the container has no times. `whole`: (N,) whether one is complete in itself,
    and does not depend on those before it."""

    keys: np.ndarray
    whole: np.ndarray


class VideoFile:
    """One file of video, open for reading; a context manager.

    Raises VideoError for a file that is missing or of another kind, or whose beginning (or end,
    where its index is) is damaged.
    """

    def __init__(self, path: Path) -> None:
        container = CONTAINERS.get(path.suffix)
        if container is None:
            raise VideoError(path, f"of no known kind; expected {', '.join(CONTAINERS)}")
        try:
            with open(path, "rb") as file:
                head = file.read(len(POINTER))
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise VideoError(path, "missing" if missing else f"{error.strerror}") from error
        if not head or head == POINTER:
            problem = "a Git LFS pointer: fetch it with git lfs pull" if head else "an empty file"
            raise VideoError(path, problem)
        self.path, self._raw = path, container in RAW
        try:
            self._container = av.open(str(path), format=container, metadata_errors="ignore")
        except (av.FFmpegError, ValueError, OSError) as error:
            raise VideoError(path, f"no video that can be opened ({_short(error)})") from error
        streams = self._container.streams.video
        if not streams or streams[0].codec_context is None:
            self.close()
            raise VideoError(path, "without a stream of video")
        self._stream = streams[0]
        self._stream.codec_context.thread_count = 1  # several would hold pictures back
        self._stream.codec_context.options = {"err_detect": "explode"}

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def index(self) -> VideoIndex:
        """Of all pictures; nothing is decoded. It reads the file to its end, so that `pictures`
        need the file opened anew."""
        keys, whole = [], []
        for number, packet in enumerate(self._packets()):
            keys.append(self._key(packet, number))
            whole.append(packet.is_keyframe)
        keys, first = np.unique(keys, return_index=True)
        known = np.isfinite(keys)
        return VideoIndex(keys[known], np.array(whole, bool)[first[known]])

    def pictures(self, begin: float = 0.0) -> Iterator[tuple[float, av.VideoFrame | None]]:
        """(number, frame) of a container without times, (time [s], frame) of others, which begin
        with the last complete picture not behind `begin` [s]; frame is None where it cannot be
        decoded, and the time is NaN where it is not known. In the order in which they are shown."""
        if not self._raw:
            self._seek(begin)
        decoder = self._stream.codec_context
        number = first = shown = 0
        waits = True  # for a complete picture
        for packet in self._packets():
            key = self._key(packet, number)
            number += 1
            if waits and not packet.is_keyframe:
                yield key, None
                continue
            first = number - 1 if waits else first
            try:
                frames, waits = decoder.decode(packet), False
            except (av.FFmpegError, ValueError):
                yield key, None
                if self._raw and decoder.has_b_frames:
                    return  # from here on no number says which picture it is
                decoder.flush_buffers()
                frames, waits = [], True
            for frame in frames:
                yield self._shown(frame, first + shown)
                shown += 1
        try:
            last = decoder.decode(None)
        except (av.FFmpegError, ValueError):
            last = []
        for frame in last:
            yield self._shown(frame, first + shown)
            shown += 1

    def _key(self, packet: av.Packet, number: int) -> float:
        if self._raw:
            packet.pts = packet.dts = number
            return float(number)
        return math.nan if packet.pts is None else float(packet.pts * packet.time_base)

    def _shown(self, frame: av.VideoFrame, place: int) -> tuple[float, av.VideoFrame | None]:
        """`place`: of the frame in the order in which they are shown, where none is lost."""
        if frame.pts is None:
            return math.nan, None
        in_order = self._raw and self._stream.codec_context.has_b_frames
        key = place if in_order else frame.pts if self._raw else frame.pts * self._stream.time_base
        whole = not frame.is_corrupt and 0 < frame.width * frame.height <= LARGEST_AREA
        return float(key), frame if whole else None

    def _packets(self) -> Iterator[av.Packet]:
        """Those with data, up to the end or to where the file cannot be read further."""
        packets = self._container.demux(self._stream)
        for _ in range(MOST_PICTURES):
            try:
                packet = next(packets)
            except (StopIteration, av.FFmpegError, ValueError, OSError):
                return
            if packet.size:
                yield packet

    def _seek(self, seconds: float) -> None:
        """To the last complete picture not behind `seconds`; to the first where that fails."""
        base = self._stream.time_base
        try:
            self._container.seek(int(seconds / base) if base else 0, stream=self._stream)
        except (av.FFmpegError, ValueError, OverflowError):
            pass
        self._stream.codec_context.flush_buffers()


def pixels(frame: av.VideoFrame) -> np.ndarray:
    """(H, W, 3) uint8 RGB. Raises ImageError where the frame cannot be converted."""
    try:
        return frame.to_ndarray(format="rgb24")
    except (av.FFmpegError, ValueError, MemoryError) as error:
        raise ImageError("picture of video", _short(error), "one that can be converted") from error


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__)[:100]
