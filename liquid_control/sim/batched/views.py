"""Where the twin's cameras are and look, from the cars' states: as a numba kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from liquid_control.policy.kernels.cpu.jit import jit
from liquid_control.sim.batched.motion import PITCH, PITCH_AT_REST, ROLL, YAW, X, Y
from liquid_control.sim.bodies.car_parameters import (
    CAMERA_FORWARD,
    CAMERA_PITCH,
    WHEEL_RADIUS,
    CarParameters,
)

FIELD_OF_VIEW = 42.0
"""Of the front camera from top to bottom [degrees]: assets/vehicle.xml."""
AXLE_HEIGHT = 0.3126
"""Of the body's origin above the ground at rest [m]; it is above the rear axle."""
PITCH_CENTRE = 1.27
"""The body pitches about a point so far ahead of the rear axle [m]."""
LEFT, ABOVE, DOWN, TURNED, ROLLED = range(5)
"""Columns of a mount: position in the body [m], downward pitch, yaw and roll [rad]."""
MOUNT = 5
VIEW = 12


def mounts(cars: Sequence[CarParameters]) -> np.ndarray:
    """How the cameras of cars are mounted: (R, MOUNT) float32."""
    return np.array(
        [
            (
                car.camera_left,
                car.camera_height - WHEEL_RADIUS,
                CAMERA_PITCH + car.camera_pitch,
                car.camera_yaw,
                car.camera_roll,
            )
            for car in cars
        ],
        np.float32,
    )


def focal_length(height: int) -> float:
    """In pixels of a picture of a height [px]."""
    return 0.5 * height / math.tan(math.radians(FIELD_OF_VIEW) / 2)


@jit
def views(first, last, state, mount, view):
    """Writes rows `first` to `last` of `view` (B, VIEW), see `camera_cpu.POSITION`, from `state`
    (B, STATE) and `mount` (B, MOUNT)."""
    for row in range(first, last):
        down, turned, rolled = mount[row, DOWN], mount[row, TURNED], mount[row, ROLLED]
        c, s = math.cos(down), math.sin(down)
        ct, st = math.cos(turned), math.sin(turned)
        cr, sr = math.cos(rolled), math.sin(rolled)
        forward = (c * ct, c * st, -s)
        across = (st, -ct, 0.0)
        above = (
            across[1] * forward[2] - across[2] * forward[1],
            across[2] * forward[0] - across[0] * forward[2],
            across[0] * forward[1] - across[1] * forward[0],
        )
        right = (
            across[0] * cr + above[0] * sr,
            across[1] * cr + above[1] * sr,
            across[2] * cr + above[2] * sr,
        )
        up = (
            above[0] * cr - across[0] * sr,
            above[1] * cr - across[1] * sr,
            above[2] * cr - across[2] * sr,
        )
        yaw, pitch, roll = state[row, YAW], state[row, PITCH], state[row, ROLL]
        place = _in_world(yaw, pitch, roll, (CAMERA_FORWARD, mount[row, LEFT], mount[row, ABOVE]))
        lifted = AXLE_HEIGHT + PITCH_CENTRE * (pitch - PITCH_AT_REST)
        view[row, 0], view[row, 1] = state[row, X] + place[0], state[row, Y] + place[1]
        view[row, 2] = lifted + place[2]
        forward = _in_world(yaw, pitch, roll, forward)
        right, up = _in_world(yaw, pitch, roll, right), _in_world(yaw, pitch, roll, up)
        for axis in range(3):
            view[row, 3 + axis], view[row, 6 + axis] = forward[axis], right[axis]
            view[row, 9 + axis] = up[axis]


@jit
def _in_world(yaw, pitch, roll, vector):
    """A vector of the body, which is rolled, then pitched, then turned."""
    x, y, z = vector
    y, z = y * math.cos(roll) - z * math.sin(roll), y * math.sin(roll) + z * math.cos(roll)
    x, z = x * math.cos(pitch) + z * math.sin(pitch), z * math.cos(pitch) - x * math.sin(pitch)
    x, y = x * math.cos(yaw) - y * math.sin(yaw), x * math.sin(yaw) + y * math.cos(yaw)
    return x, y, z
