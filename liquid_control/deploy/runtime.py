"""A loaded policy, whatever runs it: an observation and a state go in, an action and the next state
come out."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ImageError, ShapeError, TimeError
from liquid_control.model.spec import PolicySpec
from liquid_control.signals import Observation

State = dict[str, np.ndarray]
"""The arrays of `PolicySpec.state` by name, (*shape) float32 each, or (B, *shape) in a batch."""


class Runtime(Protocol):
    """A loaded policy. State goes in and comes out, so one runtime can serve several drives.

    `spec`: what it takes and gives. `preprocess`: how its image is made, None without one.
    """

    spec: PolicySpec

    @property
    def preprocess(self) -> PreprocessConfig | None: ...

    def initial_state(self) -> State:
        """The state at the start of a sequence."""
        ...

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """One observation and the state before it → action (A,) in SI units, state after it. Raises
        ShapeError, ImageError and TimeError."""
        ...


class Wrapped:
    """Base of a runtime around a runtime: everything is the inner one's, `step` too until a
    subclass replaces it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    @property
    def spec(self) -> PolicySpec:
        return self.runtime.spec

    @property
    def preprocess(self) -> PreprocessConfig | None:
        return self.runtime.preprocess

    def initial_state(self) -> State:
        return self.runtime.initial_state()

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        return self.runtime.step(observation, state)


def zero_state(spec: PolicySpec) -> State:
    """All arrays of the state, zero."""
    return {array.name: np.zeros(array.shape, np.float32) for array in spec.state}


def zero_observation(spec: PolicySpec) -> Observation:
    """The first of a sequence, with a black picture and measurements of zero."""
    size = None if spec.image is None else (spec.image.height, spec.image.width, 3)
    return Observation(
        0,
        None if size is None else np.zeros(size, np.uint8),
        np.zeros(len(spec.measurements), np.float32),
        0.04,
        True,
    )


def to_vector(state: State) -> np.ndarray:
    """All numbers of a state (U,), array after array."""
    return np.concatenate([np.zeros(0, np.float32), *(np.ravel(one) for one in state.values())])


def from_vector(vector: np.ndarray, spec: PolicySpec) -> State:
    """The inverse of `to_vector`: views of a vector (U,). Raises ShapeError."""
    if vector.shape != (spec.state_size,):
        raise ShapeError("state", vector.shape, (spec.state_size,))
    state, start = {}, 0
    for array in spec.state:
        state[array.name] = vector[start : start + array.size].reshape(array.shape)
        start += array.size
    return state


def is_sound(state: object, spec: PolicySpec) -> bool:
    """Whether a state has the spec's arrays and no number that is not finite."""
    return (
        isinstance(state, dict)
        and state.keys() == {array.name for array in spec.state}
        and all(np.shape(state[array.name]) == array.shape for array in spec.state)
        and all(bool(np.isfinite(one).all()) for one in state.values())
    )


def check_batch(
    spec: PolicySpec,
    image: np.ndarray | None,
    measurements: np.ndarray,
    dt: np.ndarray,
    state: State,
) -> None:
    """Refuses what a backend might stretch, cast or divide by: anything but image (B, h, w, 3)
    uint8, None without one, measurements (B, M), dt (B,) finite and positive, state (B, *shape) by
    name. Raises ShapeError, ImageError and TimeError."""
    given, wanted = {"measurements": measurements, "dt": dt}, {}
    if (image is None) != (spec.image is None):
        raise ImageError("missing" if image is None else "given", image, spec.image)
    if image is not None:
        if image.dtype != np.uint8:
            raise ImageError("type", image.dtype, "uint8 RGB as preprocess gives it")
        given = {"image": image, **given}
        wanted["image"] = (spec.image.height, spec.image.width, 3)
    first = next(iter(given.values()))
    batch = len(first) if first.ndim else 0
    wanted |= {"measurements": (len(spec.measurements),), "dt": ()}
    wanted |= {array.name: array.shape for array in spec.state}
    if state.keys() != {array.name for array in spec.state}:
        raise ShapeError("state", tuple(state), tuple(array.name for array in spec.state))
    for name, array in (given | state).items():
        if array.shape != (batch, *wanted[name]):
            raise ShapeError(name, array.shape, (batch, *wanted[name]))
    if not ((dt > 0) & (dt < np.inf)).all():
        raise TimeError(dt[~((dt > 0) & (dt < np.inf))][0])
