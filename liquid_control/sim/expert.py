"""A task's expert behind the `Runtime` protocol, so that it drives through the same controller as a
policy."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.runtime import State
from liquid_control.model.spec import Feature, PolicySpec
from liquid_control.signals import Observation
from liquid_control.sim.driven_world import DrivenWorld


class ExpertRuntime:
    """See `Runtime`. The expert knows the road and ignores the observation; it has no state.
    `measurements` of an observation; None: those of the task."""

    def __init__(
        self,
        world: DrivenWorld,
        preprocess: PreprocessConfig,
        measurements: tuple[Feature, ...] | None = None,
    ) -> None:
        self.preprocess, self._world = preprocess, world
        self._measurements = measurements

    @property
    def spec(self) -> PolicySpec:
        spec = dataclasses.replace(self._world.task.spec, image=self.preprocess)
        if self._measurements is None:
            return spec
        return dataclasses.replace(spec, measurements=self._measurements)

    def initial_state(self) -> State:
        return {}

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        return self._world.task.expert(self._world), state
