"""Training in simulation on a small budget, for real: worlds, processes, DAgger, checkpoint, model,
evaluation."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Augmentation, Sequences
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.errors import ConfigError, ImageError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import LtcConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.sim import scenario
from liquid_control.sim.collect import CollectionSettings, collect_expert
from liquid_control.sim.recorded_scenario import Deviation
from liquid_control.train import from_simulation
from liquid_control.train.checkpoint import load_checkpoint, save_checkpoint
from liquid_control.train.closed_loop_settings import ClosedLoopSettings
from liquid_control.train.fit import FitSettings, make_optimiser, optimise, schedule
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_simulation import train
from liquid_control.train.run import Run
from liquid_control.train.simulation_settings import SimulationSettings

SIZE, SLIM = (
    PreprocessConfig(height=32, width=64),
    PolicyConfig(encoder="slim", core=LtcConfig(unfolds=1)),
)
SMALL = {
    "long_roads": 0,
    "short_roads": 6,
    "steps": 30,
    "rounds": 1,
    "round_roads": 2,
    "round_steps": 10,
    "evaluation_roads": 2,
    "fit": FitSettings(batch=8),
    "core_fit": CoreFitSettings(20, 16, 1),
    "preprocess": SIZE,
    "policy": SLIM,
}


@pytest.fixture(scope="module", autouse=True)
def short_roads():
    """Roads of 60 m, in training and in its evaluation."""

    def evaluate(settings):
        return evaluation(dataclasses.replace(settings, world=WorldConfig(length=60.0)))

    evaluation = from_simulation.evaluate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenario, "SHORT_ROAD", 60.0)
        patch.setattr(scenario, "POLICY_ROAD", 60.0)
        patch.setattr(from_simulation, "evaluate", evaluate)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = SimulationSettings(out=tmp_path_factory.mktemp("run"), seed=1, workers=1, **SMALL)
    return settings, train(settings)


def test_a_run_leaves_a_model_that_says_how_it_was_made(run):
    settings, evaluation = run
    info = read_model(settings.out / "model")
    assert info.provenance["settings"]["seed"] == 1 and info.provenance["settings"]["steps"] == 30
    assert info.provenance["seed"] == 1 and info.provenance["data"]["frames"] == sum(
        len(load_episode(p)) for p in (settings.out / "episodes").iterdir()
    )
    assert info.metrics["distance_m"] == evaluation["distance_m"] and info.metrics["roads"] == 2
    assert len(evaluation["per_road"]) == 2 and evaluation["speed_up"] > 0
    runtime = OnnxRuntime.load(settings.out / "model")
    assert runtime.spec.state_size == 19
    assert list((settings.out / "tensorboard").glob("events.*"))


def test_a_finished_run_goes_on_where_it_was_and_other_settings_are_refused(run):
    settings, _ = run
    weights = (settings.out / "model" / "weights.safetensors").read_bytes()
    train(
        dataclasses.replace(settings, evaluation_roads=2, workers=2, device="cpu")
    )  # the place of a run does not decide its outcome
    assert (settings.out / "model" / "weights.safetensors").read_bytes() == weights
    with pytest.raises(ConfigError, match=r"other settings \(fit.batch, steps\)"):
        train(dataclasses.replace(settings, steps=31, fit=FitSettings(batch=9)))


def test_checkpoint_restores_network_optimiser_and_progress_exactly(tmp_path, run):
    settings, _ = run
    episodes = [load_episode(p) for p in sorted((settings.out / "episodes").iterdir())]
    sequences, options = Sequences(episodes, 16, Augmentation()), FitSettings(batch=4)

    def make():
        torch.manual_seed(0)
        network = PolicyNetwork(SLIM, lane_keeping(SIZE))
        return network, make_optimiser(network, FitSettings())

    def fit(network, optimiser, seed, first, last, steps):
        rng = np.random.default_rng(seed)
        for step in range(first, last + 1):
            batch = sequences.draw(rng, options.batch)
            optimise(network, optimiser, batch, options, schedule(step, steps))

    network, optimiser = make()
    fit(network, optimiser, 0, 1, 4, 4)
    save_checkpoint(tmp_path / "c.safetensors", network, optimiser, {"step": 4})
    other, other_optimiser = make()
    assert load_checkpoint(tmp_path / "c.safetensors", other, other_optimiser) == {"step": 4}
    for net, opt in ((network, optimiser), (other, other_optimiser)):
        fit(net, opt, 1, 5, 8, 8)
    for one, two in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: b"\xff" * len(data),
        lambda data: data[:8] + b"{" + data[9:100] + b"}" + data[101:],
        lambda data: (2).to_bytes(8, "little") + b"{}",
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    ],
    ids=["empty", "half", "noise", "header", "nothing", "one bit"],
)
@pytest.mark.parametrize("name", ["checkpoint.safetensors", "best.safetensors"])
def test_a_damaged_checkpoint_is_refused_by_name_and_not_touched(tmp_path, run, spoil, name):
    settings, _ = run
    spoiled = spoil((settings.out / "checkpoint.safetensors").read_bytes())
    (tmp_path / name).write_bytes(spoiled)
    network = PolicyNetwork(SLIM, lane_keeping(SIZE))
    with Run(tmp_path, "m", {}, 0, torch.device("cpu")) as training:
        with pytest.raises(ConfigError, match=f"{name}: got 'a damaged file', expected an intact"):
            if name == "best.safetensors":
                training.load_best(network)
            else:
                training.resume(network, make_optimiser(network, FitSettings()), {"step": 0})
    assert (tmp_path / name).read_bytes() == spoiled


def test_a_checkpoint_without_its_position_or_of_another_network_is_refused(tmp_path):
    network = PolicyNetwork(SLIM, lane_keeping(SIZE))
    optimiser = make_optimiser(network, FitSettings())
    with Run(tmp_path, "m", {}, 0, torch.device("cpu")) as training:
        for facts in ({}, {"position": {}}, {"position": {}, "seconds": {"total": 1.0}}):
            save_checkpoint(tmp_path / "checkpoint.safetensors", network, optimiser, facts)
            with pytest.raises(ConfigError, match="a damaged file"):
                training.resume(network, optimiser, {"step": 0})
        other = PolicyNetwork(PolicyConfig(encoder="strided"), lane_keeping(SIZE))
        training.checkpoint(other, make_optimiser(other, FitSettings()), {"step": 3})
        with pytest.raises(ConfigError, match="a damaged file"):
            training.resume(network, optimiser, {"step": 0})


def test_fitting_lowers_the_loss_on_real_drives(run):
    settings, _ = run
    episodes = [load_episode(p) for p in sorted((settings.out / "episodes").glob("expert*"))]
    torch.manual_seed(0)
    network = PolicyNetwork(SLIM, lane_keeping(SIZE))
    sequences = Sequences(episodes, 16, Augmentation(noise_share=0.0))
    optimiser, rng, losses = make_optimiser(network, FitSettings()), np.random.default_rng(0), []
    for step in range(1, 141):
        batch = sequences.draw(rng, 8)
        found = optimise(network, optimiser, batch, FitSettings(), schedule(step, 140))
        losses.append(found["action"])
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
        assert np.array_equal(one.image, two.image) and np.array_equal(one.action, two.action)
    before = (tmp_path / "1" / "expert_0001.npz").read_bytes()
    with pytest.raises(ConfigError, match="2 drives of an earlier run.*an empty folder"):
        collect_expert(CollectionSettings(tmp_path / "1", roads=1, seed=6, world=world))
    assert (tmp_path / "1" / "expert_0001.npz").read_bytes() == before


def test_settings_refuse_what_cannot_train():
    for bad in ({"seed": -1}, {"steps": -1}, {"frames": 1}, {"rounds": 1.5}):
        with pytest.raises(ConfigError):
            SimulationSettings(**bad)


@pytest.mark.parametrize(
    "kind", [FitSettings, Augmentation, CoreFitSettings, ClosedLoopSettings, Deviation]
)
def test_every_setting_of_a_fit_is_bounded(kind):
    for field in (each for each in dataclasses.fields(kind) if each.name != "deviation"):
        for wrong in (field.metadata["low"] - 1, field.metadata["high"] + 1, math.nan, "many"):
            with pytest.raises(ConfigError, match=field.name):
                kind(**{field.name: wrong})
    with pytest.raises(ConfigError, match="FitSettings.batch: got 0"):
        FitSettings(batch=0)


def test_an_interrupted_run_ends_with_the_same_weights(run, tmp_path, monkeypatch):
    """Interrupted between two checkpoints, in the first fit and in the DAgger round."""
    settings = dataclasses.replace(
        run[0], out=tmp_path / "total", steps=6, round_steps=5, evaluation_roads=0, workers=1
    )
    monkeypatch.setattr(from_simulation, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr("liquid_control.train.run.export_onnx", None)  # takes longer than the fits
    monkeypatch.setattr("liquid_control.deploy.packed_runtime.load_runtime", TorchRuntime.load)
    again = dataclasses.replace(settings, out=tmp_path / "again")
    for folder in (settings.out, again.out):  # the expert drives as in `run`
        (folder / "episodes").mkdir(parents=True)
        for path in (run[0].out / "episodes").glob("expert*"):
            shutil.copy(path, folder / "episodes")
    train(settings)
    taken, interrupted_at = [], {4, 5 + 7}  # the 4th step of 6; after a repeated one, the 2nd of 5

    def stumble(*arguments):
        taken.append(1)
        if len(taken) in interrupted_at:
            raise KeyboardInterrupt
        return optimise(*arguments)

    monkeypatch.setattr(from_simulation, "optimise", stumble)
    for _ in interrupted_at:
        with pytest.raises(KeyboardInterrupt):
            train(again)
    train(again)
    assert len(taken) > 6 + 5 + len(interrupted_at)
    one, two = (
        (folder / "model" / "weights.safetensors").read_bytes()
        for folder in (settings.out, again.out)
    )
    assert one == two


def test_a_run_of_an_earlier_version_is_refused(tmp_path):
    """Settings were written without a format then."""
    (tmp_path / "settings.json").write_text(json.dumps({"seed": 0, "memory_fit": {"steps": 3}}))
    with pytest.raises(ConfigError, match="a run of another version.*cannot be resumed"):
        train(SimulationSettings(tmp_path))
    (tmp_path / "settings.json").write_text('{"seed": 0')
    with pytest.raises(ConfigError, match="a damaged file"):
        train(SimulationSettings(tmp_path))


def test_a_crop_that_leaves_too_little_of_the_simulated_camera_is_refused_before_anything_is_driven(
    tmp_path,
):
    crop = {"out": tmp_path / "out", "preprocess": PreprocessConfig(crop_top=0.2)}
    for begin, settings in (
        (train, SimulationSettings(**crop)),
        (collect_expert, CollectionSettings(**crop)),
    ):
        with pytest.raises(ImageError, match="got 52x128, expected at least 64x128"):
            begin(settings)
        assert not (tmp_path / "out").exists()


def test_settings_file_is_json(run):
    settings, _ = run
    assert json.loads((settings.out / "settings.json").read_text())["seed"] == 1
