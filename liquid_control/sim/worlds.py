"""N worlds that are reset and stepped together; every array has N as its leading dimension, and one
world is N = 1.

The interface is a `Protocol`, so that worlds computed as one batch can replace `LoopedWorlds`,
which loops over single ones.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.spec import PolicySpec, names
from liquid_control.perception.observer import Observer
from liquid_control.signals import Observation
from liquid_control.sim.driven_world import DrivenWorld
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING
from liquid_control.sim.tasks.task import Task
from liquid_control.sim.truth import Truth
from liquid_control.sim.world import World

State = TypeVar("State")


@dataclasses.dataclass(frozen=True, eq=False)
class Observations:
    """One observation of each world, see `signals.Observation`. Frames are irregular in each world
    by itself, so stamps and `dt` differ from row to row."""

    stamp_ns: np.ndarray  # (N,) int64
    image: np.ndarray  # (N, h, w, 3) uint8 RGB, preprocessed
    measurements: np.ndarray  # (N, M) float32
    dt: np.ndarray  # (N,) float32 [s], since the frame before
    is_first: np.ndarray  # (N,) bool


class Step(NamedTuple):
    """Result of one step. `truncated`: the road or the time is over, and not `terminated`."""

    state: object
    observation: Observations
    reward: np.ndarray  # (N,) float64
    terminated: np.ndarray  # (N,) bool
    truncated: np.ndarray  # (N,) bool


class Worlds(Protocol[State]):
    """`spec`: of a policy that drives in them, with A actions. A state is used once: worlds may
    reuse its memory for the next. A row that has ended goes on until the next reset."""

    spec: PolicySpec

    def reset(self, seeds: Sequence[int], held_out: bool = False) -> tuple[State, Observations]:
        """A new world for each of N seeds. Raises ConfigError for none and for one out of range."""
        ...

    def step(self, state: State, action: np.ndarray) -> Step:
        """Holds each row of `action` (N, A) until the row's next observation. Raises ShapeError."""
        ...

    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True, eq=False)
class DrivenState:
    """`truths`: of each world. `expert`: (N, A) float64, the task's expert's actions."""

    truths: tuple[Truth, ...]
    expert: np.ndarray


class LoopedWorlds(ABC):
    """See `Worlds`: single worlds, looped over. Policies with `spec` drive in all of them.
    `time_limit` of an episode [s]."""

    def __init__(self, spec: PolicySpec, time_limit: float) -> None:
        self.spec = spec
        self._time_limit_ns = round(time_limit * 1e9)
        self._worlds: list[DrivenWorld] = []
        self._observers: list[Observer] = []
        self._state: DrivenState | None = None

    @abstractmethod
    def renew(self, old: DrivenWorld | None, seed: int, held_out: bool) -> DrivenWorld:
        """The world of a seed; `old` is one that is no longer needed, where there is one."""

    def reset(
        self, seeds: Sequence[int], held_out: bool = False
    ) -> tuple[DrivenState, Observations]:
        if not len(seeds):
            raise ConfigError("seeds", seeds, "at least one")
        for world in self._worlds[len(seeds) :]:
            world.close()
        del self._worlds[len(seeds) :]
        for row, seed in enumerate(seeds):
            old = self._worlds[row] if row < len(self._worlds) else None
            self._worlds[row : row + 1] = [self.renew(old, seed, held_out)]
        given = names(self.spec.measurements)
        self._observers = [Observer(self.spec.image, None, given) for _ in seeds]
        observations = self._until_frames([(0.0, math.inf)] * len(seeds))
        self._state = self._now()
        return self._state, observations

    def step(self, state: DrivenState, action: np.ndarray) -> Step:
        if state is not self._state:
            raise ConfigError("state", "an earlier one", "that of the latest reset or step")
        expected = len(self._worlds), len(self.spec.actions)
        if np.shape(action) != expected:
            raise ShapeError("action", np.shape(action), expected)
        observations = self._until_frames(
            [
                world.task.command(row, world.body.vehicle)
                for row, world in zip(action, self._worlds, strict=True)
            ]
        )
        self._state = self._now()
        truths = self._state.truths
        before = state.truths
        tasks = [world.task for world in self._worlds]
        terminated = np.array([t.is_terminated(now) for t, now in zip(tasks, truths, strict=True)])
        over = [truth.finished or truth.stamp_ns > self._time_limit_ns for truth in truths]
        return Step(
            self._state,
            observations,
            np.array(
                [t.reward(*pair) for t, *pair in zip(tasks, before, truths, strict=True)],
                np.float64,
            ),
            terminated,
            np.array(over, bool) & ~terminated,
        )

    def render(self, row: int, width: int, height: int, camera: str = "chase") -> np.ndarray:
        """A picture (height, width, 3) uint8 RGB of one world now."""
        return self._worlds[row].render(width, height, camera)

    def close(self) -> None:
        for world in self._worlds:
            world.close()

    def _now(self) -> DrivenState:
        experts = [world.task.expert(world) for world in self._worlds]
        return DrivenState(
            tuple(world.truth for world in self._worlds),
            np.reshape(experts, (len(experts), len(self.spec.actions))),
        )

    def _until_frames(self, commands: Sequence[tuple[float, float]]) -> Observations:
        seen = [
            _until_frame(world, observer, *command)
            for world, observer, command in zip(
                self._worlds, self._observers, commands, strict=True
            )
        ]
        return Observations(
            np.array([one.stamp_ns for one in seen], np.int64),
            np.stack([one.image for one in seen]),
            np.stack([one.measurements for one in seen]),
            np.array([one.dt for one in seen], np.float32),
            np.array([one.is_first for one in seen], bool),
        )


class MujocoWorlds(LoopedWorlds):
    """Worlds in MuJoCo, a new road for each seed. Raises ImageError when the camera is smaller than
    the policy's picture."""

    def __init__(
        self,
        config: WorldConfig | None = None,
        preprocess: PreprocessConfig | None = None,
        task: Task = LANE_KEEPING,
        body: str = "car",
        time_limit: float = 120.0,
    ) -> None:
        spec = dataclasses.replace(task.spec, image=preprocess or PreprocessConfig())
        super().__init__(spec, time_limit)
        self._config, self._task, self._body = config, task, body

    def renew(self, old: World | None, seed: int, held_out: bool) -> World:
        """See `LoopedWorlds`."""
        if old is None:
            return World(self._config, seed, held_out, task=self._task, body=self._body)
        old.reset(seed, held_out)
        return old


def _until_frame(world: DrivenWorld, observer: Observer, angle: float, speed: float) -> Observation:
    """Holds the command until a frame is usable."""
    while True:
        seen = None
        for event in world.advance(angle, speed):
            outcome = observer.push(event)
            seen = outcome if isinstance(outcome, Observation) else seen
        if observer.image_error is not None:
            raise observer.image_error
        if seen is not None:
            return seen
