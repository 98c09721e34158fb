"""What the controller needs of a policy, whatever runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError, ShapeError, TimeError
from liquid_control.model.car import MEASUREMENTS
from liquid_control.signals import Observation


class Runtime(Protocol):
    """A loaded policy. State goes in and comes out, so one runtime can serve several drives.

    `preprocess`: how the policy's image is made. `neurons`: size U of the state.
    """

    preprocess: PreprocessConfig
    neurons: int

    def initial_state(self) -> np.ndarray:
        """(U,) float32 at the start of a sequence."""
        ...

    def step(self, observation: Observation, state: np.ndarray) -> tuple[float, np.ndarray]:
        """One preprocessed observation and state (U,) → path curvature [1/m], next state (U,).
        Raises ShapeError, ImageError and TimeError."""
        ...


def check_batch(
    runtime: Runtime, image: np.ndarray, inertial: np.ndarray, dt: np.ndarray, state: np.ndarray
) -> None:
    """Refuses what a backend might stretch, cast or divide by: anything but image (B, h, w, 3)
    uint8, inertial (B, 3), dt (B,) finite and positive, state (B, U). Raises ShapeError, ImageError
    and TimeError."""
    if image.dtype != np.uint8:
        raise ImageError("type", image.dtype, "uint8 RGB as preprocess gives it")
    batch = len(image) if image.ndim else 0
    size = (runtime.preprocess.height, runtime.preprocess.width, 3)
    wanted = {
        "image": (batch, *size),
        "inertial": (batch, len(MEASUREMENTS)),
        "dt": (batch,),
        "state": (batch, runtime.neurons),
    }
    for (name, shape), array in zip(wanted.items(), (image, inertial, dt, state), strict=True):
        if array.shape != shape:
            raise ShapeError(name, array.shape, shape)
    if not ((dt > 0) & (dt < np.inf)).all():
        raise TimeError(dt[~((dt > 0) & (dt < np.inf))][0])
