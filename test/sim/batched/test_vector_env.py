"""The twin behind gymnasium's vector interface: its spaces and the rules of its resets."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

import liquid_control  # noqa: F401
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.sim.batched.vector_env import LaneKeepingVector
from liquid_control.sim.env import DrivingEnv
from liquid_control.sim.tasks.lane_keeping import OFF_ROAD

NAME = "liquid_control/LaneKeeping-v0"
FEW = {
    "world": {"length": 80.0, "trees": 5},
    "roads": 3,
    "preprocessing": {"height": 16, "width": 32},
}


def make(num_envs=3, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return gymnasium.make_vec(
            NAME, num_envs=num_envs, vectorization_mode="vector_entry_point", **FEW | kwargs
        )


def equal(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("observation", ["pictures", "numbers"])
def test_spaces_types_and_seeds_are_what_gymnasium_asks_for(observation):
    envs = make(observation=observation)
    assert isinstance(envs, gymnasium.vector.VectorEnv) and envs.num_envs == 3
    assert isinstance(envs.unwrapped, LaneKeepingVector) and envs.spec.id == NAME
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert envs.observation_space == batch_space(envs.single_observation_space, 3)
    assert envs.action_space == batch_space(envs.single_action_space, 3)
    first, infos = envs.reset(seed=4)
    assert first in envs.observation_space
    assert all(
        len(infos[name]) == 3 and infos[f"_{name}"].all() for name in ("station", "lane_offset")
    )
    envs.action_space.seed(0)
    actions = [envs.action_space.sample() for _ in range(6)]
    seen = [envs.step(action) for action in actions]
    for observed, reward, terminated, truncated, infos in seen:
        assert observed in envs.observation_space and isinstance(infos, dict)
        assert reward.shape == terminated.shape == truncated.shape == (3,)
        assert reward.dtype == np.float64 and terminated.dtype == truncated.dtype == bool
    again, _ = envs.reset(seed=4)
    assert equal(first, again)
    for action, (observed, reward, *_) in zip(actions, seen, strict=True):
        repeated = envs.step(action)
        assert equal(observed, repeated[0]) and np.array_equal(reward, repeated[1])
    assert not equal(first, envs.reset()[0])
    envs.close()


def test_spaces_are_those_of_the_single_environment():
    settings = {name: FEW[name] for name in ("world", "preprocessing")}
    single, envs = DrivingEnv(**settings), make()
    assert envs.single_observation_space == single.observation_space
    assert envs.single_action_space == single.action_space
    assert np.array_equal(envs.unwrapped.action_limit, single.action_limit)


def test_a_world_that_ends_begins_again_in_the_same_step():
    envs = make(observation="numbers", anywhere=True)
    envs.reset(seed=1)
    ended = 0
    for _ in range(120):
        observed, reward, terminated, truncated, infos = envs.step(np.full((3, 1), 0.6))
        done = terminated | truncated
        assert ("final_obs" in infos) == done.any()
        if not done.any():
            continue
        assert np.array_equal(infos["_final_obs"], done) and not infos["broken"].any()
        for row in np.flatnonzero(done):
            final = infos["final_obs"][row]
            assert final in envs.single_observation_space
            assert abs(infos["final_info"]["lane_offset"][row]) > 0.999 * OFF_ROAD
            assert abs(infos["lane_offset"][row]) < OFF_ROAD
            assert not np.array_equal(final["measurements"], observed["measurements"][row])
            ended += 1
        assert all(infos["final_obs"][row] is None for row in np.flatnonzero(~done))
    assert ended > 3


def test_the_experts_actions_reach_the_end_of_the_road():
    envs = make(observation="numbers")
    _, infos = envs.reset(seed=0, options={"held_out": True})
    assert (infos["station"] < 12.5).all() and (np.abs(infos["lane_offset"]) < 0.01).all()
    total = np.zeros(3)
    for _ in range(600):
        _, reward, terminated, truncated, infos = envs.step(infos["expert_action"])
        assert not terminated.any()
        total += reward
        if truncated.any():
            break
    assert truncated.any() and total.max() > 60.0


def test_a_world_that_breaks_is_marked_and_goes_on():
    envs = make(observation="numbers")
    envs.reset(seed=0)
    envs.unwrapped._worlds._batch.state[1] = torch.nan
    _, reward, terminated, truncated, infos = envs.step(np.zeros((3, 1)))
    assert infos["broken"].tolist() == truncated.tolist() == [False, True, False]
    assert reward[1] == 0.0 and not terminated.any()


@pytest.mark.parametrize(
    "kwargs, word",
    [
        ({"render_mode": "rgb_array"}, "render_mode"),
        ({"time_limit": 0.0}, "time_limit"),
        ({"observation": "words"}, "observation"),
        ({"roads": 0}, "roads"),
        ({"preprocessing": {"crop_top": 0.2}}, "crop"),
    ],
)
def test_wrong_arguments_are_one_line(kwargs, word):
    with pytest.raises(ConfigError, match=word):
        make(**kwargs).reset(seed=0)


def test_wrong_calls_are_one_line():
    envs = make(observation="numbers")
    with pytest.raises(ConfigError, match="reset first"):
        envs.step(np.zeros((3, 1)))
    with pytest.raises(ConfigError, match="options"):
        envs.reset(options={"heldout": True})
    with pytest.raises(ShapeError, match="seed"):
        envs.reset(seed=[1, 2])
    envs.reset(seed=[1, 2, 3])
    with pytest.raises(ShapeError, match="actions"):
        envs.step(np.zeros((2, 1)))


def test_the_other_task_has_no_batch():
    spec = gymnasium.spec("liquid_control/LaneAndSpeed-v0")
    assert spec.vector_entry_point is None
