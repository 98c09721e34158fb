"""N worlds together: to the bit the same as N single ones, whatever their frames' times."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.errors import ConfigError, ImageError, ShapeError
from liquid_control.sim.env import DrivingEnv
from liquid_control.sim.worlds import MujocoWorlds, Observations

SMALL = WorldConfig(length=60.0, trees=5)
SEEDS = [9, 4, 2**60]


@pytest.fixture
def worlds():
    made = []

    def make(**settings) -> MujocoWorlds:
        made.append(MujocoWorlds(SMALL, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


def arrays(seen: Observations) -> list[np.ndarray]:
    return [getattr(seen, field.name) for field in dataclasses.fields(seen)]


def actions(steps: int, count: int) -> np.ndarray:
    """(T, N, 1) float32."""
    return np.random.default_rng(5).uniform(-0.03, 0.08, (steps, count, 1)).astype(np.float32)


@pytest.mark.parametrize("count", [1, 3])
def test_n_worlds_are_n_single_ones_to_the_bit(worlds, count):
    together, single = worlds(), [worlds() for _ in range(count)]
    state, seen = together.reset(SEEDS[:count])
    others = [each.reset([seed]) for each, seed in zip(single, SEEDS, strict=False)]
    states = [other for other, _ in others]
    for row, (_, alone) in enumerate(others):
        for one, two in zip(arrays(seen), arrays(alone), strict=True):
            assert len(one) == count and np.array_equal(one[row], two[0])
    ended = np.zeros(count, bool)
    for action in actions(50, count):
        step = together.step(state, action)
        state = step.state
        for row, each in enumerate(single):
            alone = each.step(states[row], action[row : row + 1])
            states[row] = alone.state
            for one, two in zip(arrays(step.observation), arrays(alone.observation), strict=True):
                assert np.array_equal(one[row], two[0])
            for one, two in zip(step[2:], alone[2:], strict=True):
                assert one.shape == (count,) and one[row] == two[0]
            assert state.truths[row] == alone.state.truths[0]
            assert np.array_equal(state.expert[row], alone.state.expert[0])
        ended |= step.terminated | step.truncated
    assert ended.any()


def test_the_environment_is_one_world(worlds):
    env, one = DrivingEnv(world=SMALL), worlds()
    observation, info = env.reset(seed=9)
    state, seen = one.reset([9])
    for action in [*actions(20, 1), np.array([[np.nan]], np.float32)]:
        assert np.array_equal(observation["image"], seen.image[0])
        assert np.array_equal(observation["measurements"], seen.measurements[0])
        assert np.array_equal(observation["dt"], seen.dt)
        assert info["expert_curvature"] == state.expert[0, 0]
        observation, reward, terminated, truncated, info = env.step(action[0])
        state, seen, *ends = one.step(state, action.astype(np.float64) * env.action_limit)
        assert [reward, terminated, truncated] == [end[0] for end in ends]
        assert (type(reward), type(terminated), type(truncated)) == (float, bool, bool)
    env.close()


def test_frames_come_at_different_times_in_each_row(worlds):
    made = worlds()
    state, _ = made.reset(SEEDS)
    dts = []
    for _ in range(30):
        state, seen, *_ = made.step(state, state.expert)
        dts.append(seen.dt)
    assert np.ptp(dts, axis=1).min() > 0.0 and 0.02 < np.min(dts) < np.max(dts) < 0.3
    assert not any(made.spec.image is None for _ in dts) and not seen.is_first.any()


def test_the_expert_of_every_row_stays_in_its_lane(worlds):
    made = worlds()
    state, _ = made.reset(SEEDS)
    rewards = np.zeros(3)
    for _ in range(120):
        state, _, reward, terminated, _ = made.step(state, state.expert)
        rewards += reward
        assert not terminated.any()
    progress = [truth.station - 12.0 for truth in state.truths]
    assert (rewards > 0.9 * np.array(progress)).all() and min(progress) > 25.0


def test_worlds_can_be_reset_to_another_number_and_give_the_same_again(worlds):
    made = worlds()
    _, first = made.reset(SEEDS)
    made.reset(SEEDS[:1])
    _, again = made.reset(SEEDS)
    for one, two in zip(arrays(first), arrays(again), strict=True):
        assert np.array_equal(one, two)
    _, held_out = made.reset(SEEDS, held_out=True)
    assert not np.array_equal(first.image, held_out.image)


def test_what_cannot_be_stepped_is_refused(worlds):
    made = worlds()
    old, _ = made.reset(SEEDS[:2])
    with pytest.raises(ShapeError, match=r"action: got shape \(3, 1\), expected \(2, 1\)"):
        made.step(old, np.zeros((3, 1)))
    new = made.step(old, np.zeros((2, 1))).state
    with pytest.raises(ConfigError, match="state"):
        made.step(old, np.zeros((2, 1)))
    made.step(new, np.zeros((2, 1)))
    with pytest.raises(ConfigError, match="at least one"):
        made.reset([])
    with pytest.raises(ConfigError, match="seed"):
        made.reset([-1])


def test_a_camera_smaller_than_the_policys_picture_is_refused(worlds):
    with pytest.raises(ImageError, match="got 64x128, expected at least 128x256"):
        worlds(preprocess=PreprocessConfig(height=128, width=256)).reset([0])
