"""The gymnasium environment: gymnasium's own checker, determinism to the bit, and ends that mean
what they say."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from liquid_control.config import WorldConfig
from liquid_control.sim.env import DrivingEnv
from liquid_control.sim.registration import register_environments

SMALL = WorldConfig(length=60.0, trees=5)


@pytest.fixture
def env():
    made = DrivingEnv(world=SMALL)
    yield made
    made.close()


def test_gymnasium_makes_it_by_name_and_its_checker_has_nothing_to_say():
    if "liquid_control/LaneKeeping-v0" not in gymnasium.registry:  # not installed as a package here
        with gymnasium.envs.registration.namespace("liquid_control"):
            register_environments()
    env = gymnasium.make("liquid_control/LaneKeeping-v0", world=SMALL, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(minimum|maximum) value is (-)?infinity.*")
        check_env(env.unwrapped, skip_render_check=False)
    env.reset(seed=1)
    picture = env.render()
    assert picture.shape == (320, 640, 3) and picture.std() > 10
    env.close()


def test_same_seed_and_actions_give_bit_equal_trajectories():
    def drive() -> list:
        env = DrivingEnv(world=SMALL)
        rng = np.random.default_rng(5)
        observation, info = env.reset(seed=9)
        seen = [(observation, 0.0, info)]
        for _ in range(40):
            observation, reward, terminated, truncated, info = env.step(
                rng.uniform(-0.05, 0.05, 1).astype(np.float32)
            )
            seen.append((observation, reward, info))
            if terminated or truncated:
                break
        env.close()
        return seen

    first, second = drive(), drive()
    assert len(first) == len(second) > 10
    for (one, reward_one, info_one), (two, reward_two, info_two) in zip(first, second, strict=True):
        assert all(np.array_equal(one[key], two[key]) for key in one)
        assert reward_one == reward_two and info_one == info_two


def test_following_the_expert_ends_the_road_and_never_the_lane(env):
    _, info = env.reset(seed=3)
    total, done = 0.0, False
    while not done:
        _, reward, terminated, truncated, info = env.step(
            np.array([info["expert_curvature"]], np.float32)
        )
        total, done = total + reward, terminated or truncated
        assert not terminated
    assert total > 0.9 * (info["station"] - 12.0)


def test_leaving_the_lane_terminates_and_is_no_truncation(env):
    env.reset(seed=3)
    for _ in range(200):
        _, reward, terminated, truncated, info = env.step(np.array([0.2], np.float32))
        if terminated or truncated:
            break
    assert terminated and not truncated
    assert abs(info["lane_offset"]) > 1.5


def test_time_limit_truncates():
    env = DrivingEnv(world=SMALL, time_limit=0.5)
    _, info = env.reset(seed=3)
    for _ in range(100):
        _, _, terminated, truncated, info = env.step(
            np.array([info["expert_curvature"]], np.float32)
        )
        if truncated:
            break
    assert truncated and not terminated and 5e8 < info["stamp_ns"] < 7e8


def test_nan_and_infinite_actions_do_not_break_it(env):
    env.reset(seed=3)
    for value in (np.nan, np.inf, -np.inf):
        observation, reward, *_ = env.step(np.array([value], np.float32))
        assert np.isfinite(reward) and np.isfinite(observation["measurements"]).all()
