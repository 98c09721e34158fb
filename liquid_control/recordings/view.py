"""The crop of the camera's picture from its calibration and a field of view, which is the same on
every camera."""

from __future__ import annotations

import dataclasses
import math

from liquid_control.config import PreprocessConfig, check, choice, number
from liquid_control.errors import LiquidControlError
from liquid_control.recordings.source import Source
from liquid_control.recordings.values import CALIBRATION

TOLERATED = 0.02
"""Share of the picture's size by which a view may reach beyond it; it is then cut at the border."""


class ViewError(LiquidControlError):
    """The crop cannot be taken from a recording's CameraInfo."""

    def __init__(self, path: object, problem: str) -> None:
        super().__init__(
            f"{path}: {problem}. Give the crop itself: "
            "--view.source flags --preprocess.crop-top 0.3 ..."
        )
        self.path, self.problem = path, problem


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """Where the crop comes from. The angles' defaults are the simulated camera's, so that its
    policies see the view that they learned."""

    source: str = choice(
        "flags",
        ("flags", "camera_info"),
        "crop by the --preprocess.crop flags, or by CameraInfo and the angles below",
    )
    pitch: float = number(0.0, -0.3, 0.3, "rad", "downward tilt of the recorded camera")
    width: float = number(1.309, 0.1, 3.0, "rad", "horizontal field of view shown")
    above: float = number(0.2265, -0.3, 1.2, "rad", "angle shown above the horizon")
    below: float = number(0.5065, 0.0, 1.2, "rad", "angle shown below the horizon")

    def __post_init__(self) -> None:
        check(self)


def crop_for(source: Source, view: ViewSettings, preprocess: PreprocessConfig) -> PreprocessConfig:
    """`preprocess` with the crop that shows `view`, for a pinhole without distortion.

    Raises ViewError without a calibrated camera, and for a camera that sees less than the view.
    """
    path, camera = source.path, source.camera
    if camera is None:
        raise ViewError(path, source.camera_missing)
    width, height, k = camera.width, camera.height, camera.matrix
    if not (
        width > 0
        and height > 0
        and len(k) == 9
        and k[0] > 0
        and k[4] > 0
        and all(map(math.isfinite, k))
    ):
        name = source.roles[CALIBRATION].name
        raise ViewError(path, f"{name} is not calibrated ({width}x{height}, K {list(k[:6])})")
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
            raise ViewError(
                path,
                f"the camera's picture ends {-share:.0%} short of the view at the {side}; "
                "narrow the --view angles",
            )
    return dataclasses.replace(
        preprocess, **{name: round(max(share, 0.0), 4) for name, share in shares.items()}
    )
