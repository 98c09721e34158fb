"""RecordedRoad-v0: gymnasium's checker, determinism to the bit, no input that no recording has."""

from __future__ import annotations

import dataclasses
import pickle
import sys
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import liquid_control  # noqa: F401  registers the environments

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import CAMERA, SIZE, road, write_ground_drive

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError
from liquid_control.recordings.settings import CameraMount, RecordingSettings

ROAD = road()
NAME = "liquid_control/RecordedRoad-v0"
MOUNT = CameraMount(CAMERA.above, CAMERA.pitch, 1.2, CAMERA.forward)
SETTINGS = RecordingSettings(mount=MOUNT, response_delay=0.1)
"""Nothing is left to be estimated."""


def make(roads=(ROAD,), **settings):
    return gymnasium.make(NAME, recordings=roads, **settings)


def test_gymnasiums_checker_passes_with_and_without_measurements():
    blind = dataclasses.replace(ROAD, measured=())
    for roads, count in (((ROAD,), 3), ((blind,), 0), ((ROAD, blind), 0)):
        env = make(roads, preprocessing=SIZE).unwrapped
        assert env.observation_space["measurements"].shape == (count,)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*Box observation space.*")
            check_env(env, skip_render_check=True)


def test_paths_of_recordings_are_loaded(tmp_path):
    recording = write_ground_drive(tmp_path / "drive", seconds=5.0)
    env = gymnasium.make(
        NAME,
        recordings=recording,
        settings=SETTINGS,
        cache=tmp_path / "cache",
        render_mode="rgb_array",
    )
    observation, info = env.reset(seed=1)
    assert observation["image"].shape == (64, 128, 3)
    assert np.abs(info["expert_curvature"]) < 0.05
    assert env.render().shape[2] == 3


def drive(env, seed: int, steps: int = 30) -> list:
    observation, info = env.reset(seed=seed)
    found = [(observation, info["station"])]
    for _ in range(steps):
        observation, reward, terminated, truncated, info = env.step(info["expert_action"])
        found.append((observation, reward, terminated, truncated, info["lane_offset"]))
    return found


def test_the_same_seed_gives_the_same_episode_to_the_bit_and_another_another_station():
    env = make().unwrapped
    first, again, copied = drive(env, 4), drive(env, 4), drive(pickle.loads(pickle.dumps(env)), 4)
    for other in (again, copied):
        for one, same in zip(first, other, strict=True):
            assert all(np.array_equal(one[0][name], same[0][name]) for name in one[0])
            assert one[1:] == same[1:]
    assert drive(env, 5, 0)[0][1] != first[0][1]


def test_the_expert_stays_on_the_path_and_full_steering_leaves_it():
    env = make().unwrapped
    for _, reward, terminated, _, offset in drive(env, 2, 60)[1:]:
        assert not terminated and reward > 0.1 and abs(offset) < 0.05
    env.reset(seed=2)
    ends = [env.step(np.ones(1, np.float32))[2] for _ in range(60)]
    assert any(ends)


def test_recordings_are_not_held_out_by_an_option_and_have_one_vehicle():
    with pytest.raises(ConfigError, match="by not naming it"):
        make().reset(seed=1, options={"held_out": True})
    small = dataclasses.replace(ROAD, vehicle=VehicleConfig(0.3, 0.4))
    with pytest.raises(ConfigError, match="different vehicles"):
        make((ROAD, small))
    with pytest.raises(ConfigError, match="at least one path"):
        make(())
