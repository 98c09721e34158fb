"""Bodies and gymnasium environments as B worlds: the physics, rewards and ends are gymnasium's,
times and outages are what they say, and a world that breaks is reset."""

from __future__ import annotations

import types

import gymnasium
import numpy as np
import pytest
import torch

from liquid_control.errors import ConfigError, ShapeError
from liquid_control.model.spec import names
from liquid_control.sim.batched.bodies import BODIES, EPISODE, LONGEST_OUTAGE, BodyWorld
from liquid_control.sim.batched.gymnasium_world import GymnasiumWorld
from liquid_control.sim.rendering import mujoco


def actions(world, seed=0):
    draws = torch.Generator().manual_seed(seed)
    shape = world.num_worlds, len(world.spec.actions)
    while True:
        yield 2 * torch.rand(shape, generator=draws) - 1


def run(world, seed, steps):
    frames, steps_taken = [world.reset(seed)], []
    for _, action in zip(range(steps), actions(world), strict=False):
        steps_taken.append(world.step(action))
        frames.append(steps_taken[-1].frame)
    return frames, steps_taken


@pytest.mark.parametrize("name", BODIES)
def test_a_body_moves_and_is_rewarded_as_in_gymnasium(name, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imageio", types.ModuleType("imageio"))
    peer = gymnasium.make(f"{name}-v5")
    peer.reset(seed=1)
    world = BodyWorld(name, 2, workers=1)
    world.reset(0)
    data = world._data[0]
    mujoco.mj_resetData(world.model, data)
    data.qpos[:], data.qvel[:] = peer.unwrapped.data.qpos, peer.unwrapped.data.qvel
    mujoco.mj_forward(world.model, data)
    assert world.nominal_dt == pytest.approx(peer.unwrapped.dt)
    rng, ended = np.random.default_rng(0), False
    for _ in range(100):
        action = rng.uniform(-1, 1, world.model.nu).astype(np.float32)
        seen, reward, ended, _, _ = peer.step(action)
        step = world.step(torch.from_numpy(np.stack([action, action])))
        frame = step.last if step.last is not None else step.frame
        np.testing.assert_allclose(frame.measurements[0].numpy(), seen, atol=2e-6)
        assert step.reward[0].item() == pytest.approx(reward, abs=2e-6)
        assert bool(step.terminated[0]) == ended
        if ended:
            break
    assert ended == (name in ("Hopper", "Walker2d")), "the walkers fall, the others do not"


def test_same_seed_and_actions_give_equal_frames_with_any_number_of_threads():
    one, two = (BodyWorld("Hopper", 6, "outages", workers=count) for count in (1, 3))
    run(one, 7, 20)
    (frames, steps), (others, again) = run(one, 5, 60), run(two, 5, 60)
    for frame, other in zip(frames, others, strict=True):
        assert torch.equal(frame.measurements, other.measurements)
        assert torch.equal(frame.state, other.state) and torch.equal(frame.dt, other.dt)
    assert all(torch.equal(a.reward, b.reward) for a, b in zip(steps, again, strict=True))
    ended = torch.stack([step.done for step in steps])
    assert ended.any() and not torch.equal(frames[1].state, run(one, 6, 1)[0][1].state)
    first = torch.stack([frame.is_first for frame in frames[1:]])
    assert torch.equal(first, ended) and bool(frames[0].is_first.all())
    two.close()


@pytest.mark.parametrize(
    "observation, count", [("full", 17), ("masked", 8), ("irregular", 9), ("outages", 10)]
)
def test_a_policy_is_given_what_the_observation_says(observation, count):
    world = BodyWorld("HalfCheetah", 16, observation, workers=1)
    frames, steps = run(world, 0, 120)
    assert frames[0].measurements.shape == (16, count) == (16, len(world.spec.measurements))
    assert frames[0].state.shape == (16, world.state_size)
    dt = torch.stack([step.dt for step in steps]) / world.nominal_dt
    assert torch.equal(torch.stack([f.dt for f in frames[1:]]), dt * world.nominal_dt)
    if observation in ("full", "masked"):
        assert torch.allclose(dt, torch.ones(()))
        return
    assert dt.min().item() == pytest.approx(0.2) and dt.max().item() == pytest.approx(1.8)
    assert 0.95 < dt.mean().item() < 1.05
    given = torch.stack([frame.measurements for frame in frames])  # (T, B, M)
    period = names(world.spec.measurements).index("period")
    assert torch.equal(given[1:, :, period], torch.stack([step.dt for step in steps]))
    held = (given[1:, :, :8] == given[:-1, :, :8]).all(-1)
    if observation == "irregular":
        assert not held.any()
        return
    age = given[1:, :, -1]
    assert torch.equal(held, age > 0.0) and 0.1 < held.float().mean().item() < 0.4
    assert age.max().item() <= LONGEST_OUTAGE * 1.8 * world.nominal_dt


def test_rewards_of_irregular_steps_add_up_to_the_way_of_the_body():
    world = BodyWorld("HalfCheetah", 4, "irregular", workers=1)
    world.reset(3)
    start = world._forward()
    reward = held = 0.0
    for _ in range(50):
        step = world.step(torch.zeros(4, 6))
        reward, held = reward + step.reward.double(), held + step.dt.double()
    assert reward.numpy() * world.nominal_dt == pytest.approx(world._forward() - start, abs=1e-5)
    assert held.numpy() == pytest.approx(world._clock * world.nominal_dt, rel=1e-5)


def test_the_time_is_over_after_a_thousand_periods():
    world = BodyWorld("HalfCheetah", 2, "irregular", workers=1)
    world.reset(0)
    world._clock[:] = EPISODE - 1.5, 0.0
    steps = [world.step(torch.zeros(2, 6)) for _ in range(10)]
    ended = torch.stack([step.truncated for step in steps])
    assert ended[:, 0].sum() >= 1 and not ended[:, 1].any()
    step = steps[int(ended[:, 0].nonzero()[0, 0])]
    assert step.last.state[0, -1] <= 0.0 < 0.99 < step.frame.state[0, -1] <= 1.0
    assert not step.terminated.any() and torch.equal(step.last.state[1], step.frame.state[1])


def test_a_world_with_broken_physics_is_reset_and_the_others_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    world, other = (BodyWorld("Hopper", 3, "masked", workers=1) for _ in range(2))
    world.reset(0), other.reset(0)
    world._data[1].qvel[:] = np.nan
    step, sound = (each.step(torch.zeros(3, 3)) for each in (world, other))
    assert step.broken.tolist() == step.frame.is_first.tolist() == [False, True, False]
    assert step.reward[1] == 0.0 and bool(step.frame.measurements.isfinite().all())
    for row in (0, 2):
        assert torch.equal(step.frame.state[row], sound.frame.state[row])
    assert not world.step(torch.zeros(3, 3)).broken.any()
    assert not list(tmp_path.iterdir()), "MuJoCo writes no log"


def test_wrong_bodies_and_actions_are_named():
    with pytest.raises(ConfigError, match="HalfCheetah, Hopper, Walker2d, Ant"):
        BodyWorld("Horse", 1)
    with pytest.raises(ConfigError, match="full, masked"):
        BodyWorld("Ant", 1, "blind")
    world = BodyWorld("Hopper", 2, workers=1)
    world.reset(0)
    with pytest.raises(ShapeError, match=r"\(2, 3\)"):
        world.step(torch.zeros(3))


def test_a_gymnasium_environment_is_b_worlds():
    world, peer = GymnasiumWorld("Pendulum-v1", 3), gymnasium.make("Pendulum-v1")
    frame = world.reset(11)
    seeds = np.random.default_rng(11).integers(2**31, size=3)
    seen, _ = peer.reset(seed=int(seeds[2]))
    np.testing.assert_allclose(frame.measurements[2].numpy(), seen, atol=1e-6)
    assert world.nominal_dt == pytest.approx(peer.unwrapped.dt)
    for index in range(201):
        step = world.step(torch.full((3, 1), 0.7))
        if index < 200:
            seen, reward, _, over, _ = peer.step(np.array([0.7], np.float32))
            shown = step.last if over else step.frame
            np.testing.assert_allclose(shown.measurements[2].numpy(), seen, atol=1e-6)
            assert step.reward[2].item() == pytest.approx(float(reward), abs=1e-5)
            assert bool(step.truncated.all()) == bool(step.frame.is_first.all()) == over
    assert not step.done.any(), "the next episode"
    world.close()
