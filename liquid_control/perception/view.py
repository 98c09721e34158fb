"""The crop of a camera's picture from its calibration and a field of view, which is the same on
every camera: for training, replay and the robot."""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import PreprocessConfig, check, choice, number
from liquid_control.errors import ConfigError, LiquidControlError

TOLERATED = 0.02
"""Share of the picture's size by which a view may reach beyond it; it is then cut at the border."""
STEEPEST = 1.5  # rad; no pinhole camera sees more to one side
SAME_SHAPE = 0.01
"""Aspect ratios of picture and calibration may differ by this share."""
FLAGS = "Give the crop itself: --view.source flags --preprocess.crop-top 0.3 ..."


class ViewError(LiquidControlError):
    """The crop cannot be taken from a CameraInfo."""

    def __init__(self, source: object, problem: str, remedy: str = FLAGS) -> None:
        super().__init__(f"{source}: {problem}. {remedy}")
        self.source, self.problem = source, problem


@dataclasses.dataclass(frozen=True, slots=True)
class Intrinsics:
    """Pinhole camera without distortion: picture size [px] and the 3x3 camera matrix K [px], row by
    row, as the camera says: nothing is checked."""

    width: int
    height: int
    matrix: tuple[float, ...]

    @classmethod
    def from_message(cls, message) -> Intrinsics:
        """Of any object with the attributes of sensor_msgs CameraInfo; of a region of interest
        where it names one. Raises ValueError for a matrix of another size."""
        matrix = [float(value) for value in message.k]
        if len(matrix) != 9:
            raise ValueError(f"K has {len(matrix)} numbers, expected 9")
        roi = message.roi
        if not (roi.width and roi.height):
            return cls(int(message.width), int(message.height), tuple(matrix))
        matrix[2] -= float(roi.x_offset)
        matrix[5] -= float(roi.y_offset)
        return cls(int(roi.width), int(roi.height), tuple(matrix))

    @classmethod
    def of_lens(cls, height: int, width: int, angle: float) -> Intrinsics:
        """Of pictures [px] with a horizontal field of view [rad]: square pixels, centred."""
        focal = width / 2 / math.tan(angle / 2)
        return cls(width, height, (focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0))

    @property
    def calibrated(self) -> bool:
        k = self.matrix
        finite = len(k) == 9 and all(map(math.isfinite, k))
        return finite and self.width > 0 and self.height > 0 and k[0] > 0 and k[4] > 0

    def fits(self, height: int, width: int) -> bool:
        """Whether pictures of this size may be the camera's: whole or shrunk, but not cut."""
        return abs(width * self.height / (height * self.width) - 1.0) <= SAME_SHAPE

    def misfit(self, height: int, width: int) -> str:
        """What is wrong where pictures do not fit."""
        sizes = f"{self.width}x{self.height}, the pictures are {width}x{height}"
        return f"it is of {sizes}: they are cut, or another camera's"


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """Where the crop comes from. The angles' defaults are the simulated camera's, so that its
    policies see the view that they learned."""

    source: str = choice(
        "flags",
        ("flags", "camera_info", "lens"),
        "crop as set (in training by --preprocess.crop, else as the model was trained), or by the "
        "angles below and CameraInfo or `lens`",
    )
    lens: float = number(
        1.2, 0.1, 3.0, "rad", "with source lens: horizontal field of view of the whole picture"
    )
    pitch: float = number(0.0, -0.8, 1.2, "rad", "downward tilt of the camera")
    width: float = number(1.309, 0.1, 3.0, "rad", "horizontal field of view shown")
    above: float = number(0.2265, -0.3, 1.2, "rad", "angle shown above the horizon")
    below: float = number(0.5065, 0.0, 1.2, "rad", "angle shown below the horizon")

    def __post_init__(self) -> None:
        check(self)


def crop_of(
    camera: Intrinsics, view: ViewSettings, preprocess: PreprocessConfig
) -> PreprocessConfig:
    """`preprocess` with the crop that shows `view`, for a pinhole without distortion.

    Raises ValueError for a camera that is not calibrated, for one that sees less than the view, and
    for one of whose picture the view is a small part.
    """
    width, height, k = camera.width, camera.height, camera.matrix
    if not camera.calibrated:
        raise ValueError(f"not calibrated ({width}x{height}, K {list(k[:6])})")
    for angle in (view.above + view.pitch, view.below - view.pitch):
        if abs(angle) > STEEPEST:
            raise ValueError(f"the view reaches {angle:.2f} rad off the camera's axis")
    half = view.width / 2
    columns = [k[2] - k[0] * math.tan(half), k[2] + k[0] * math.tan(half)]
    rows = [
        k[5] - k[4] * math.tan(view.above + view.pitch),
        k[5] + k[4] * math.tan(view.below - view.pitch),
    ]
    left, right = columns[0] / width, 1 - columns[1] / width
    top, bottom = rows[0] / height, 1 - rows[1] / height
    shares = {"crop_left": left, "crop_right": right, "crop_top": top, "crop_bottom": bottom}
    for name, share in shares.items():
        if share < -TOLERATED:
            side = name.removeprefix("crop_")
            raise ValueError(
                f"the camera's picture ends {-share:.0%} short of the view at the {side}; "
                "narrow the view's angles"
            )
    shares = {name: round(max(share, 0.0), 4) for name, share in shares.items()}
    try:
        return dataclasses.replace(preprocess, **shares)
    except ConfigError as error:
        raise ValueError(f"the view is a small part of the camera's picture ({error})") from error
