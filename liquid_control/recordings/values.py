"""Values that every recording format gives: streams, entries, pictures, calibration and damage."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from liquid_control.errors import ImageError
from liquid_control.perception.pictures import image_from_compressed, image_from_message, layout_of
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

Sample = Frame | ImuSample | SpeedSample | SteeringSample

CLASS_OF_ROLE = {
    "camera": Frame,
    "imu": ImuSample,
    "speed": SpeedSample,
    "steering": SteeringSample,
}
"""Class of the samples of each role."""

ROLES = tuple(CLASS_OF_ROLE)
CALIBRATION = "camera_info"
"""Role of a stream that holds the camera's calibration; it gives no samples."""
ACCELEROMETER = "accelerometer"
"""Role of a stream that holds the accelerations alone, where that of the `imu` is the gyro alone.
It is read wherever `imu` is; both give ImuSamples of which one part is not measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a recording: a topic of a rosbag, a column of a table, a folder of pictures.

    `kind`: type in the format's own terms. `roles`: what the stream is read as; empty where it is
    not used. `count`: recorded items, None where unknown. `rate`: mean over the recording [Hz],
    None where unknown. `quantity`: of a steering stream "angle" [rad] or "curvature" [1/m], as
    which the yaw rate of a twist is read.
    """

    name: str
    kind: str
    roles: tuple[str, ...] = ()
    count: int | None = None
    rate: float | None = None
    quantity: str = ""


def mean_rate(count: int | None, seconds: float) -> float | None:
    """Rate [Hz] of `count` items over `seconds`; None where it is not known."""
    return (count - 1) / seconds if count and count > 1 and seconds > 0 else None


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """A role for which several streams qualified: the `candidates` by name, and the one taken."""

    role: str
    candidates: tuple[str, ...]
    chosen: str


@dataclasses.dataclass(frozen=True, slots=True)
class Damage:
    """A part of a file that cannot be read: file, byte offset (None where unknown), what is wrong
    and what is lost."""

    file: str
    offset: int | None
    problem: str
    lost: str

    def __str__(self) -> str:
        place = "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.file}{place}: {self.problem}; lost: {self.lost}"


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class StoredPicture:
    """A picture as recorded, not decoded.

    `data`: its bytes. `raw`: pixels in `encoding` (see `perception.pictures.ENCODINGS`), `height`
    rows of `step` bytes and `width` pixels; else a JPEG or PNG file, whose size is known only after
    decoding, and `format` is the publisher's name for it. `bits`: how many of values of 16 bits the
    camera uses, in the low end.
    """

    data: bytes | memoryview | np.ndarray
    raw: bool = False
    encoding: str = ""
    height: int = 0
    width: int = 0
    step: int = 0
    is_bigendian: int = 0
    format: str = ""
    bits: int = 16

    @classmethod
    def from_image(cls, image: np.ndarray) -> StoredPicture:
        """Of an image (H, W, 3) uint8 RGB."""
        height, width, _ = image.shape
        data = np.ascontiguousarray(image).reshape(-1)
        return cls(data, True, "rgb8", height, width, 3 * width)

    def decode(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises ImageError for data that do not hold what they claim."""
        decode = image_from_message if self.raw else image_from_compressed
        return decode(self, self.bits)

    @property
    def problem(self) -> tuple[str, str] | None:
        """(what is wrong with the header of raw pixels, what would be right); None where it fits
        the data."""
        try:
            if self.raw:
                layout_of(self)
        except ImageError as error:
            return f"{error.problem}: got {error.got}", str(error.expected)
        return None


class Entry(NamedTuple):
    """One recorded item in one role, with what is wrong with it.

    `stamp_ns`: the stamp in use. `own_ns`: the stamp that the item carries, None where it has none.
    `sample`: a StoredPicture for the camera; None where the item holds no value for this role, or
    cannot be decoded. `problem`: why the item gives no sample, empty where it is in order; an entry
    with a problem and a sample holds a value that is not usable, such as NaN. `first`: nothing
    before it belongs to it, as behind deleted records: it begins a stretch.
    """

    received_ns: int
    role: str
    stamp_ns: int
    own_ns: int | None
    sample: StoredPicture | ImuSample | SpeedSample | SteeringSample | None
    problem: str = ""
    first: bool = False
