"""Training from nothing on a small budget, for real: worlds, processes, DAgger, checkpoint, model,
exam."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from liquid_control.config import PolicyConfig, PreprocessConfig, WorldConfig
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError, ImageError
from liquid_control.model.model_file import read_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim.collect import CollectionSettings, collect_expert
from liquid_control.train.checkpoint import load_checkpoint, save_checkpoint
from liquid_control.train.fit import FitSettings, fit, make_optimiser
from liquid_control.train.fit_core import MemoryFitSettings
from liquid_control.train.from_simulation import ImitationSettings, train

SIZE, SLIM = PreprocessConfig(height=32, width=64), PolicyConfig(encoder="slim")
SMALL = {
    "long_roads": 0,
    "short_roads": 6,
    "steps": 30,
    "rounds": 1,
    "round_roads": 2,
    "round_steps": 10,
    "exam_roads": 2,
    "fit": FitSettings(batch=8),
    "memory_fit": MemoryFitSettings(20, 16, 1),
    "preprocess": SIZE,
    "policy": SLIM,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = ImitationSettings(out=tmp_path_factory.mktemp("run"), seed=1, **SMALL)
    return settings, train(settings)


def test_a_run_leaves_a_model_that_says_how_it_was_made(run):
    settings, exam = run
    info = read_model(settings.out / "model")
    assert info.provenance["settings"]["seed"] == 1 and info.provenance["settings"]["steps"] == 30
    assert info.provenance["frames"] == sum(
        len(load_episode(p)) for p in (settings.out / "episodes").iterdir()
    )
    assert info.metrics["distance_m"] == exam["distance_m"] and info.metrics["roads"] == 2
    assert len(exam["per_road"]) == 2 and exam["speed_up"] > 0
    runtime = OnnxRuntime.load(settings.out / "model")
    assert runtime.neurons == 19
    assert list((settings.out / "tensorboard").glob("events.*"))


def test_a_finished_run_goes_on_where_it_was_and_other_settings_are_refused(run):
    settings, _ = run
    weights = (settings.out / "model" / "weights.safetensors").read_bytes()
    train(
        dataclasses.replace(settings, exam_roads=2, workers=1, device="cpu")
    )  # where it is done is nothing that decides
    assert (settings.out / "model" / "weights.safetensors").read_bytes() == weights
    with pytest.raises(ConfigError, match="other settings"):
        train(dataclasses.replace(settings, steps=31))


def test_checkpoint_restores_network_optimiser_and_progress_exactly(tmp_path, run):
    settings, _ = run
    episodes = [load_episode(p) for p in sorted((settings.out / "episodes").iterdir())]
    sequences = Sequences(episodes, 16, Augmentation(), 0.04)

    def make():
        torch.manual_seed(0)
        network = PolicyNetwork(SLIM, SIZE)
        return network, make_optimiser(network, FitSettings())

    network, optimiser = make()
    fit(network, optimiser, sequences, 4, np.random.default_rng(0), FitSettings(batch=4))
    save_checkpoint(tmp_path / "c.safetensors", network, optimiser, {"step": 4})
    other, other_optimiser = make()
    assert load_checkpoint(tmp_path / "c.safetensors", other, other_optimiser) == {"step": 4}
    for net, opt in ((network, optimiser), (other, other_optimiser)):
        fit(net, opt, sequences, 8, np.random.default_rng(1), FitSettings(batch=4), start=4)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_fitting_lowers_the_loss_on_real_drives(run):
    settings, _ = run
    episodes = [load_episode(p) for p in sorted((settings.out / "episodes").glob("expert*"))]
    torch.manual_seed(0)
    network = PolicyNetwork(SLIM, SIZE)
    losses = []
    sequences = Sequences(episodes, 16, Augmentation(noise_share=0.0), 0.04)
    fit(
        network,
        make_optimiser(network, FitSettings()),
        sequences,
        140,
        np.random.default_rng(0),
        FitSettings(batch=8),
        on_step=lambda step, loss: losses.append(loss["steering"]),
    )
    assert np.mean(losses[-15:]) < 0.5 * np.mean(losses[:15])


def test_collection_is_the_same_for_any_number_of_workers(tmp_path):
    world = WorldConfig(length=60.0, trees=5)
    for workers in (1, 2):
        found = collect_expert(
            CollectionSettings(
                tmp_path / str(workers), roads=2, seed=5, world=world, workers=workers
            )
        )
        assert found["frames"] > 50
    for name in ("expert_0000.npz", "expert_0001.npz"):
        one, two = (load_episode(tmp_path / workers / name) for workers in ("1", "2"))
        assert np.array_equal(one.image, two.image) and np.array_equal(one.curvature, two.curvature)


def test_settings_refuse_what_cannot_train():
    for bad in ({"seed": -1}, {"steps": -1}, {"frames": 1}, {"rounds": 1.5}):
        with pytest.raises(ConfigError):
            ImitationSettings(**bad)


def test_a_crop_that_leaves_too_little_of_the_simulated_camera_is_refused_before_anything_is_driven(
    tmp_path,
):
    crop = {"out": tmp_path / "out", "preprocess": PreprocessConfig(crop_top=0.2)}
    for begin, settings in (
        (train, ImitationSettings(**crop)),
        (collect_expert, CollectionSettings(**crop)),
    ):
        with pytest.raises(ImageError, match="got 52x128, expected at least 64x128"):
            begin(settings)
        assert not (tmp_path / "out").exists()


def test_settings_file_is_json(run):
    settings, _ = run
    assert json.loads((settings.out / "settings.json").read_text())["seed"] == 1
