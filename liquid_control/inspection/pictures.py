"""What the camera recorded: sizes and repetitions of all messages, the look and the rotation of a
few hundred decoded ones."""

from __future__ import annotations

import collections
import dataclasses
import zlib

import cv2
import numpy as np

from liquid_control.errors import ImageError
from liquid_control.perception.pictures import image_from_compressed, image_from_message
from liquid_control.recordings.rosbag.topics import IMAGE

BURST = 0.5  # seconds of neighbouring pictures that are decoded together
BURSTS = 40
MOST_DECODED = 900
SUSPECTS = 100  # pictures decoded because of their size, beyond those
SMALL_SHARE = 0.25  # of the usual compressed size: blank, or cut off
BLANK_DEVIATION = 3.0  # grey levels
SHEET = 24
THUMBNAIL = 240  # px wide
GREY = 160  # px wide
APART = 0.08  # seconds between two pictures whose shift is measured
BAND = 0.15, 0.6  # rows, as shares of the height, that hold the horizon
RESPONSE = 0.08  # of the phase correlation, at least


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture made small: `thumbnail` (h, w, 3) uint8 RGB; brightness and contrast in
    grey levels; `note` says why it is kept."""

    seconds: float
    thumbnail: np.ndarray
    brightness: float
    contrast: float
    sharpness: float
    note: str = ""


WORST = {
    "darkest": lambda look: look.brightness,
    "brightest": lambda look: -look.brightness,
    "least contrast": lambda look: look.contrast,
    "least sharp": lambda look: look.sharpness,
}


class PictureTrack:
    """Takes the messages of the camera in order of receipt; `duration` [s] of the recording spreads
    the decoded ones, None if unknown.

    `shapes`: (encoding, width, height) → messages. `rotation`: rows (seconds, shift to the right in
    widths per second). `repeated`: (seconds, pictures in a row that equal the one before) while the
    vehicle moved. `failed`: problem → messages.
    """

    def __init__(self, duration: float | None) -> None:
        self.every = max((duration or 1800.0) / BURSTS, BURST)
        self.sheet_every = (duration or 1800.0) / SHEET
        self.count = self.decoded = self.blank = self.repeats = self.suspects = 0
        self.shapes: collections.Counter = collections.Counter()
        self.failed: collections.Counter = collections.Counter()
        self.failed_at: list[float] = []
        self.blank_at: list[float] = []
        self.repeated: list[tuple[float, int]] = []
        self.sheet: list[Picture] = []
        self.worst: dict[str, Picture] = {}
        self.rotation: list[tuple[float, float]] = []
        self.look: list[tuple[float, float, float]] = []
        self.bytes = 0
        self._next = self._sheet_next = -np.inf
        self._digest: int | None = None
        self._repeating = False
        self._recent: collections.deque = collections.deque(maxlen=16)

    def push(self, kind: str, message, seconds: float, receive: float, moving: bool) -> None:
        """`message`: decoded, its pixels not. `seconds` and `receive`: since the recording's start,
        as stamped and as received."""
        self.count += 1
        size = len(message.data)
        usual = self.bytes / max(self.count - 1, 1)
        self.bytes += size
        self._repetition(_digest(message.data), seconds, moving)
        wrong = kind == IMAGE and message.step * message.height != size
        if kind == IMAGE:
            self._shape(message.encoding, message.width, message.height)
        in_burst = receive - self._next < BURST
        if not in_burst and receive >= self._next + self.every:
            self._next, in_burst = (
                receive if not np.isfinite(self._next) else self._next + self.every,
                True,
            )
            self._next = max(self._next, receive - BURST)
        suspect = (
            wrong or (kind != IMAGE and self.count > 20 and size < SMALL_SHARE * usual)
        ) and self.suspects < SUSPECTS
        self.suspects += suspect
        if suspect or (in_burst and self.decoded < MOST_DECODED):
            self._decode(kind, message, seconds, receive, in_burst)
        elif wrong:
            self._fail("data of another length than declared", seconds)

    def _repetition(self, digest: int, seconds: float, moving: bool) -> None:
        if digest == self._digest and moving:
            self.repeats += 1
            if self._repeating:
                self.repeated[-1] = (self.repeated[-1][0], self.repeated[-1][1] + 1)
            elif len(self.repeated) < 256:
                self.repeated.append((seconds, 1))
            self._repeating = len(self.repeated) > 0
        else:
            self._repeating = False
        self._digest = digest

    def _decode(self, kind: str, message, seconds: float, receive: float, in_burst: bool) -> None:
        try:
            picture = (image_from_message if kind == IMAGE else image_from_compressed)(message)
        except ImageError as error:
            return self._fail(f"{error.problem}: got {error.got}", seconds)
        self.decoded += 1
        height, width, _ = picture.shape
        if kind != IMAGE:
            self._shape(_format(message), width, height)
        grey = cv2.cvtColor(_small(picture, GREY), cv2.COLOR_RGB2GRAY)
        brightness, contrast = float(grey.mean()), float(grey.std())
        sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).std())
        self.look.append((seconds, brightness, contrast))
        if contrast < BLANK_DEVIATION:
            self.blank += 1
            self.blank_at.append(seconds)
        self._keep(picture, Picture(seconds, picture[:0], brightness, contrast, sharpness), receive)
        if in_burst and contrast >= BLANK_DEVIATION:
            self._rotate(seconds, grey)

    def _keep(self, picture: np.ndarray, look: Picture, receive: float) -> None:
        for name, rank in WORST.items():
            if name not in self.worst or rank(look) < rank(self.worst[name]):
                self.worst[name] = dataclasses.replace(
                    look, thumbnail=_small(picture, THUMBNAIL), note=name
                )
        if receive >= self._sheet_next and len(self.sheet) < SHEET:
            self.sheet.append(dataclasses.replace(look, thumbnail=_small(picture, THUMBNAIL)))
            self._sheet_next = (receive // self.sheet_every + 1.0) * self.sheet_every

    def _rotate(self, seconds: float, grey: np.ndarray) -> None:
        """Horizontal shift against the picture some 0.1 s before, by phase correlation over the
        rows around the horizon."""
        top, bottom = (round(share * len(grey)) for share in BAND)
        band = grey[top:bottom].astype(np.float32)
        if self._recent and not 0.0 < seconds - self._recent[-1][0] < BURST:
            self._recent.clear()
        before = [past for past in self._recent if seconds - past[0] >= APART]
        if before and before[-1][1].shape == band.shape:
            then, past = before[-1]
            window = cv2.createHanningWindow(band.shape[::-1], cv2.CV_32F)
            (shift, _), response = cv2.phaseCorrelate(past, band, window)
            if response > RESPONSE:
                self.rotation.append(((seconds + then) / 2.0, shift / GREY / (seconds - then)))
        self._recent.append((seconds, band))

    def _shape(self, *shape) -> None:
        if shape in self.shapes or len(self.shapes) < 16:
            self.shapes[shape] += 1

    def _fail(self, problem: str, seconds: float) -> None:
        known = problem if problem in self.failed or len(self.failed) < 16 else "other problems"
        self.failed[known] += 1
        if len(self.failed_at) < 256:
            self.failed_at.append(seconds)


def _digest(data) -> int:
    """Of the length and three pieces of the data, so that large pictures cost no more than small
    ones."""
    view = memoryview(data).cast("B")
    middle, digest = len(view) // 2, len(view)
    for piece in (view[:4096], view[middle : middle + 8192], view[-4096:]):
        digest = zlib.crc32(piece, digest & 0xFFFFFFFF)
    return digest


def _format(message) -> str:
    head = bytes(memoryview(message.data).cast("B")[:2])
    return "jpeg" if head == b"\xff\xd8" else "png"


def _small(picture: np.ndarray, width: int) -> np.ndarray:
    """`width` px wide; a damaged header may claim any shape, so the height is bounded."""
    height = round(width * picture.shape[0] / picture.shape[1])
    return cv2.resize(
        picture, (width, min(max(height, 8), 4 * width)), interpolation=cv2.INTER_AREA
    )
