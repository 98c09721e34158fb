"""H.264 videos that browsers play: yuv420p in MP4, the index in front."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from liquid_control.errors import MissingDependencyError
from liquid_control.report.page import REMEDY

CLOCK = Fraction(1, 1000)
"""Time base of all videos [s]: a frame is shown at its own stamp to the millisecond, so gaps and
jitter stay visible."""

ENCODER = {
    "preset": "veryfast",
    "crf": "25",
    "g": "60",
    "x264-params": "subme=1:ref=1:me=dia:rc-lookahead=8",
}
"""Options of libx264; `g` is the largest distance of key frames, for quick seeking."""


class VideoWriter:
    """Writes one video; a context manager. The first frame sets the size; without a frame there is
    no file.

    `target` is a path or a binary file that can seek, `encoder` replaces ENCODER. Raises
    MissingDependencyError without PyAV.
    """

    def __init__(
        self, target: str | Path | BinaryIO, encoder: Mapping[str, str] | None = None
    ) -> None:
        try:
            import av  # noqa: F401  a missing extra is reported before anything is drawn
        except ImportError as error:
            raise MissingDependencyError("av", REMEDY) from error
        self.frames = 0
        self.shape: tuple[int, int] | None = None
        self._target, self._encoder = target, dict(encoder or ENCODER)
        self._container = self._stream = None
        self._last = -1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, seconds: float, canvas: np.ndarray) -> None:
        """Appends a frame (H, W, 3) uint8 BGR of even height and width, shown from `seconds` on;
        a frame that is not later than the one before is shown one tick of CLOCK after it."""
        import av

        if self._container is None:
            self._open(canvas.shape[0], canvas.shape[1])
        frame = av.VideoFrame.from_ndarray(
            cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420), format="yuv420p"
        )
        self._last = max(round(seconds / CLOCK), self._last + 1)
        frame.pts, frame.time_base = self._last, CLOCK
        self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Finishes the file; closing twice does nothing."""
        if self._container is not None:
            self._container.mux(self._stream.encode())
            self._container.close()
            self._container = None

    def _open(self, height: int, width: int) -> None:
        import av

        on_disk = isinstance(self._target, (str, Path))
        self._container = av.open(
            str(self._target) if on_disk else self._target,
            "w",
            format="mp4",
            options={"movflags": "+faststart"} if on_disk else {},
        )
        self._stream = self._container.add_stream("libx264", rate=30, options=self._encoder)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = CLOCK
        self.shape = height, width
