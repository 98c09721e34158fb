"""A policy of lane numbers (`sim.batched.numbers`) in MuJoCo's world, which knows where the car is.

Such a policy sees no picture: it learns in the twin, from what a camera would estimate. Here the
camera's frames give the times, the car's sensors yaw rate and speed, and the world the rest, with
the noise of the twin.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.runtime import Runtime, State, Wrapped
from liquid_control.model.car import MEASUREMENTS
from liquid_control.model.spec import PolicySpec, names
from liquid_control.signals import Observation
from liquid_control.sim.batched.numbers import AHEAD, NOISE, NUMBERS
from liquid_control.sim.world import World

LEAST = 16
"""Height of pictures that are not looked at [px]."""
MEASURED = {"yaw_rate", "speed"}
"""Of the numbers, those that the car's sensors give."""


def reads_numbers(spec: PolicySpec) -> bool:
    """Whether a policy is one of lane numbers."""
    return spec.image is None and names(spec.measurements) == names(NUMBERS)


class NumbersRuntime(Wrapped):
    """See `Runtime`: `runtime` is that of a policy of lane numbers, behind the observations of a
    policy with a picture."""

    def __init__(self, runtime: Runtime, world: World, rng: np.random.Generator) -> None:
        super().__init__(runtime)
        self._world, self._rng = world, rng

    @property
    def preprocess(self) -> PreprocessConfig:
        """Of a small picture."""
        return PreprocessConfig(height=LEAST, width=2 * LEAST)

    @property
    def spec(self) -> PolicySpec:
        """What it is given: the car's sensors."""
        sensed = tuple(feature for feature in MEASUREMENTS if feature.name in MEASURED)
        inner = self.runtime.spec
        return dataclasses.replace(inner, image=self.preprocess, measurements=sensed)

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        truth, road = self._world.truth, self._world.road
        ahead = [road.at(truth.station + distance)[3] for distance in AHEAD]
        found = np.array([truth.lane_offset, truth.heading_error, *ahead])
        found += np.array(NOISE[: len(found)]) * self._rng.standard_normal(len(found))
        numbers = np.concatenate([found, observation.measurements]).astype(np.float32)
        return self.runtime.step(
            dataclasses.replace(observation, image=None, measurements=numbers), state
        )
