"""A task's expert behind the `Runtime` protocol, so that it drives through the same controller as a
policy."""

from __future__ import annotations

import numpy as np

from liquid_control.config import PreprocessConfig
from liquid_control.signals import Observation
from liquid_control.sim.world import World


class ExpertRuntime:
    """See `Runtime`. The expert knows the road and ignores the observation; it has no state."""

    neurons = 0

    def __init__(self, world: World, preprocess: PreprocessConfig) -> None:
        self.preprocess = preprocess
        self._world = world

    def initial_state(self) -> np.ndarray:
        return np.zeros(0, np.float32)

    def step(self, observation: Observation, state: np.ndarray) -> tuple[float, np.ndarray]:
        return float(self._world.task.expert(self._world)[0]), state
