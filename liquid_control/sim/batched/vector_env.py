"""The twin as a gymnasium vector environment: `liquid_control/LaneKeeping-v0` with
`vectorization_mode="vector_entry_point"`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector.utils import batch_space

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.sim.batched.lane import LaneSettings, LaneWorlds
from liquid_control.sim.batched.numbers import NUMBERS
from liquid_control.sim.batched.vector_world import Frame
from liquid_control.sim.env import held_out_of, settings_of, time_limit_of
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.lane_keeping import LANE_KEEPING

KNOWN_LANE_OFFSET, KNOWN_HEADING_ERROR = range(2)


class LaneKeepingVector(gymnasium.vector.VectorEnv):
    """B cars that keep their lanes in the twin (doc/twin.md); observation, action, reward and ends
    are those of `DrivingEnv`, and so are the arguments of the same name.

    Each world steps from one camera frame to its next, so that worlds differ in time. A world that
    ends is reset in the same step (`AutoresetMode.SAME_STEP`): what it showed at its end is in
    `infos["final_obs"]`, its lane offset and heading error then are in `infos["final_info"]`. A
    world whose physics fails is truncated with a reward of 0, and marked in `infos["broken"]`.

    `observation`: "pictures", or "numbers": seven noisy numbers instead of image and inertial
    measurements (`sim.batched.numbers`). An episode takes one of `roads` roads of the set that
    `roads_seed` names, and begins as `DrivingEnv` does, or with `anywhere` beside any station.
    `seed` of a reset: one for all worlds, or one for each; they decide all that is drawn. `device`:
    where the worlds are computed; observations are numpy arrays. Raises ConfigError and ShapeError.
    """

    metadata = {"render_modes": [], "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        task: str = "lane_keeping",
        render_mode: str | None = None,
        world: WorldConfig | Mapping | None = None,
        preprocessing: PreprocessConfig | Mapping | None = None,
        time_limit: float = 120.0,
        observation: str = "pictures",
        roads: int = 256,
        roads_seed: int = 0,
        anywhere: bool = False,
        device: str = "cpu",
    ) -> None:
        if task != "lane_keeping":
            raise ConfigError("task", task, "lane_keeping, the twin's only task")
        if render_mode is not None:
            raise ConfigError("render_mode", render_mode, "None: the twin draws no car")
        self.num_envs, self.render_mode, self._device = num_envs, None, device
        around = {} if anywhere else {"offset": 0.0, "heading": 0.0}
        self._settings = LaneSettings(
            observation=observation,
            world=settings_of(WorldConfig, world),
            image=settings_of(PreprocessConfig, preprocessing),
            roads=roads,
            roads_seed=roads_seed,
            time_limit=time_limit_of(time_limit),
            anywhere=anywhere,
            roughness=0.0,
            **around,
        )
        self.action_limit = LANE_KEEPING.action_limit.astype(np.float64)
        self.single_action_space = spaces.Box(-1.0, 1.0, self.action_limit.shape, np.float32)
        self.single_observation_space = _space(self._settings)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._worlds: LaneWorlds | None = None

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict | None = None
    ) -> tuple[dict, dict]:
        held_out = held_out_of(options)
        if isinstance(seed, Sequence):
            if len(seed) != self.num_envs:
                raise ShapeError("seed", (len(seed),), (self.num_envs,))
            sequence = None if None in seed else np.random.SeedSequence(list(seed))
            seed = None if sequence is None else int(sequence.generate_state(1, np.uint64)[0] >> 1)
        super().reset(seed=seed)
        if self._worlds is None or self._worlds.settings.held_out != held_out:
            settings = dataclasses.replace(self._settings, held_out=held_out)
            self._worlds = LaneWorlds(self.num_envs, settings, self._device)
        drawn = int(self.np_random.integers(LARGEST_SEED)) if seed is None else seed
        return _observation(self._worlds.reset(drawn)), self._infos()

    def step(self, actions: np.ndarray) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray, dict]:
        if self._worlds is None:
            raise ConfigError("step", "a call before the first reset", "reset first")
        rows = np.asarray(actions, np.float64)
        if rows.shape != self.action_space.shape:
            raise ShapeError("actions", rows.shape, self.action_space.shape)
        device = self._worlds.device
        wanted = torch.tensor(rows * self.action_limit, dtype=torch.float32, device=device)
        found = self._worlds.step(wanted)
        infos = self._infos()
        terminated, broken = found.terminated.cpu().numpy(), found.broken.cpu().numpy()
        truncated = found.truncated.cpu().numpy() | broken
        if found.last is not None:
            infos |= _finals(found.last, terminated | truncated, broken)
        reward = found.reward.cpu().numpy().astype(np.float64)
        return _observation(found.frame), reward, terminated, truncated, infos

    def close_extras(self, **kwargs: object) -> None:
        if self._worlds is not None:
            self._worlds.close()

    def _infos(self) -> dict:
        """Of each world now, as `DrivingEnv` tells them of one; an array and its mask each."""
        worlds = self._worlds
        expert = worlds.expert().cpu().numpy()
        found = {
            "station": worlds.station.cpu().numpy(),
            "lane_offset": worlds.lane_offset.cpu().numpy(),
            "heading_error": worlds.heading_error.cpu().numpy(),
            "expert_curvature": expert[:, 0],
            "expert_action": np.clip(expert / self.action_limit, -1.0, 1.0).astype(np.float32),
        }
        every = np.ones(self.num_envs, bool)
        return found | {f"_{name}": every for name in found}


def _space(settings: LaneSettings) -> spaces.Dict:
    """Of one world's observation."""
    free = {"low": -np.inf, "high": np.inf, "dtype": np.float32}
    dt = spaces.Box(0.0, np.inf, (1,), np.float32)
    if settings.observation == "numbers":
        return spaces.Dict({"measurements": spaces.Box(shape=(len(NUMBERS),), **free), "dt": dt})
    size = (settings.image.height, settings.image.width, 3)
    return spaces.Dict(
        {
            "image": spaces.Box(0, 255, size, np.uint8),
            "measurements": spaces.Box(shape=(len(LANE_KEEPING.spec.measurements),), **free),
            "dt": dt,
        }
    )


def _observation(frame: Frame) -> dict:
    seen = {} if frame.image is None else {"image": frame.image.cpu().numpy()}
    measurements, dt = frame.measurements.cpu().numpy(), frame.dt.cpu().numpy()
    return seen | {"measurements": measurements, "dt": dt[:, None].astype(np.float32)}


def _finals(last: Frame, done: np.ndarray, broken: np.ndarray) -> dict:
    """What worlds that are `done` (B,) showed and were at their end, as gymnasium's own vector
    environments tell it."""
    shown, known = _observation(last), last.state.cpu().numpy()
    ends = np.full(len(done), None, object)
    for row in np.flatnonzero(done):
        ends[row] = {name: values[row] for name, values in shown.items()}
    columns = {"lane_offset": KNOWN_LANE_OFFSET, "heading_error": KNOWN_HEADING_ERROR}
    truth = {name: known[:, column] * NUMBERS[column].scale for name, column in columns.items()}
    return {
        "final_obs": ends,
        "_final_obs": done,
        "final_info": truth | {f"_{name}": done for name in truth},
        "_final_info": done,
        "broken": broken,
        "_broken": done,
    }
