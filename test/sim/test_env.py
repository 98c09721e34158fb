"""The gymnasium environment: gymnasium's own checker, determinism to the bit, and ends that mean
what they say."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from liquid_control.config import WorldConfig
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.sim.env import DrivingEnv

SMALL = WorldConfig(length=60.0, trees=5)
NAME = "liquid_control/LaneKeeping-v0"


@pytest.fixture
def env():
    made = DrivingEnv(world=SMALL)
    yield made
    made.close()


@pytest.mark.parametrize(
    "program",
    [
        "import liquid_control, gymnasium; gymnasium.make('{name}')",
        "import gymnasium, liquid_control; gymnasium.make('{name}')",
        "import gymnasium; gymnasium.make('liquid_control:{name}')",
        "import liquid_control, gymnasium; gymnasium.make('liquid_control:{name}')",
        "import gymnasium, liquid_control.config as c; gymnasium.make('{name}', "
        "world=c.WorldConfig(length=60.0)); gymnasium.make('{name}', world=dict(length=60.0))",
        "from importlib.util import find_spec; import liquid_control; find_spec('gymnasium');"
        "import gymnasium; gymnasium.make('{name}')",
    ],
)
def test_the_id_needs_no_more_than_the_import_of_the_package(program):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.format(name=NAME)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_no_gymnasium_and_no_world():
    program = (
        "import sys, liquid_control; print({'gymnasium', 'mujoco', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_gymnasium_makes_it_by_name_and_its_checker_has_nothing_to_say():
    env = gymnasium.make(NAME, world=SMALL, render_mode="rgb_array")
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
                rng.uniform(-0.25, 0.25, 1).astype(np.float32)
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
        assert info["expert_action"] == pytest.approx([info["expert_curvature"] / 0.2], rel=1e-6)
        _, reward, terminated, truncated, info = env.step(info["expert_action"])
        total, done = total + reward, terminated or truncated
        assert not terminated
    assert total > 0.9 * (info["station"] - 12.0)


def test_leaving_the_lane_terminates_and_is_no_truncation(env):
    env.reset(seed=3)
    for _ in range(200):
        _, reward, terminated, truncated, info = env.step(np.array([1.0], np.float32))
        if terminated or truncated:
            break
    assert terminated and not truncated
    assert abs(info["lane_offset"]) > 1.5


def test_time_limit_truncates():
    env = DrivingEnv(world=SMALL, time_limit=0.5)
    _, info = env.reset(seed=3)
    for _ in range(100):
        _, _, terminated, truncated, info = env.step(info["expert_action"])
        if truncated:
            break
    assert truncated and not terminated and 5e8 < info["stamp_ns"] < 7e8


def test_nan_and_infinite_actions_do_not_break_it(env):
    env.reset(seed=3)
    for value in (np.nan, np.inf, -np.inf):
        observation, reward, *_ = env.step(np.array([value], np.float32))
        assert np.isfinite(reward) and np.isfinite(observation["measurements"]).all()


@pytest.mark.parametrize("action, curvature", [(0.5, 0.1), (-1.0, -0.2), (7.0, 0.2)])
def test_an_action_is_a_share_of_the_largest_curvature(env, action, curvature, monkeypatch):
    """The nominal wheelbase is 2.6 m; beyond 1 is 1."""
    env.reset(seed=3)
    (world,) = env._worlds._worlds
    advance, angles = world.advance, []
    monkeypatch.setattr(world, "advance", lambda *given: angles.append(given[0]) or advance(*given))
    env.step(np.array([action], np.float32))
    assert angles == pytest.approx([math.atan(2.6 * curvature)] * len(angles)) and angles
    assert env.action_limit * env.action_space.high == pytest.approx([0.2])


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_of_a_running_environment_goes_on_bit_equal_and_apart(env, duplicate):
    env.reset(seed=9)
    for _ in range(5):
        env.step(np.array([0.1], np.float32))
    other, aside = duplicate(env), duplicate(env)
    aside.step(np.array([-1.0], np.float32))
    for _ in range(8):
        one, two = (each.step(np.array([0.02], np.float32)) for each in (env, other))
        assert all(np.array_equal(one[0][key], two[0][key]) for key in one[0])
        assert one[1:4] == two[1:4] and one[4]["station"] == two[4]["station"]
    assert aside.step(np.array([0.02], np.float32))[4]["lane_offset"] != one[4]["lane_offset"]
    other.close(), aside.close()


@pytest.mark.parametrize(
    "given, said",
    [
        ({"task": "parking"}, "task: got 'parking', expected one of lane_keeping"),
        ({"render_mode": "ansi"}, "render_mode"),
        ({"time_limit": 0}, "time_limit"),
        ({"time_limit": math.nan}, "time_limit"),
        ({"time_limit": "long"}, "time_limit"),
        ({"world": {"lenght": 60.0}}, "WorldConfig.lenght"),
        ({"world": {"length": -1.0}}, "WorldConfig.length"),
        ({"world": 3}, "WorldConfig"),
        ({"preprocessing": {"height": 1}}, "PreprocessConfig.height"),
    ],
)
def test_wrong_arguments_are_refused_by_name(given, said):
    with pytest.raises(ConfigError, match=said):
        DrivingEnv(**given)


@pytest.mark.parametrize(
    "options", [{"heldout": True}, {"held_out": "no"}, {"held_out": 1}, ["held_out"], "held_out"]
)
def test_wrong_options_are_refused_and_change_nothing(env, options):
    env.reset(seed=3)
    with pytest.raises(ConfigError, match="options"):
        env.reset(seed=4, options=options)
    _, info = env.reset(seed=3, options={"held_out": np.True_})
    assert info["curvature"] != env.reset(seed=3)[1]["curvature"]


def test_a_step_before_the_reset_and_a_wrong_shape_are_refused(env):
    with pytest.raises(ConfigError, match="reset first"):
        env.step(np.zeros(1, np.float32))
    env.reset(seed=3)
    with pytest.raises(ShapeError, match="action"):
        env.step(np.zeros(2, np.float32))
