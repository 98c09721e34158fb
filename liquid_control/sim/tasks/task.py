"""Interface of all tasks: what driving well means in a world."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.sim.bodies.body import Body
from liquid_control.sim.road import Road
from liquid_control.sim.truth import Truth


class TaskWorld(Protocol):
    """What a task reads of a world."""

    road: Road
    body: Body

    @property
    def truth(self) -> Truth: ...


class Task(Protocol):
    """A task has no state: one serves any number of worlds."""

    def speed_plan(self, road: Road, cruise: float) -> np.ndarray:
        """Speed limit (N,) [m/s] at each sample of the road; the world keeps to it."""
        ...

    def expert(self, world: TaskWorld) -> float:
        """Path curvature [1/m] of a driver who knows the road: the target of imitation."""
        ...

    def reward(self, before: Truth, after: Truth) -> float:
        """Of one step of the environment."""
        ...

    def is_terminated(self, truth: Truth) -> bool:
        """Whether the episode has failed and ends here."""
        ...
