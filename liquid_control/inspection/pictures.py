"""Recorded pictures: sizes and repetitions of all of them, brightness, contrast and rotation of a
few hundred decoded ones, and what is wrong with them."""

from __future__ import annotations

import collections
import dataclasses
import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from liquid_control.errors import ImageError
from liquid_control.inspection.findings import Finding, fault, graded, note, warning
from liquid_control.recordings.values import StoredPicture

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

DARK, BRIGHT = 15.0, 240.0  # mean grey levels
REPEATED_SHARE, BLANK_SHARE, MOST = 0.02, 0.005, 0.5


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture, shrunk: `thumbnail` (h, w, 3) uint8 RGB; brightness, contrast and
    sharpness in grey levels; `note` says why it is retained."""

    seconds: float
    thumbnail: np.ndarray
    brightness: float
    contrast: float
    sharpness: float
    note: str = ""


WORST = {
    "darkest": lambda picture: picture.brightness,
    "brightest": lambda picture: -picture.brightness,
    "least contrast": lambda picture: picture.contrast,
    "least sharp": lambda picture: picture.sharpness,
}
"""Of each, the picture with the lowest value is retained."""


class PictureTrack:
    """Takes the camera's pictures in received order; those that are decoded are spread over the
    `duration` of the recording [s], None if unknown.

    `shapes`: (encoding, width, height) to count. `rotation`: rows (seconds, shift to the right in
    widths per second). `appearance`: rows (seconds, brightness, contrast). `repeated`: (seconds,
    pictures in a row that equal the one before) while the vehicle moves. `failed`: problem to
    count; `expected`: problem to what would be right. `low_bits`: bits in use of values of 16.
    """

    def __init__(self, duration: float | None) -> None:
        self.every = max((duration or 1800.0) / BURSTS, BURST)
        self.sheet_every = (duration or 1800.0) / SHEET
        self.count = self.decoded = self.blank = self.repeats = self.suspects = 0
        self.shapes: collections.Counter = collections.Counter()
        self.failed: collections.Counter = collections.Counter()
        self.failed_at: list[float] = []
        self.expected: dict[str, str] = {}
        self.low_bits = 16
        self.blank_at: list[float] = []
        self.repeated: list[tuple[float, int]] = []
        self.sheet: list[Picture] = []
        self.worst: dict[str, Picture] = {}
        self.rotation: list[tuple[float, float]] = []
        self.appearance: list[tuple[float, float, float]] = []
        self.bytes = 0
        self._next = self._sheet_next = -np.inf
        self._digest: int | None = None
        self._repeating = False
        self._recent: collections.deque = collections.deque(maxlen=16)

    def push(self, picture: StoredPicture, seconds: float, received: float, moving: bool) -> None:
        """`seconds` and `received`: since the recording's start, as stamped and as received."""
        self.count += 1
        size = len(picture.data)
        usual = self.bytes / max(self.count - 1, 1)
        self.bytes += size
        self._repetition(_digest(picture.data), seconds, moving)
        wrong = picture.problem
        self.low_bits = min(self.low_bits, picture.bits)
        if picture.raw:
            self._shape(picture.encoding, picture.width, picture.height)
        in_burst = received - self._next < BURST
        if not in_burst and received >= self._next + self.every:
            self._next, in_burst = (
                received if not np.isfinite(self._next) else self._next + self.every,
                True,
            )
            self._next = max(self._next, received - BURST)
        suspect = (
            bool(wrong) or (not picture.raw and self.count > 20 and size < SMALL_SHARE * usual)
        ) and self.suspects < SUSPECTS
        self.suspects += suspect
        if suspect or (in_burst and self.decoded < MOST_DECODED):
            self._decode(picture, seconds, received, in_burst)
        elif wrong:
            self._fail(*wrong, seconds)

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

    def _decode(
        self, stored: StoredPicture, seconds: float, received: float, in_burst: bool
    ) -> None:
        try:
            image = stored.decode()
        except ImageError as error:
            return self._fail(f"{error.problem}: got {error.got}", str(error.expected), seconds)
        self.decoded += 1
        height, width, _ = image.shape
        if not stored.raw:
            self._shape(_format(stored.data), width, height)
        grey = cv2.cvtColor(_small(image, GREY), cv2.COLOR_RGB2GRAY)
        brightness, contrast = float(grey.mean()), float(grey.std())
        sharpness = float(cv2.Laplacian(grey, cv2.CV_32F).std())
        self.appearance.append((seconds, brightness, contrast))
        if contrast < BLANK_DEVIATION:
            self.blank += 1
            self.blank_at.append(seconds)
        self._retain(image, Picture(seconds, image[:0], brightness, contrast, sharpness), received)
        if in_burst and contrast >= BLANK_DEVIATION:
            self._rotate(seconds, grey)

    def _retain(self, image: np.ndarray, picture: Picture, received: float) -> None:
        for name, rank in WORST.items():
            if name not in self.worst or rank(picture) < rank(self.worst[name]):
                self.worst[name] = dataclasses.replace(
                    picture, thumbnail=_small(image, THUMBNAIL), note=name
                )
        if received >= self._sheet_next and len(self.sheet) < SHEET:
            self.sheet.append(dataclasses.replace(picture, thumbnail=_small(image, THUMBNAIL)))
            self._sheet_next = (received // self.sheet_every + 1.0) * self.sheet_every

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

    def _fail(self, problem: str, expected: str, seconds: float) -> None:
        known = problem if problem in self.failed or len(self.failed) < 16 else "other problems"
        self.failed[known] += 1
        self.expected.setdefault(known, expected)
        if len(self.failed_at) < 256:
            self.failed_at.append(seconds)


def _digest(data) -> int:
    """Checksum of the length and of three pieces of the data: large pictures cost as little as
    small ones."""
    view = memoryview(data).cast("B")
    middle, digest = len(view) // 2, len(view)
    for piece in (view[:4096], view[middle : middle + 8192], view[-4096:]):
        digest = zlib.crc32(piece, digest & 0xFFFFFFFF)
    return digest


def _format(data) -> str:
    head = bytes(memoryview(data).cast("B")[:2])
    return "jpeg" if head == b"\xff\xd8" else "png"


def _small(image: np.ndarray, width: int) -> np.ndarray:
    """`width` px wide; a damaged header may claim any shape, so the height is bounded."""
    height = min(max(round(width * image.shape[0] / image.shape[1]), 8), 4 * width)
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def judge_pictures(pictures: PictureTrack) -> Iterator[Finding]:
    """Undecodable, blank, repeated, dark or bright pictures, and changes of size."""
    failed = sum(pictures.failed.values())
    if failed:
        worst, count = pictures.failed.most_common(1)[0]
        yield (warning if pictures.decoded else fault)(
            "bad_pictures",
            "camera",
            f"{failed} of {failed + pictures.decoded} pictures looked at cannot be decoded; "
            f"{count} times: {worst}",
            f"expected {pictures.expected.get(worst, 'a picture')}; "
            + ("they are left out" if pictures.decoded else "or another topic: --topics.camera"),
        )
    if pictures.low_bits < 16:
        yield note(
            "low_bits",
            "camera",
            f"values of 16 bits use {pictures.low_bits} bits, in the low end: they are scaled to "
            "the whole range",
            "--picture-bits 16 takes the upper 8 bits as they are",
        )
    sizes = {(width, height) for _, width, height in pictures.shapes}
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height}" for width, height in sorted(sizes))
        yield warning(
            "sizes_differ",
            "camera",
            f"pictures of different sizes: {listed}",
            "do several cameras publish on one topic?",
        )
    if pictures.blank:
        yield graded(pictures.blank / pictures.decoded, BLANK_SHARE, MOST)(
            "blank_pictures",
            "camera",
            f"{pictures.blank} of {pictures.decoded} decoded pictures are of one colour, "
            f"the first at {pictures.blank_at[0]:.1f} s",
            "look at lens cap, exposure and driver",
        )
    if pictures.repeats:
        start, longest = max(pictures.repeated, key=lambda run: run[1])
        yield graded(pictures.repeats / pictures.count, REPEATED_SHARE, MOST)(
            "repeated_pictures",
            "camera",
            f"{pictures.repeats} of {pictures.count} pictures equal the one before while the "
            f"vehicle moves, {longest} in a row at {start:.1f} s",
            "the camera's driver hands out old pictures",
        )
    if pictures.appearance and pictures.blank < MOST * pictures.decoded:
        brightness = float(np.median([row[1] for row in pictures.appearance]))
        if not DARK <= brightness <= BRIGHT:
            yield warning(
                "exposure",
                "camera",
                f"the mean brightness is {brightness:.0f} of 255",
                "adjust the exposure",
            )
