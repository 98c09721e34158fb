"""B worlds of the twin behind `VectorWorld`: seeds, ends, who drives well, bad input."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.errors import ConfigError, ShapeError
from liquid_control.sim.batched.lane import NOMINAL_DT, LaneSettings, LaneWorlds
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.sim.tasks.lane_keeping import DEPARTURE, OFF_ROAD

FEW = LaneSettings(world=WorldConfig(length=150.0), roads=6)
EXAM = dataclasses.replace(
    FEW, roads=20, held_out=True, anywhere=False, offset=0.0, heading=0.0, time_limit=100.0
)


def driven(worlds, steps, action=None, seed=3):
    """Frames and steps of a drive by the expert, or of one action."""
    frames, steps_ = [worlds.reset(seed)], []
    for _ in range(steps):
        wanted = worlds.expert() if action is None else torch.full((worlds.num_worlds, 1), action)
        steps_.append(worlds.step(wanted))
        frames.append(steps_[-1].frame)
    return frames, steps_


def equal(one, other, **tolerance):
    same = {"rtol": 0.0, "atol": 0.0, **tolerance}
    return all(
        torch.allclose(getattr(one, name), getattr(other, name), **same)
        for name in ("measurements", "dt", "state")
    ) and torch.equal(one.is_first, other.is_first)


def test_the_expert_keeps_to_the_lane_of_twenty_unseen_roads():
    worlds = LaneWorlds(20, EXAM)
    worlds.reset(0)
    largest, finished = 0.0, 0
    while finished < 20:
        step = worlds.step(worlds.expert())
        assert not step.terminated.any() and not step.broken.any()
        largest = max(largest, float(worlds.lane_offset.abs().max()))
        finished += int(step.truncated.sum())
    assert largest < 0.3 * DEPARTURE


def test_a_car_that_is_not_steered_leaves_its_lane_and_begins_again():
    worlds = LaneWorlds(8, FEW)
    _, steps = driven(worlds, 150, action=0.0)
    ends = [step for step in steps if step.terminated.any()]
    assert len(ends) > 5
    for step in ends:
        rows = step.terminated
        assert torch.equal(step.frame.is_first, step.done)
        assert (step.last.state[rows, 0].abs() * 0.5 > 0.999 * OFF_ROAD).all()
        assert (step.frame.state[rows, 0].abs() * 0.5 < OFF_ROAD).all()
        assert (step.frame.dt[rows] == NOMINAL_DT).all() and not step.last.is_first.any()
        going = ~step.done
        assert torch.equal(step.last.measurements[going], step.frame.measurements[going])
    assert all(step.last is None for step in steps if not step.done.any())


def test_a_seed_decides_everything_whatever_came_before():
    worlds = LaneWorlds(5, FEW)
    first, _ = driven(worlds, 60, action=0.02)
    driven(worlds, 7, seed=8)
    again, _ = driven(worlds, 60, action=0.02)
    others, _ = driven(worlds, 60, action=0.02, seed=4)
    assert all(equal(one, other) for one, other in zip(first, again, strict=True))
    assert not equal(first[0], others[0])


def test_frames_are_irregular_and_their_times_are_those_of_the_camera():
    worlds = LaneWorlds(64, FEW)
    _, steps = driven(worlds, 100)
    dt = torch.stack([step.dt for step in steps])
    assert float(dt.mean()) == pytest.approx(0.0425, rel=0.05)
    single = dt[dt < 1.15 * 0.05]
    assert float(single.min()) > 0.85 / 30.0 - 1e-4
    assert float((dt > 1.15 * 0.05).float().mean()) == pytest.approx(0.045, abs=0.02)
    done = torch.stack([step.done for step in steps])
    assert torch.equal(torch.stack([step.frame.dt for step in steps])[~done], dt[~done])


def test_rewards_are_metres_of_progress_on_the_lanes_centre():
    worlds = LaneWorlds(16, dataclasses.replace(EXAM, roughness=0.0))
    worlds.reset(0)
    before, total, passed = worlds.station, 0.0, 0.0
    for _ in range(50):
        step = worlds.step(worlds.expert())
        total += float(step.reward.sum())
        passed += float((worlds.station - before).sum())
        before = worlds.station
    assert 0.9 * passed < total <= passed


def test_pytorch_gives_the_kernels_worlds_through_their_ends():
    settings = dataclasses.replace(FEW, offset=0.8)
    compiled, plain = LaneWorlds(6, settings), LaneWorlds(6, settings)
    plain._compiled = False
    frame, other = compiled.reset(5), plain.reset(5)
    assert equal(frame, other, atol=1e-4)
    ended = 0
    for _ in range(30):
        action = torch.full((6, 1), 0.1)
        step, plain_step = compiled.step(action), plain.step(action)
        assert equal(step.frame, plain_step.frame, atol=3e-3)
        assert torch.equal(step.done, plain_step.done)
        assert torch.allclose(step.reward, plain_step.reward, atol=2e-3)
        if step.last is not None:
            assert equal(step.last, plain_step.last, atol=3e-3)
        ended += int(step.done.sum())
    assert ended


def test_a_frame_is_a_value():
    worlds = LaneWorlds(3, FEW)
    frame = worlds.reset(0)
    kept = frame.measurements.clone(), frame.state.clone(), frame.dt.clone()
    first = worlds.step(worlds.expert())
    reward = first.reward.clone()
    worlds.step(worlds.expert())
    assert torch.equal(frame.measurements, kept[0]) and torch.equal(frame.state, kept[1])
    assert torch.equal(frame.dt, kept[2]) and torch.equal(first.reward, reward)


def test_a_world_whose_numbers_are_not_finite_is_named_and_begins_again():
    worlds = LaneWorlds(4, FEW)
    worlds.reset(0)
    worlds._batch.state[2] = math.nan
    step = worlds.step(worlds.expert())
    assert step.broken.tolist() == [False, False, True, False]
    assert step.reward[2] == 0.0 and torch.isfinite(step.frame.measurements).all()
    assert not (step.terminated | step.truncated)[2] and step.frame.is_first[2]
    assert not worlds.step(worlds.expert()).broken.any()


def test_bad_actions_are_refused_or_count_as_none():
    worlds = LaneWorlds(2, FEW)
    worlds.reset(0)
    with pytest.raises(ShapeError, match="action"):
        worlds.step(torch.zeros(2, 2))
    for value in (math.nan, math.inf, -math.inf):
        step = worlds.step(torch.full((2, 1), value))
        assert torch.isfinite(step.frame.measurements).all() and not step.broken.any()


def test_conditions_of_time_and_body_are_there_and_others_are_refused():
    slow = LaneWorlds(8, FEW, condition=CONDITIONS["rate_10"])
    _, steps = driven(slow, 20)
    assert float(torch.cat([step.dt for step in steps]).median()) == pytest.approx(0.1, abs=0.01)
    biased = LaneWorlds(8, FEW, condition=CONDITIONS["imu_biased"])
    frame = biased.reset(0)
    read, true = frame.measurements[:, 5], frame.state[:, 5] * 0.5
    assert float((read - true).mean()) == pytest.approx(0.05, abs=0.01)
    for name in ("fog", "silence", "noise_0.3"):
        with pytest.raises(ConfigError, match="batch"):
            LaneWorlds(1, FEW, condition=CONDITIONS[name])


def test_what_is_not_there_is_one_line():
    with pytest.raises(ConfigError, match="num_worlds"):
        LaneWorlds(0)
    with pytest.raises(ConfigError, match="device"):
        LaneWorlds(1, FEW, device="cuda:7")


def test_pictures_are_those_of_the_camera_and_of_the_end_of_an_episode():
    settings = dataclasses.replace(
        FEW, observation="pictures", roads=3, image=PreprocessConfig(16, 32)
    )
    worlds, numbers = LaneWorlds(3, settings), LaneWorlds(3, dataclasses.replace(FEW, roads=3))
    plain = LaneWorlds(3, settings)
    plain._compiled = False
    frame, seen = worlds.reset(1), numbers.reset(1)
    assert torch.equal(frame.state, seen.state) and frame.measurements.shape == (3, 3)
    off = (frame.image.int() - plain.reset(1).image.int()).abs()
    assert frame.image.shape == (3, 16, 32, 3) and float((off <= 1).float().mean()) > 0.995
    assert worlds.spec.image == settings.image and frame.image.float().std() > 10
    while True:
        step = worlds.step(torch.full((3, 1), 0.1))
        if step.done.any():
            break
        before = step.frame
    over, going = step.done, ~step.done
    change = (step.last.image.int() - before.image.int()).abs().float().mean((1, 2, 3))
    jump = (step.frame.image.int() - before.image.int()).abs().float().mean((1, 2, 3))
    assert (change[over] < jump[over]).all()
    assert torch.equal(step.last.image[going], step.frame.image[going])
    assert worlds.auxiliary().shape == (3, 4)
    assert torch.equal(worlds.auxiliary()[:, 0], worlds.lane_offset)
    with pytest.raises(ConfigError, match="crop"):
        LaneWorlds(1, dataclasses.replace(settings, image=PreprocessConfig(crop_top=0.2)))
