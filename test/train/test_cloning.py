"""The parts of learning from given drives: splits, losses with unknown targets, predictions,
scales, figures, the comparison."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Batch
from liquid_control.experiments.recordings import compare
from liquid_control.model.car import lane_keeping
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.fit import (
    FitSettings,
    action_loss,
    auxiliary_loss,
    auxiliary_target,
    inputs,
)
from liquid_control.train.split import GAP, Split, split_blocks, split_recordings
from liquid_control.train.starting_network import normalise_measurements, scale_actions, widened
from liquid_control.train.validation import errors, predict

SIZE = PreprocessConfig(height=16, width=32)
CAR = lane_keeping(SIZE)


def episode(frames: int, seed: int = 0) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(
        CAR,
        10**18 + np.arange(frames) * 5 * 10**7,
        rng.integers(0, 255, (frames, 16, 32, 3), np.uint8),
        rng.standard_normal((frames, 3)).astype(np.float32),
        np.full(frames, 0.05, np.float32),
        np.arange(frames) == 0,
        rng.normal(0, 0.02, (frames, 1)).astype(np.float32),
        np.full((frames, 4), np.nan, np.float32),
    )


def test_splits_hold_out_whole_recordings():
    episodes = {f"drive_{index}": episode(100 + 10 * index) for index in range(7)}
    for seed in range(5):
        split = split_recordings(episodes, 0.3, seed, 30.0)
        assert not set(split.learned) & set(split.held_out) and set(split.learned) | set(
            split.held_out
        ) == set(episodes)
        share = sum(map(len, split.held_out.values())) / sum(map(len, episodes.values()))
        assert 0.25 < share < 0.55 and split.by == "recording"
    assert (
        split_recordings(episodes, 0.3, 1, 30.0).held_out.keys()
        == split_recordings(episodes, 0.3, 1, 30.0).held_out.keys()
    )
    assert len(split_recordings({"a": episode(10), "b": episode(90)}, 0.9, 0, 30.0).learned) == 1


@pytest.mark.parametrize("frames", [200, 2000, 6000])
def test_blocks_of_one_recording_keep_their_distance(frames):
    learned, held_out = split_blocks(episode(frames), 30.0)
    stamps = [np.concatenate([part.stamp_ns for part in side]) for side in (learned, held_out)]
    nearest = np.abs(stamps[1][:, None] - stamps[0][None]).min() * 1e-9
    assert nearest >= min(GAP, frames * 0.05 / 10) - 0.06 and 0.1 < len(stamps[1]) / frames < 0.3
    assert all(part.is_first[0] and not part.is_first[1:].any() for part in (*learned, *held_out))


def test_unknown_targets_carry_no_loss_and_known_ones_the_same_as_ever():
    torch.manual_seed(0)
    network = PolicyNetwork(PolicyConfig(), CAR)
    rng = np.random.default_rng(0)
    batch = Batch(
        rng.integers(0, 255, (4, 6, 16, 32, 3), np.uint8),
        rng.standard_normal((4, 6, 3)).astype(np.float32),
        np.full((4, 6), 0.05, np.float32),
        rng.normal(0, 0.02, (4, 6, 1)).astype(np.float32),
        np.zeros((4, 6, 4), np.float32),
    )
    network.requires_grad_(False)

    def losses(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        prediction = network.unroll(*inputs(batch, network))
        action = action_loss(prediction.action, batch, CAR, FitSettings().curve_weight)
        return action, auxiliary_loss(prediction.auxiliary, auxiliary_target(batch, CAR))

    whole, auxiliary = losses(batch)
    halves = []
    for part in (slice(0, 2), slice(2, 4)):
        action, auxiliary_part = (
            np.full_like(each, np.nan) for each in (batch.action, batch.auxiliary)
        )
        action[part], auxiliary_part[part] = batch.action[part], batch.auxiliary[part]
        halves.append(losses(dataclasses.replace(batch, action=action, auxiliary=auxiliary_part)))
    weights = [
        np.exp(np.abs(batch.action[part][:, 1:] / 0.04).clip(0, 2) * 0.5).sum()
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert float(whole) == pytest.approx(
        float(sum(w * half[0] for w, half in zip(weights, halves, strict=True)) / sum(weights)),
        rel=1e-5,
    )
    assert float(auxiliary) == pytest.approx(float(halves[0][1] + halves[1][1]) / 2, rel=1e-5)
    nothing = dataclasses.replace(batch, auxiliary=np.full((4, 6, 4), np.nan, np.float32))
    assert float(losses(nothing)[1]) == 0.0


def test_predictions_keep_the_state_through_a_drive_and_reset_it_at_starts():
    torch.manual_seed(0)
    network, one = PolicyNetwork(PolicyConfig(), CAR).eval(), episode(200)
    with torch.no_grad():
        state, answers = network.initial_state(1), []
        for index in range(200):
            columns = (one.image, one.measurements, one.dt)
            answer, state = network.step(
                *(torch.from_numpy(np.array(column[index : index + 1])) for column in columns),
                state,
            )
            answers.append(float(answer))
    assert np.allclose(predict(network, one)[:, 0], answers, atol=1e-6)
    restarted = dataclasses.replace(one, is_first=np.isin(np.arange(200), (0, 150)))
    tail = restarted.part(150, 200)
    assert np.allclose(predict(network, restarted)[150:], predict(network, tail), atol=1e-6)


def test_scales_come_from_the_learned_part_alone():
    learned, other = episode(300), episode(300, 1)
    other = dataclasses.replace(other, action=np.full((300, 1), 5.0, np.float32))
    moved = learned.measurements * [0.1, 2.0, 0.5] + [0.0, 0.0, 3.0]
    learned = dataclasses.replace(learned, measurements=moved.astype(np.float32))
    split = Split({"a": learned}, {"b": other}, "recording")
    (steering,) = scale_actions(CAR, split)
    assert steering.scale == pytest.approx(0.04, rel=0.1)
    assert dataclasses.replace(steering, scale=0.04) == CAR.actions[0]
    network = PolicyNetwork(PolicyConfig(), CAR)
    normalise_measurements(network, split)
    sensed = (
        network._sense(torch.zeros(300, 29), torch.from_numpy(learned.measurements))[:, -3:]
        .detach()
        .numpy()
    )
    assert np.abs(sensed.mean(0)).max() < 0.1 and sensed.std(0) == pytest.approx(
        [0.4, 0.4, 0.4], rel=0.1
    )


def test_errors_are_those_of_the_definitions():
    wanted = np.array([0.01, -0.02, 0.0, 0.03])
    found = errors(wanted + 0.01, wanted)
    assert (found["mae"], found["rmse"], found["bias"], found["correlation"]) == pytest.approx(
        (0.01, 0.01, 0.01, 1.0)
    )
    assert (
        found["rmse_straight"] == pytest.approx(math.sqrt(14e-4 / 4))
        and errors(np.zeros(4), wanted)["correlation"] is None
    )


def test_the_comparison_of_policies_finds_a_difference_where_there_is_one():
    rng = np.random.default_rng(0)
    roads = [
        {
            "departures": int(rng.poisson(0.5)),
            "lateral_rmse_m": float(rng.uniform(0.1, 0.4)),
            "distance_m": 500.0,
        }
        for _ in range(40)
    ]
    worse = [
        {
            **road,
            "departures": road["departures"] + 1,
            "lateral_rmse_m": road["lateral_rmse_m"] + 0.05,
        }
        for road in roads
    ]
    pairs = ((roads, roads), (roads, worse), (worse, roads))
    same, up, down = (
        compare({"episodes": [{"per_road": one}], "bags": [{"per_road": two}]}, 0)
        for one, two in pairs
    )
    assert same["as_well"]["bags"] == {"departures": True, "rmse": True} and same["difference"][
        "bags"
    ]["rmse"]["interval"] == [0.0, 0.0]
    low, high = same["bags"]["departures"]["interval"]
    assert low < same["bags"]["departures"]["mean"] < high
    assert up["as_well"]["bags"] == {"departures": False, "rmse": False}
    assert down["as_well"]["bags"] == {"departures": True, "rmse": True}


def test_measurements_beyond_a_cars_bounds_have_bounds_of_their_own():
    """The yaw rate of a small robot, and the speed of a fast car; a car on a road keeps all."""
    rng = np.random.default_rng(0)

    def driven(yaw_rate, lateral, speed, glitch=0.0):
        one = episode(400)
        one.measurements[:, 0] = rng.normal(0.0, yaw_rate, 400)
        one.measurements[:, 1] = rng.normal(0.0, lateral, 400)
        one.measurements[:, 2] = rng.normal(speed, 0.05 * speed, 400)
        one.measurements[0, 0] += glitch
        return Split({"a": one}, {}, "recording")

    car = widened(CAR, driven(0.15, 1.5, 12.0, glitch=50.0))
    assert car == CAR.measurements, "one faulty sample changes nothing"
    yaw_rate, lateral, speed = widened(CAR, driven(1.4, 0.4, 0.3))
    assert (lateral, speed) == CAR.measurements[1:]
    assert yaw_rate.centre == 0.0 and yaw_rate.scale == pytest.approx(1.4, rel=0.1)
    assert -yaw_rate.low == yaw_rate.high == pytest.approx(4.0 * yaw_rate.scale)
    (_, _, fast) = widened(CAR, driven(0.05, 1.0, 35.0))
    assert fast.centre == pytest.approx(35.0, rel=0.02) and fast.low < 35.0 < 40.0 < fast.high
    assert widened(dataclasses.replace(CAR, measurements=()), driven(1.0, 1.0, 1.0)) == ()
