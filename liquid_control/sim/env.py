"""A task as a gymnasium environment, one world of `sim.worlds`. `liquid_control/LaneKeeping-v0` is
the task `lane_keeping`."""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium import spaces

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.tasks.table import load_task
from liquid_control.sim.worlds import MujocoState, MujocoWorlds, Observations

RENDER_WIDTH, RENDER_HEIGHT = 640, 320


class DrivingEnv(gymnasium.Env):
    """Steer a four-wheel car along the right lane of a random two-lane road, seen through a camera
    with irregular time.

    One step lasts from one used camera frame to the next, 30-60 ms and more where frames are
    dropped.

    Observation (Dict) image (h, w, 3) uint8 RGB, the policy's preprocessed picture; measurements
        (3,) float32: yaw rate [rad/s], lateral acceleration [m/s²], speed [m/s], averaged since the
        last frame; dt (1,) float32 [s] since the last frame.
    Action (Box (1,))
        path curvature [1/m], positive left, within ±0.2. The world controls the speed.
    Reward
        metres of progress x (1 - |lane offset| / 1 m), not below zero.
    End terminated: the car's centre is more than half a lane off, or the car has turned around.
        truncated: the end of the road, or `time_limit` seconds of driving.
    Reset `seed` fixes road, appearance, vehicle, sensor noise and time stamps: same seed and
        actions, bit-equal trajectories. Later resets without one go on to new roads.
        `options={"held_out": True}` draws a test road, which no training seed reaches.
    Info the true lane offset [m], heading error [rad], road curvature [1/m], station [m], stamp
        [ns], and the expert's action.

    Observation, action, reward and termination are those of `task` (sim.tasks); given are those of
    `lane_keeping`.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        task: str = "lane_keeping",
        render_mode: str | None = None,
        world: WorldConfig | None = None,
        preprocessing: PreprocessConfig | None = None,
        time_limit: float = 120.0,
    ) -> None:
        self.render_mode = render_mode
        chosen = load_task(task)
        self._worlds = MujocoWorlds(
            world or WorldConfig(), preprocessing, chosen, time_limit=time_limit
        )
        self._state: MujocoState | None = None
        image = self._worlds.spec.image
        count = len(self._worlds.spec.measurements)
        self.action_space = spaces.Box(-chosen.action_limit, chosen.action_limit, dtype=np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(0, 255, (image.height, image.width, 3), np.uint8),
                "measurements": spaces.Box(-np.inf, np.inf, (count,), np.float32),
                "dt": spaces.Box(0.0, np.inf, (1,), np.float32),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        road = int(self.np_random.integers(LARGEST_SEED)) if seed is None else seed
        held_out = bool((options or {}).get("held_out", False))
        self._state, seen = self._worlds.reset([road], held_out)
        return _first(seen), self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        found = self._worlds.step(self._state, np.reshape(action, (1, -1)))
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
        }


def _first(seen: Observations) -> dict:
    """The observation of the only world, as the environment's space has it."""
    return {"image": seen.image[0], "measurements": seen.measurements[0], "dt": seen.dt}
