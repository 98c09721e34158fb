"""What the controller needs of a policy, whatever runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError, ShapeError
from liquid_control.signals import INERTIAL_FEATURES, Observation


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
        """One preprocessed observation and state (U,) → path curvature [1/m], next state (U,). Raises ShapeError and ImageError."""
        ...


def check_inputs(image: np.ndarray, inertial: np.ndarray, state: np.ndarray, preprocess: PreprocessConfig, neurons: int) -> None:
    """Refuses arrays that a backend might stretch or cast: image (..., h, w, 3) uint8, inertial (..., 3), state (..., U)."""
    size = (preprocess.height, preprocess.width, 3)
    if image.dtype != np.uint8:
        raise ImageError("type", image.dtype, "uint8 RGB as preprocess gives it")
    leading = image.shape[:-3]
    if image.shape != leading + size:
        raise ShapeError("image", image.shape, leading + size)
    if inertial.shape != (*leading, len(INERTIAL_FEATURES)):
        raise ShapeError("inertial", inertial.shape, (*leading, len(INERTIAL_FEATURES)))
    if state.shape != (*leading, neurons):
        raise ShapeError("state", state.shape, (*leading, neurons))
