"""Samples to observations: preprocessing, the rule for repeated pictures and the time line, in this
order. The robot's nodes, simulation, training from recordings and replay all use this one object.

A picture is preprocessed before its stamp is judged, so that a repeated picture is recognised in
every frame, a frame with a bad stamp included. Preprocessing only crops and resizes: pixels are
standardised inside the network, and so inside the ONNX graph.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.errors import ImageError
from liquid_control.perception.contribution import Contribution
from liquid_control.perception.timeline import MEASURABLE, MOVING_SPEED, Timeline
from liquid_control.signals import Frame, ImuSample, Observation, Reason, Rejected, SpeedSample

MOST_REPEATS = 2
"""A picture may follow the first of its kind this often, bit for bit, while the vehicle moves: the
noise of a camera makes two exposures differ."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class PreparedFrame:
    """A preprocessed frame: `image` (h, w, 3) uint8 RGB of the policy's size, or None where the
    frame's picture could not be preprocessed, for the reason in `error`."""

    stamp_ns: int
    image: np.ndarray | None
    error: ImageError | None = None


def preprocess(image: np.ndarray, config: PreprocessConfig) -> np.ndarray:
    """Crops (H, W, 3) uint8 RGB by `config`'s shares and shrinks it by area to (height, width, 3),
    contiguous.

    A contiguous picture of that size is returned without a copy. Raises ImageError for another type
    or shape, and for a picture smaller than the policy's: an enlarged picture has no detail of the
    size that the policy was trained on.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        raise ImageError(
            "type", getattr(image, "dtype", type(image).__name__), "a numpy array of uint8"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ImageError("shape", image.shape, "(height, width, 3)")
    rows, columns = image.shape[:2]
    down, across = crop_of(rows, columns, config)
    size = (down.stop - down.start, across.stop - across.start)
    if size[0] < config.height or size[1] < config.width:
        cut = "" if size == (rows, columns) else " after the crop"
        raise ImageError(
            f"size{cut}",
            f"{size[0]}x{size[1]}",
            f"at least {config.height}x{config.width}, the policy's size",
        )
    cropped = image[down, across]
    if size == (config.height, config.width):
        return np.ascontiguousarray(cropped)
    return cv2.resize(cropped, (config.width, config.height), interpolation=cv2.INTER_AREA)


def crop_of(rows: int, columns: int, config: PreprocessConfig) -> tuple[slice, slice]:
    """The rows and columns of a picture of this size [px] that `config`'s shares leave."""
    return (
        slice(int(rows * config.crop_top), rows - int(rows * config.crop_bottom)),
        slice(int(columns * config.crop_left), columns - int(columns * config.crop_right)),
    )


def prepare(frame: Frame, config: PreprocessConfig) -> PreparedFrame:
    """Preprocesses a frame (H, W, 3), in any thread, for an `Observer` with the same `config`.
    Raises nothing."""
    try:
        return PreparedFrame(frame.stamp_ns, preprocess(frame.image, config))
    except ImageError as error:
        return PreparedFrame(frame.stamp_ns, None, error)


class Observer:
    """Takes samples in the order of their arrival and gives an observation for each usable frame.
    After construction it raises nothing, whatever the samples hold.

    `measurements`: names of those that an observation gets, `moving`: see `Timeline`.
    `image_error`: why the latest picture that could not be preprocessed was refused; None while
    there was none.
    """

    def __init__(
        self,
        preprocess: PreprocessConfig,
        timeline: TimelineConfig | None = None,
        measurements: Sequence[str] = MEASURABLE,
        moving: float = MOVING_SPEED,
    ) -> None:
        self.preprocess, self.moving = preprocess, moving
        self.image_error: ImageError | None = None
        self._timeline = Timeline(timeline, measurements, moving)
        self._repeated = 0
        self.reset()

    def reset(self) -> None:
        """Starts a new sequence without any earlier sample. Counts go on."""
        self._timeline.reset()
        self._image: np.ndarray | None = None
        self._repeats = 0

    def push(self, sample: object, now_ns: int | None = None) -> Observation | Rejected | None:
        """Takes one sample: a Frame of the camera's size, a PreparedFrame, an ImuSample or a
        SpeedSample.

        Returns the observation of a frame; Rejected for any of these that is not used; None for a
        measurement that was taken, and for a sample of another class, which is ignored. `now_ns`:
        the receiver's clock, to refuse frames stamped far in the future.
        """
        if isinstance(sample, Frame):
            sample = prepare(sample, self.preprocess)
        if isinstance(sample, PreparedFrame):
            return self._push_frame(sample, now_ns)
        if isinstance(sample, ImuSample):
            return self._timeline.push_imu(sample)
        if isinstance(sample, SpeedSample):
            return self._timeline.push_speed(sample)
        return None

    @property
    def latest_speed(self) -> float | None:
        """The speed measured last [m/s], however old; None before the first."""
        return self._timeline.latest_speed

    @property
    def assumed(self) -> tuple[str, ...]:
        """The measurements that the latest frame was given without a sample."""
        return self._timeline.assumed

    @property
    def contributions(self) -> dict[str, Contribution]:
        """What each measurement contributed to the frames since construction."""
        return self._timeline.contributions

    @property
    def rejected(self) -> dict[Reason, int]:
        """Refused frames since construction, by reason."""
        return {**self._timeline.rejected, Reason.REPEATED: self._repeated}

    @property
    def measurements_rejected(self) -> int:
        """Dropped IMU and speed samples since construction."""
        return self._timeline.measurements_rejected

    def _push_frame(self, frame: PreparedFrame, now_ns: int | None) -> Observation | Rejected:
        self.image_error = frame.error or self.image_error
        if self._is_stuck(frame.image):
            self._repeated += 1
            return Rejected(frame.stamp_ns, Reason.REPEATED)
        return self._timeline.push_frame(Frame(frame.stamp_ns, frame.image), now_ns)

    def _is_stuck(self, image: np.ndarray | None) -> bool:
        """Whether the camera repeats a picture although the vehicle is known to move."""
        same = image is not None and self._image is not None and np.array_equal(image, self._image)
        self._image, self._repeats = image, self._repeats + 1 if same else 0
        return self._repeats > MOST_REPEATS and abs(self.latest_speed or 0.0) > self.moving
