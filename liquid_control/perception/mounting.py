"""How an IMU is mounted: its axes and units brought to the vehicle's (x forward, y left, z up).

The robot's parameters `imu.*` and the flags `--imu.*` of recordings are the same settings.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import numpy as np

from liquid_control.config import check, number, text
from liquid_control.errors import ConfigError
from liquid_control.signals import ImuSample

BODY = "flu"
NAMED = {"body": BODY, "ned": "frd", "optical": "rdf"}
"""Other names of axes: REP-103's body, aerospace's, and those of a camera (x right, y down, z
forward)."""

_DIRECTIONS = {
    "f": (1, 0, 0),
    "b": (-1, 0, 0),
    "l": (0, 1, 0),
    "r": (0, -1, 0),
    "u": (0, 0, 1),
    "d": (0, 0, -1),
}


def _matrix(axes: str) -> np.ndarray:
    """(3, 3): the vehicle's directions of the sensor's axes, as columns."""
    return np.array([_DIRECTIONS[letter] for letter in axes], float).T


AXES = tuple(
    "".join(letters)
    for letters in itertools.permutations("fblrud", 3)
    if round(np.linalg.det(_matrix(letters))) == 1
)
"""The 24 ways in which a sensor's axes may lie along the vehicle's."""


@dataclasses.dataclass(frozen=True)
class ImuMounting:
    """How the IMU is mounted, and its units. The angles turn the sensor further, about the
    vehicle's fixed axes, as `rpy` of a URDF's joint from base_link to the IMU."""

    axes: str = text(
        BODY,
        "where the IMU's x, y, z point: letters of forward, back, left, right, up, down; flu: body "
        "axes, frd or ned: z down, rdf or optical: a camera's",
    )
    roll: float = number(0.0, -3.2, 3.2, "rad", "rotation of the IMU about the vehicle's x axis")
    pitch: float = number(0.0, -3.2, 3.2, "rad", "then about its y axis; positive: nose down")
    yaw: float = number(0.0, -3.2, 3.2, "rad", "then about its z axis; positive: to the left")
    gyro_scale: float = number(
        1.0, -1e4, 1e4, "", "rad/s per unit of its gyro (degrees per second: 0.017453), or its sign"
    )
    acceleration_scale: float = number(
        1.0, -1e4, 1e4, "", "m/s² per unit of its accelerometer (g: 9.81), or its sign"
    )

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.axes, str) or NAMED.get(self.axes, self.axes) not in AXES:
            expected = "three letters of f or b, l or r, u or d for x, y, z of a right-handed "
            expected += f"sensor, such as flu, frd, rdf, or one of {', '.join(NAMED)}"
            raise ConfigError("ImuMounting.axes", self.axes, expected)

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3): a vector in the sensor's axes to one in the vehicle's."""
        (sr, cr), (sp, cp), (sy, cy) = (
            (math.sin(angle), math.cos(angle)) for angle in (self.roll, self.pitch, self.yaw)
        )
        turned = np.array(
            [
                [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
                [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
                [-sp, cp * sr, cp * cr],
            ]
        )
        return turned @ _matrix(NAMED.get(self.axes, self.axes))

    def turn(self) -> Callable[[ImuSample], ImuSample]:
        """A function that brings samples to the vehicle's axes; in body axes they are left as they
        are."""
        if self == ImuMounting():
            return lambda sample: sample
        # Without the zeros, so that NaN in one axis does not spread to those that lie across it.
        rows = [
            [(column, float(value)) for column, value in enumerate(row) if abs(value) > 1e-12]
            for row in self.rotation
        ]

        def turned(vector: tuple[float, float, float], scale: float) -> tuple[float, ...]:
            return tuple(
                scale * sum(value * vector[column] for column, value in row) for row in rows
            )

        return lambda sample: ImuSample(
            sample.stamp_ns,
            turned(sample.angular_velocity, self.gyro_scale),
            turned(sample.linear_acceleration, self.acceleration_scale),
        )
