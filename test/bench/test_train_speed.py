"""`bench train`: the stopwatch, the step that is cut in two, and the whole of it, small."""

from __future__ import annotations

import copy
import json
import time

import numpy as np
import pytest
import torch

from liquid_control.bench.train_speed import fitting
from liquid_control.bench.train_speed.report import table
from liquid_control.bench.train_speed.run import TrainBenchSettings, bench_train
from liquid_control.bench.train_speed.stopwatch import timed
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Sequences
from liquid_control.model.car import lane_keeping
from liquid_control.policy.network import PolicyNetwork
from liquid_control.train.fit import FitSettings, action_loss, inputs, make_optimiser, optimise
from liquid_control.train.simulation_settings import SimulationSettings


class Worker:
    def work(self, seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    def fail(self) -> None:
        raise RuntimeError("as expected")


def test_the_stopwatch_adds_up_and_leaves_nothing_behind():
    before = Worker.work, Worker.fail
    with (
        pytest.raises(RuntimeError),
        timed({"work": (Worker, "work"), "fail": (Worker, "fail")}, time.perf_counter) as seconds,
    ):
        assert Worker().work(0.02) + Worker().work(0.03) == 0.05
        Worker().fail()
    assert seconds["work"] >= 0.05 and 0.0 < seconds["fail"] < seconds["work"]
    assert (Worker.work, Worker.fail) == before


def test_a_timed_step_learns_what_a_step_of_training_does():
    recipe, rng = SimulationSettings(frames=4, fit=FitSettings(batch=4)), np.random.default_rng(0)
    size, count = (recipe.preprocess.height, recipe.preprocess.width, 3), 40
    episode = Episode(
        lane_keeping(recipe.preprocess),
        (np.arange(count) * 40_000_000).astype(np.int64),
        rng.integers(0, 255, (count, *size), np.uint8),
        rng.normal(size=(count, 3)).astype(np.float32),
        np.full(count, 0.04, np.float32),
        np.arange(count) == 0,
        rng.normal(0, 0.02, (count, 1)).astype(np.float32),
        np.zeros((count, 4), np.float32),
    )
    torch.manual_seed(0)
    timed_one = PolicyNetwork(recipe.policy, lane_keeping(recipe.preprocess))
    plain, whole = copy.deepcopy(timed_one), copy.deepcopy(timed_one)
    sequences = Sequences([episode], recipe.frames, recipe.augmentation)
    parts = fitting.timed_step(
        timed_one,
        make_optimiser(timed_one, recipe.fit),
        sequences,
        np.random.default_rng(1),
        recipe,
    )
    assert list(parts) == ["batch", "encoder, forward", "core", "encoder, backward", "optimiser"]
    assert min(parts.values()) > 0
    batch = sequences.draw(np.random.default_rng(1), recipe.fit.batch)
    optimise(plain, make_optimiser(plain, recipe.fit), batch, recipe.fit, 1.0)
    for (name, one), other in zip(timed_one.named_parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other), name
    prediction = whole.unroll(*inputs(batch, whole))
    action = action_loss(prediction.action, batch, whole.spec, recipe.fit.curve_weight)
    (action + recipe.fit.auxiliary_weight * prediction.auxiliary.square().mean()).backward()
    for group in make_optimiser(whole, recipe.fit).param_groups:
        torch.nn.utils.clip_grad_norm_(group["params"], recipe.fit.clip)
    for (name, one), other in zip(timed_one.named_parameters(), whole.parameters(), strict=True):
        assert (one.grad is None) == (other.grad is None), name
        if one.grad is not None:
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def operations(network: PolicyNetwork, image: torch.Tensor) -> int:
    """Multiplications and additions of the encoder forward and backward, counted by hand."""
    found = []

    def count(layer, inputs, output):
        weights = layer.weight[0].numel()  # of one output
        found.append(2 * output.numel() * weights)

    for layer in network.encoder.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(count)
    network.encoder(image)
    return 3 * sum(found) - found[0]  # the picture needs no gradient


def test_the_whole_is_measured_and_written(tmp_path):
    answer = bench_train(TrainBenchSettings(tmp_path, roads=1, length=60.0, steps=2, rounds=1))
    assert json.loads((tmp_path / "train.json").read_text()) == answer
    assert (tmp_path / "train.png").stat().st_size > 10_000
    collected, fitted = answer["collecting"], answer["fitting"]
    assert collected["frames"] > 50 and sum(collected["parts"].values()) == pytest.approx(
        collected["seconds"]
    )
    assert all(seconds > 0 for seconds in collected["parts"].values())
    assert fitted["encoder_frames_per_second"] > fitted["frames_per_second"] / 2
    recipe = SimulationSettings()
    image = torch.zeros(
        fitted["frames"], recipe.preprocess.height, recipe.preprocess.width, 3, dtype=torch.uint8
    )
    assert fitted["encoder"]["flops"] == operations(
        PolicyNetwork(recipe.policy, lane_keeping(recipe.preprocess)), image
    )
    assert sum(answer["training"]["shares"].values()) == pytest.approx(1.0)
    for part in ("rendering", "physics", "encoder", "core", "rest"):
        assert 0.0 < answer["training"]["shares"][part] < 1.0 and part in table(answer)
    assert (
        answer["rendering"]["empty_s"]
        < answer["rendering"]["one_pixel_s"]
        < answer["rendering"]["picture_s"]
    )
