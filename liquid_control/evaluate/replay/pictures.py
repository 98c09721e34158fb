"""Pictures of a replay: camera pictures with the angles of policy and driver, as single moments and
as a video."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.report import overlay
from liquid_control.report.overlay import BACKGROUND, INK, MUTED, PANEL, RULE, CameraView, text
from liquid_control.report.video import VideoWriter
from liquid_control.signals import Action, Frame

WIDTH, ROW, LABEL, FIGURE = 720, 32, 180, 84
DRIVER = (245, 238, 232)
MODELS = ((36, 158, 245), (191, 212, 45), (250, 139, 167), (113, 113, 248))
"""BGR; --m0 to --m3 on the page."""
SHOWN = 0.35
"""Steering angle at the end of a bar [rad]; it grows with the largest one."""


@dataclasses.dataclass(frozen=True, eq=False)
class Moment:
    """A retained frame: stamp, picture (h, WIDTH, 3) RGB, and the policy's error [rad] against the
    last recorded angle."""

    stamp_ns: int
    picture: np.ndarray
    error: float


class WorstMoments:
    """A `Watcher` that retains the pictures of the `count` worst moments, `apart` seconds from one
    another."""

    def __init__(self, vehicle: VehicleConfig, count: int, apart: float) -> None:
        self.moments: list[Moment] = []
        self._vehicle, self._count, self._apart_ns = vehicle, count, round(apart * 1e9)

    def __call__(self, frame: Frame, actions: Sequence[Action | None], recorded: float) -> None:
        """Without a recorded angle the strongest steering counts as the worst."""
        if not self._count:
            return
        wanted = recorded if math.isfinite(recorded) else 0.0
        error = max(
            (
                abs(steering_angle(action.curvature, self._vehicle) - wanted)
                for action in actions
                if action
            ),
            default=-1.0,
        )
        near = [
            moment
            for moment in self.moments
            if abs(moment.stamp_ns - frame.stamp_ns) < self._apart_ns
        ]
        if any(moment.error >= error for moment in near):
            return
        others = [moment for moment in self.moments if moment not in near]
        if len(others) >= self._count:
            least = min(others, key=lambda moment: moment.error)
            if least.error >= error:
                return
            others.remove(least)
        self.moments = [*others, Moment(frame.stamp_ns, shrink(frame.image), error)]

    def nearest(self, stamp_ns: int) -> np.ndarray | None:
        """The retained picture (h, WIDTH, 3) RGB whose stamp is nearest, at most `apart` away."""
        best = min(self.moments, key=lambda moment: abs(moment.stamp_ns - stamp_ns), default=None)
        return (
            best.picture
            if best is not None and abs(best.stamp_ns - stamp_ns) <= self._apart_ns
            else None
        )


def shrink(image: np.ndarray) -> np.ndarray:
    """(h, WIDTH, 3) RGB of even height from a picture (H, W, 3) of any size."""
    height = max(round(image.shape[0] * WIDTH / image.shape[1]) // 2 * 2, 2)
    method = cv2.INTER_AREA if image.shape[1] > WIDTH else cv2.INTER_CUBIC
    return cv2.resize(image, (WIDTH, min(height, 2 * WIDTH)), interpolation=method)


def draw(
    picture: np.ndarray,
    angles: Mapping[str, float],
    vehicle: VehicleConfig,
    view: CameraView | None,
    words: str = "",
) -> np.ndarray:
    """The picture (h, WIDTH, 3) RGB with each path on the road where the `view` is known, above a
    bar for each of the `angles` [rad]: the recorded driver first, then the models. Returns BGR,
    (h + a row each, WIDTH, 3)."""
    height = picture.shape[0]
    canvas = np.full((height + ROW * len(angles) + 10, WIDTH, 3), PANEL, np.uint8)
    road = np.ascontiguousarray(picture[..., ::-1])
    colours = (DRIVER, *MODELS)
    if view is not None:
        for place, angle in reversed(list(enumerate(angles.values()))):
            if math.isfinite(angle):
                overlay.draw_path(
                    road,
                    view,
                    curvature(angle, vehicle),
                    colours[min(place, len(MODELS))],
                    filled=place == 0,
                )
    canvas[:height] = road
    if words:
        cv2.rectangle(canvas, (0, 0), (16 + 8 * len(words), 26), BACKGROUND, -1)
        text(canvas, (10, 18), words, 13, INK)
    known = [abs(angle) for angle in angles.values() if math.isfinite(angle)]
    longest = max([SHOWN, *known])
    middle, half = (LABEL + WIDTH - FIGURE) // 2, (WIDTH - FIGURE - LABEL) // 2 - 8
    for place, (name, angle) in enumerate(angles.items()):
        y, colour = height + 5 + ROW * place + ROW // 2, colours[min(place, len(MODELS))]
        text(canvas, (12, y + 6), name[:16], 17, colour)
        cv2.rectangle(canvas, (middle - half, y - 9), (middle + half, y + 9), BACKGROUND, -1)
        if math.isfinite(angle):
            end = middle - round(half * angle / longest)
            cv2.rectangle(canvas, (min(middle, end), y - 9), (max(middle, end), y + 9), colour, -1)
        cv2.line(
            canvas, (middle, y - 12), (middle, y + 12), MUTED if math.isfinite(angle) else RULE, 1
        )
        figure = f"{math.degrees(angle) + 0.0:+.1f}°" if math.isfinite(angle) else "–"
        text(canvas, (WIDTH - 12, y + 6), figure, 17, INK, to_left=True)
    return canvas


class ReplayVideo:
    """A `Watcher` that writes the first `seconds` of a recording as H.264 MP4, each frame at its
    own stamp; a context manager."""

    def __init__(
        self,
        path: Path,
        models: Sequence[str],
        vehicle: VehicleConfig,
        view: CameraView | None,
        seconds: float,
    ) -> None:
        self.path, self._models, self._seconds = path, models, seconds
        self._vehicle, self._view = vehicle, view
        self._video, self._first = VideoWriter(path), None
        self._angles = [math.nan] * len(models)

    def __enter__(self) -> ReplayVideo:
        return self

    def __exit__(self, *_: object) -> None:
        self._video.close()

    @property
    def frames(self) -> int:
        """Frames written."""
        return self._video.frames

    def __call__(self, frame: Frame, actions: Sequence[Action | None], recorded: float) -> None:
        for place, action in enumerate(actions):
            if action:
                self._angles[place] = steering_angle(action.curvature, self._vehicle)
        self._first = frame.stamp_ns if self._first is None else self._first
        since = (frame.stamp_ns - self._first) / 1e9
        if not 0.0 <= since <= self._seconds:
            return
        angles = {"driver": recorded, **dict(zip(self._models, self._angles, strict=True))}
        canvas = draw(shrink(frame.image), angles, self._vehicle, self._view, f"{since:.1f} s")
        canvas = canvas[: canvas.shape[0] // 2 * 2]
        if self._video.shape in (None, canvas.shape[:2]):  # else the camera changed its shape
            self._video.write(since, canvas)


@dataclasses.dataclass(frozen=True, eq=False)
class Watched:
    """Pictures of one recording for the report: a `Watcher` and a context manager. `view`: of its
    camera, None where it is not calibrated; `video`: None where none is written."""

    moments: WorstMoments
    view: CameraView | None
    video: ReplayVideo | None = None

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *error: object) -> None:
        if self.video is not None:
            self.video.__exit__(*error)

    def __call__(self, frame: Frame, actions: Sequence[Action | None], recorded: float) -> None:
        self.moments(frame, actions, recorded)
        if self.video is not None:
            self.video(frame, actions, recorded)
