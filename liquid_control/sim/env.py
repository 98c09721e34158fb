"""A task as a gymnasium environment, one world of `sim.worlds`. `liquid_control/LaneKeeping-v0` is
the task `lane_keeping`."""

from __future__ import annotations

import math
from collections.abc import Mapping

import gymnasium
import numpy as np
from gymnasium import spaces

from liquid_control.config import PreprocessConfig, WorldConfig, from_mapping
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.table import TASKS, load_task
from liquid_control.sim.worlds import DrivenState, LoopedWorlds, MujocoWorlds, Observations

RENDER_WIDTH, RENDER_HEIGHT = 640, 320
LONGEST_EPISODE = 1e6
"""Limit of a time limit [s]."""


class DrivingEnv(gymnasium.Env):
    """Steer a four-wheel car along the right lane of a random two-lane road, seen through a camera
    with irregular time.

    One step lasts from one used camera frame to the next, 30-60 ms and more where frames are
    dropped.

    Observation (Dict) image (h, w, 3) uint8 RGB, the policy's preprocessed picture; measurements
        (3,) float32: yaw rate [rad/s], lateral acceleration [m/s²], speed [m/s], averaged since the
        last frame; dt (1,) float32 [s] since the last frame.
    Action (Box (1,), -1 to 1)
        path curvature, positive left, as a share of `action_limit` (0.2 1/m): a curvature k [1/m]
        is the action k / env.unwrapped.action_limit. The world controls the speed.
    Reward
        metres of progress x (1 - |lane offset| / 1 m), not below zero.
    End terminated: the car's centre is more than half a lane off, or the car has turned around.
        truncated: the end of the road, or `time_limit` seconds of driving.
    Reset `seed` fixes road, appearance, vehicle, sensor noise and time stamps: same seed and
        actions, bit-equal trajectories. Later resets without one go on to new roads.
        `options={"held_out": True}` draws a test road, which no training seed reaches.
    Info the true lane offset [m], heading error [rad], road curvature [1/m], station [m], stamp
        [ns], the expert's curvature [1/m], and that as `expert_action` (1,) float32.

    `world` and `preprocessing` may be mappings of field names to values. `time_limit` [s].
    Environments of one process do not disturb each other, in whatever threads they run; copies and
    pickles of a running one go on from where it is. Raises ConfigError for wrong arguments and
    options, and for a step before the first reset; DrawingError where this machine cannot draw.

    Observation, action, reward and termination are those of `task` (sim.tasks); given are those of
    `lane_keeping`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        task: str = "lane_keeping",
        render_mode: str | None = None,
        world: WorldConfig | Mapping | None = None,
        preprocessing: PreprocessConfig | Mapping | None = None,
        time_limit: float = 120.0,
    ) -> None:
        if task not in TASKS:
            raise ConfigError("task", task, "one of " + ", ".join(TASKS))
        limit = time_limit_of(time_limit)
        chosen = load_task(task)
        worlds = MujocoWorlds(
            settings_of(WorldConfig, world),
            settings_of(PreprocessConfig, preprocessing),
            chosen,
            time_limit=limit,
        )
        self._drive_in(worlds, chosen.action_limit, render_mode)

    @classmethod
    def over(
        cls, worlds: LoopedWorlds, action_limit: np.ndarray, render_mode: str | None = None
    ) -> DrivingEnv:
        """The environment of other worlds; `action_limit` (A,) as in `Task`."""
        made = cls.__new__(cls)
        made._drive_in(worlds, action_limit, render_mode)
        return made

    def _drive_in(
        self, worlds: LoopedWorlds, action_limit: np.ndarray, render_mode: str | None
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ConfigError("render_mode", render_mode, "None or rgb_array")
        self.render_mode, self._worlds = render_mode, worlds
        self._state: DrivenState | None = None
        image = worlds.spec.image
        count = len(worlds.spec.measurements)
        self.action_limit = np.asarray(action_limit, np.float64)
        """(A,) float64, what an action of 1 stands for, in the units of the task."""
        self.action_space = spaces.Box(-1.0, 1.0, self.action_limit.shape, np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (image.height, image.width, 3), np.uint8),
                "measurements": spaces.Box(-np.inf, np.inf, (count,), np.float32),
                "dt": spaces.Box(0.0, np.inf, (1,), np.float32),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        held_out = held_out_of(options)
        super().reset(seed=seed)
        road = int(self.np_random.integers(LARGEST_SEED)) if seed is None else seed
        self._state, seen = self._worlds.reset([road], held_out)
        return _first(seen), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        if self._state is None:
            raise ConfigError("step", "a call before the first reset", "reset first")
        rows = np.reshape(np.asarray(action, np.float64), (1, -1))
        if rows.shape[1:] != self.action_limit.shape:
            raise ShapeError("action", np.shape(action), self.action_limit.shape)
        found = self._worlds.step(self._state, rows * self.action_limit)
        self._state = found.state
        reward, terminated, truncated = (
            row.item() for row in (found.reward, found.terminated, found.truncated)
        )
        return _first(found.observation), reward, terminated, truncated, self._info()

    def render(self) -> np.ndarray | None:
        if self.render_mode != "rgb_array":
            return None
        return self._worlds.render(0, RENDER_WIDTH, RENDER_HEIGHT)

    def close(self) -> None:
        self._worlds.close()

    def _info(self) -> dict:
        (truth,), (expert,) = self._state.truths, self._state.expert.tolist()
        actions = self._worlds.spec.actions
        share = np.clip(self._state.expert[0] / self.action_limit, -1.0, 1.0)
        return {
            "stamp_ns": truth.stamp_ns,
            "station": truth.station,
            "lane_offset": truth.lane_offset,
            "heading_error": truth.heading_error,
            "curvature": truth.curvature,
            **{
                f"expert_{feature.name}": value
                for feature, value in zip(actions, expert, strict=True)
            },
            "expert_action": share.astype(np.float32),
        }


LaneKeeping = DrivingEnv
"""Its name in version 0.1.0."""


def time_limit_of(given: object) -> float:
    """A time limit [s]. Raises ConfigError for what is none."""
    limit = given if isinstance(given, (int, float)) else math.nan
    if isinstance(given, bool) or not 0.0 < limit <= LONGEST_EPISODE:
        raise ConfigError("time_limit", given, f"above 0 to {LONGEST_EPISODE:g} s")
    return limit


def settings_of(kind: type, given: object):
    """Settings of a class, from a mapping too; None for its defaults."""
    return given if isinstance(given, kind) else from_mapping(kind, {} if given is None else given)


def held_out_of(options: Mapping | None) -> bool:
    """The only option of a reset, `held_out`. Raises ConfigError for others, because one with a
    spelling mistake would draw a training road."""
    options = {} if options is None else options
    if not isinstance(options, Mapping) or set(options) - {"held_out"}:
        raise ConfigError("options", options, "a mapping with no other name than held_out")
    held_out = options.get("held_out", False)
    if not isinstance(held_out, (bool, np.bool_)):
        raise ConfigError("options.held_out", held_out, "true or false")
    return bool(held_out)


def _first(seen: Observations) -> dict:
    """The observation of the only world, as the environment's space has it."""
    return {"image": seen.image[0], "measurements": seen.measurements[0], "dt": seen.dt}
