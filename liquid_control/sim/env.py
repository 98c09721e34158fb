"""The world as a gymnasium environment, `liquid_control/LaneKeeping-v0`."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
from gymnasium import spaces

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.perception.observer import Observer
from liquid_control.signals import Observation
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.seeds import LARGEST_SEED
from liquid_control.sim.world import World

SHARPEST_ACTION = 0.2
RENDER_WIDTH, RENDER_HEIGHT = 640, 320


class LaneKeeping(gymnasium.Env):
    """Steer a four-wheel car along the right lane of a random two-lane road, seen through a camera
    with irregular time.

    One step lasts from one used camera frame to the next, 30-60 ms and more where frames are
    dropped.

    Observation (Dict) image (h, w, 3) uint8 RGB, the policy's preprocessed picture; inertial (3,)
        float32: yaw rate [rad/s], lateral acceleration [m/s²], speed [m/s], averaged since the last
        frame; dt (1,) float32 [s] since the last frame.
    Action (Box (1,))
        path curvature [1/m], positive left, within ±0.2. The world drives the pedals.
    Reward
        metres of progress x (1 - |lane offset| / 1 m), not below zero.
    End terminated: the car's centre is more than half a lane off (left the lane for good), or it
        has turned around. truncated: the end of the road, or `time_limit` seconds of driving.
    Reset `seed` fixes road, look, vehicle, sensor noise and time stamps: same seed and actions,
        bit-equal trajectories. Later resets without one go on to new roads. `options={"held_out":
        True}` draws a test road, which no training seed reaches.
    Info the true lane offset [m], heading error [rad], road curvature [1/m], station [m], stamp
        [ns], and the expert's curvature.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 25}

    def __init__(
        self,
        render_mode: str | None = None,
        world: WorldConfig | None = None,
        preprocessing: PreprocessConfig | None = None,
        time_limit: float = 120.0,
    ) -> None:
        self.render_mode = render_mode
        self._config, self._preprocess = world or WorldConfig(), preprocessing or PreprocessConfig()
        self._time_limit_ns = round(time_limit * 1e9)
        self._world: World | None = None
        self._observer = Observer(self._preprocess)
        self.action_space = spaces.Box(-SHARPEST_ACTION, SHARPEST_ACTION, (1,), np.float32)
        self.observation_space = spaces.Dict(
            {
                "image": spaces.Box(
                    0, 255, (self._preprocess.height, self._preprocess.width, 3), np.uint8
                ),
                "inertial": spaces.Box(-np.inf, np.inf, (3,), np.float32),
                "dt": spaces.Box(0.0, np.inf, (1,), np.float32),
            }
        )

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        road = int(self.np_random.integers(LARGEST_SEED)) if seed is None else seed
        held_out = bool((options or {}).get("held_out", False))
        if self._world is None:
            self._world = World(self._config, road, held_out)
        else:
            self._world.reset(road, held_out)
        self._observer.reset()
        observation = self._until_frame(0.0)
        self._truth = self._world.truth
        return observation, self._info()

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        curvature = float(np.clip(action, self.action_space.low, self.action_space.high).item())
        observation = self._until_frame(
            steering_angle(0.0 if math.isnan(curvature) else curvature, VEHICLE)
        )
        before, truth = self._truth, self._world.truth
        self._truth, task = truth, self._world.task
        reward, terminated = task.reward(before, truth), task.is_terminated(truth)
        truncated = not terminated and (truth.finished or truth.stamp_ns > self._time_limit_ns)
        return observation, reward, terminated, truncated, self._info()

    def render(self) -> np.ndarray | None:
        return (
            self._world.render(RENDER_WIDTH, RENDER_HEIGHT, "chase")
            if self.render_mode == "rgb_array"
            else None
        )

    def close(self) -> None:
        if self._world is not None:
            self._world.close()

    def _until_frame(self, angle: float) -> dict:
        """Holds the steering angle until a frame is usable. Raises ImageError for a camera that is
        smaller than the policy's picture."""
        while True:
            seen = None
            for event in self._world.advance(angle):
                outcome = self._observer.push(event)
                seen = outcome if isinstance(outcome, Observation) else seen
            if self._observer.image_error is not None:
                raise self._observer.image_error
            if seen is not None:
                return {
                    "image": seen.image,
                    "inertial": seen.measurements,
                    "dt": np.array([seen.dt], np.float32),
                }

    def _info(self) -> dict:
        truth = self._world.truth
        return {
            "stamp_ns": truth.stamp_ns,
            "station": truth.station,
            "lane_offset": truth.lane_offset,
            "heading_error": truth.heading_error,
            "curvature": truth.curvature,
            "expert_curvature": self._world.task.expert(self._world),
        }
