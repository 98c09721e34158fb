"""The worst moments of an examination in the recorded world, and their film: the stretches are
driven again, which gives the same drives, bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.deploy.runtime import Runtime
from liquid_control.evaluate.closed_loop.film import Filmer
from liquid_control.evaluate.closed_loop.recorded import (
    StretchJob,
    StretchResult,
    drive_stretch,
    unmeasured,
)
from liquid_control.evaluate.drive.log import DriveLog
from liquid_control.evaluate.drive.video import NARROWEST, PICTURE_HEIGHT, WIDEST, frames
from liquid_control.report.overlay import BACKGROUND, INK, STOPPED, text
from liquid_control.report.video import VideoWriter

APART = 4.0
"""Least distance of moments of one stretch [s]."""
BEFORE, AFTER = 4.0, 1.5
"""Seconds shown around a moment."""
PAUSE = 0.5
"""Between two moments of the film [s]."""


@dataclasses.dataclass(frozen=True)
class Moment:
    """A time of a stretch [s], the offset there [m], and whether the vehicle was put back."""

    recording: str
    stretch: str
    seconds: float
    offset: float
    put_back: bool

    @property
    def words(self) -> str:
        side = "left" if self.offset > 0 else "right"
        what = "put back, " if self.put_back else ""
        return f"{what}{abs(self.offset):.2g} m to the {side}"


def worst_moments(results: Sequence[StretchResult], count: int) -> list[Moment]:
    """Put-backs first, by their offset, then the largest offsets; of stretches in turn, so that one
    does not take all. At most `count`, `APART` seconds from one another."""
    of_stretch = [_peaks(result, count) for result in results]
    ranked = [
        (-(rank if moment.put_back else rank + count), abs(moment.offset), moment)
        for moments in of_stretch
        for rank, moment in enumerate(moments)
    ]
    ranked.sort(key=lambda entry: (-entry[0], -entry[1]))
    return [moment for _, _, moment in ranked[:count]]


def write_film(
    path: Path,
    moments: Sequence[Moment],
    jobs: Sequence[StretchJob],
    runtime: Callable[[], Runtime],
    state_names: Sequence[str] = (),
) -> list[tuple[Moment, float, np.ndarray]]:
    """Drives the moments' stretches again and writes them to an MP4 one after the other, in the
    order of `moments`. Returns each with its second of the film and the picture (H, W, 3) uint8 BGR
    there. `runtime` makes a policy in its first state."""
    by_name: Mapping[tuple[str, str], StretchJob] = {
        (job.recording, job.road.name): job for job in jobs
    }
    filmers = {}
    for place in dict.fromkeys((moment.recording, moment.stretch) for moment in moments):
        job = by_name[place]
        windows = [
            (moment.seconds - BEFORE, moment.seconds + AFTER)
            for moment in moments
            if (moment.recording, moment.stretch) == place
        ]
        filmers[place] = Filmer(job.road, windows, tuple(state_names), unmeasured(job.road))
        drive_stretch(runtime(), job, filmers[place])
    shown, begin = [], 0.0
    with VideoWriter(path) as video:
        for number, moment in enumerate(moments, 1):
            log = filmers[moment.recording, moment.stretch].log(
                moment.seconds - BEFORE, moment.seconds + AFTER
            )
            last, still = 0.0, None
            for seconds, canvas in frames(log):
                at = seconds + float(log.pictures.stamp_ns[0]) * 1e-9
                _caption(canvas, number, moment, at)
                video.write(begin + seconds, canvas)
                if still is None or at <= moment.seconds:
                    still = canvas[:PICTURE_HEIGHT, : _width(log)].copy()
                    second = begin + seconds
                last = seconds
            if still is not None:
                shown.append((moment, second, still))
                begin += last + PAUSE
    return shown


def _peaks(result: StretchResult, count: int) -> list[Moment]:
    """Moments of one stretch, the worst first."""
    trace = result.trace
    badness = np.abs(trace.offset) + 1e6 * trace.put_back
    found: list[Moment] = []
    while len(found) < count and len(badness) and badness.max() > 0.0:
        row = int(np.argmax(badness))
        found.append(
            Moment(
                result.recording,
                result.stretch,
                float(trace.seconds[row]),
                float(trace.offset[row]),
                bool(trace.put_back[row]),
            )
        )
        badness[np.abs(trace.seconds - trace.seconds[row]) < APART] = 0.0
    return found


def _width(log: DriveLog) -> int:
    """Of the picture in a frame of the film [px]."""
    first = cv2.imdecode(np.frombuffer(log.pictures.encoded[0], np.uint8), cv2.IMREAD_COLOR)
    return min(max(first.shape[1], NARROWEST), WIDEST)


def _caption(canvas: np.ndarray, number: int, moment: Moment, seconds: float) -> None:
    words = f"{number}  {moment.stretch}  {seconds:.1f} s"
    after = seconds - moment.seconds
    late = moment.put_back and after > 0.0
    cv2.rectangle(canvas, (0, 0), (16 + 9 * len(words) + 90 * late, 26), BACKGROUND, -1)
    end = text(canvas, (10, 18), words, 13, INK)
    if late:
        text(canvas, (end + 12, 18), "put back", 13, STOPPED)
