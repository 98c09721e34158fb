"""Interface of all tasks: what driving well means in a world."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.model.spec import PolicySpec
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
    """A task has no state: one serves any number of worlds.

    `spec`: what a policy observes, its A actions and K auxiliary targets. `action_limit`: (A,)
    float32, the largest magnitude of each action. `set_speed`: commanded speed above every
    speed plan, so that the plan decides [m/s].
    """

    spec: PolicySpec
    action_limit: np.ndarray
    set_speed: float

    def speed_plan(self, road: Road, cruise: float) -> np.ndarray:
        """Speed limit (N,) [m/s] at each sample of the road; the world keeps to it."""
        ...

    def command(self, action: np.ndarray, vehicle: VehicleConfig) -> tuple[float, float]:
        """What `World.advance` gets for an action (A,): front-wheel angle [rad], upper limit on the
        speed [m/s]. Any action has one; a value that is not a number counts as 0."""
        ...

    def expert(self, world: TaskWorld) -> np.ndarray:
        """Action (A,) float64 of a driver who knows the road: the target of imitation."""
        ...

    def auxiliary(self, world: TaskWorld) -> tuple[float, ...]:
        """The K auxiliary targets now."""
        ...

    def reward(self, before: Truth, after: Truth) -> float:
        """Of one step of the environment."""
        ...

    def is_terminated(self, truth: Truth) -> bool:
        """Whether the episode has failed and ends here."""
        ...
