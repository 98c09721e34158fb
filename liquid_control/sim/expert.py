"""A task's expert behind the `Runtime` protocol, so that it drives through the same controller as a
policy."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.deploy.runtime import State
from liquid_control.model.spec import PolicySpec
from liquid_control.signals import Observation
from liquid_control.sim.driven_world import DrivenWorld


class ExpertRuntime:
    """See `Runtime`. The expert knows the road and ignores the observation; it has no state."""

    def __init__(self, world: DrivenWorld, preprocess: PreprocessConfig) -> None:
        self.preprocess, self._world = preprocess, world

    @property
    def spec(self) -> PolicySpec:
        return dataclasses.replace(self._world.task.spec, image=self.preprocess)

    def initial_state(self) -> State:
        return {}

    def step(self, observation: Observation, state: State) -> tuple[np.ndarray, State]:
        """See `Runtime.step`."""
        return self._world.task.expert(self._world), state
