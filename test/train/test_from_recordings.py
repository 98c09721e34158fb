"""Training on recordings, for real and in seconds: the model predicts what the drivers did on held-
out recordings."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

from liquid_control.cli import main as cli
from liquid_control.config import PreprocessConfig
from liquid_control.data.episode import Episode
from liquid_control.data.sequences import Augmentation
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import LtcConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.saved import load_network
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.signals import Observation
from liquid_control.train import cloning
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit import FitSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import train
from liquid_control.train.load_recordings import RefusedRecordingsError
from liquid_control.train.recordings_settings import RecordingsSettings
from liquid_control.train.run import Run
from liquid_control.train.split import Split, TooLittleError
from liquid_control.train.starting_network import fine_tuned
from liquid_control.train.validation import predict

SIZE = PreprocessConfig(height=16, width=32)
SLIM = PolicyConfig(encoder="slim", core=LtcConfig(unfolds=1))
QUICK = CloneSettings(
    steps=240,
    validate_every=80,
    frames=8,
    fit=FitSettings(batch=8, encoder_rate=5e-3, core_rate=2e-2),
    augmentation=Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0),
    core_fit=CoreFitSettings(steps=300),
)
SHORTEST = dataclasses.replace(QUICK, steps=2, core_fit=CoreFitSettings(steps=2))


@pytest.fixture(scope="module")
def bags(tmp_path_factory, drives):
    folder = tmp_path_factory.mktemp("bags")
    return tuple(
        drives.write_drive(folder / f"drive_{seed}", seed, seconds=14.0) for seed in range(4)
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory, bags):
    folder = tmp_path_factory.mktemp("run")
    return RecordingsSettings(
        bags,
        closed_loop="off",
        out=folder / "run",
        cache=folder / "cache",
        clone=QUICK,
        policy=SLIM,
        preprocess=SIZE,
        workers=1,
    )


@pytest.fixture(scope="module")
def run(settings):
    return train(settings)


@pytest.fixture
def without_export(monkeypatch):
    """Models without ONNX, whose export takes longer than these trainings."""
    monkeypatch.setattr("liquid_control.train.run.export_onnx", None)


def test_a_policy_learns_from_recordings_what_drivers_do_on_others(settings, run):
    info = read_model(run["model"])
    found = info.metrics["held_out"]
    assert found["rmse"] < 0.5 * found["rmse_straight"] and found["correlation"] > 0.9
    assert found["rmse"] == run["held_out"]["rmse"] and found["frames"] == sum(
        each["frames"] for each in found["recordings"].values()
    )
    data = info.provenance["data"]
    learned, held_out = set(data["split"]["learned"]), set(data["split"]["held_out"])
    assert (
        run["split"] == "recording"
        and not learned & held_out
        and learned | held_out == {str(bag) for bag in settings.recordings}
    )
    for name, facts in data["recordings"].items():
        assert (
            facts["source"] == "steering" and len(facts["files"]) == 2 and facts["targets"] > 200
        ), name
        assert not facts["findings"]
    assert [row["step"] for row in info.metrics["history"]] == [80, 160, 240]
    assert info.provenance["settings"]["clone"]["seed"] == 0
    assert list((settings.out / "tensorboard").glob("events.*"))


def test_the_core_alone_is_fitted_too_and_kept_where_that_helps(
    settings, run, tmp_path, without_export
):
    """A fit of the core at a rate that ruins it is discarded."""
    core = run["core_fit"]
    assert core["kept"] == (core["rmse_after"] < core["rmse_before"]) and core["steps"] == 300
    assert run["held_out"]["rmse"] == min(core["rmse_after"], core["rmse_before"])
    shutil.copytree(
        settings.out, tmp_path / "run", ignore=shutil.ignore_patterns("settings.json", "model")
    )
    ruined = dataclasses.replace(QUICK.fit, core_rate=1e3)
    clone = dataclasses.replace(QUICK, fit=ruined, core_fit=CoreFitSettings(steps=3))
    worse = train(dataclasses.replace(settings, out=tmp_path / "run", clone=clone))
    core = worse["core_fit"]
    assert not core["kept"] and core["rmse_after"] > core["rmse_before"] == pytest.approx(
        run["core_fit"]["rmse_before"], rel=1e-6
    )
    assert worse["held_out"]["rmse"] == core["rmse_before"]


def test_the_model_runs_like_any_other(settings, run, drives):
    runtime = OnnxRuntime.load(run["model"])
    state = runtime.initial_state()
    answers = []
    for step in range(20):
        image = drives.picture(0.03, np.random.default_rng(step))
        seen = Observation(step, image, np.array([0.24, 1.9, 8.0], np.float32), 0.05, step == 0)
        answer, state = runtime.step(seen, state)
        answers.append(answer)
    assert answers[-1] == pytest.approx(0.03, abs=0.012)


def test_an_interrupted_run_ends_with_the_same_weights(
    settings, tmp_path, monkeypatch, without_export
):
    import liquid_control.train.cloning as cloning

    whole, again = (
        dataclasses.replace(
            settings,
            out=tmp_path / name,
            clone=dataclasses.replace(
                QUICK, steps=30, validate_every=10, core_fit=CoreFitSettings(steps=20)
            ),
        )
        for name in ("whole", "again")
    )
    train(whole)
    validate, validations = cloning.validate, []

    def stumble(*arguments):
        validations.append(1)
        if len(validations) == 2:
            raise KeyboardInterrupt
        return validate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(cloning, "validate", stumble)
        with pytest.raises(KeyboardInterrupt):
            train(again)
    train(again)
    for one, two in zip(
        load_network(whole.out / "model").parameters(),
        load_network(again.out / "model").parameters(),
        strict=True,
    ):
        assert torch.equal(one, two)


def test_a_run_with_other_settings_or_recordings_is_refused(settings, run):
    for change in (
        {"curvature": CurvatureSettings(source="gyro")},
        {"recordings": settings.recordings[:3]},
    ):
        with pytest.raises(ConfigError, match="a run with other settings"):
            train(dataclasses.replace(settings, **change))


def test_fine_tuning_starts_from_the_model_and_keeps_its_sizes(
    settings, run, tmp_path, without_export
):
    start = read_model(run["model"])
    tuned = dataclasses.replace(
        settings,
        start=run["model"],
        out=tmp_path / "tuned",
        policy=PolicyConfig(),
        preprocess=PreprocessConfig(),
        clone=dataclasses.replace(QUICK, steps=40, core_fit=CoreFitSettings(steps=20)),
    )
    result = train(tuned)
    info = read_model(result["model"])
    assert (info.policy, info.preprocess, info.wiring) == (
        start.policy,
        start.preprocess,
        start.wiring,
    )
    assert (
        info.provenance["data"]["from"]["files"] == dict(start.files)
        and result["held_out"]["rmse"] < 0.5 * result["held_out"]["rmse_straight"]
    )
    for flags, said in (
        ({"preprocess": PreprocessConfig(height=20)}, "16x32"),
        ({"policy": PolicyConfig(core=LtcConfig(unfolds=2))}, "no --policy flags"),
    ):
        with pytest.raises(ConfigError, match=said):
            train(dataclasses.replace(tuned, out=tmp_path / "other", **flags))


def robot_drive(drives, seed: int, frames: int = 240) -> Episode:
    """A small robot at 0.3 m/s, whose bends reach 5 1/m; pictures as those of the car's drives."""
    rng, time = np.random.default_rng(seed), np.arange(frames) * 0.05
    bends = np.array([drives.curvature(now, seed) for now in time])
    first = np.zeros(frames, bool)
    first[0] = True
    measured = np.stack([150.0 * bends * 0.3, 150.0 * bends * 0.09, np.full(frames, 0.3)], 1)
    return Episode(
        lane_keeping(SIZE),
        np.round(time * 1e9).astype(np.int64),
        np.stack([drives.picture(bend, rng) for bend in bends]),
        measured.astype(np.float32),
        np.full(frames, 0.05, np.float32),
        first,
        (150.0 * bends[:, None]).astype(np.float32),
        np.full((frames, 4), np.nan, np.float32),
    )


def test_a_cars_model_takes_the_scales_of_a_robot_with_bends_of_5_per_metre(
    run, drives, tmp_path, without_export
):
    """What the car's model answers in shares of its steering, the robot's begins with in shares of
    its own, and reaches its range in a few steps; the car's recordings change no scale."""
    info = read_model(run["model"])
    episodes = {str(seed): robot_drive(drives, seed) for seed in range(4)}
    split = Split({name: episodes[name] for name in "012"}, {"3": episodes["3"]}, "recording")
    network, scales = fine_tuned(info, lane_keeping(SIZE), split)
    largest = max(np.abs(one.action).max() for one in split.learned.values())
    assert largest > 4.5 and scales["from"] == "the learned part"
    assert 0.3 < network.spec.actions[0].scale / largest < 2.0
    started = predict(network, episodes["3"])[:, 0]
    assert np.corrcoef(started, episodes["3"].action[:, 0])[0, 1] > 0.8
    clone = dataclasses.replace(QUICK, steps=40, validate_every=20, core_fit=CoreFitSettings(0))
    with Run(tmp_path / "run", "test", {}, 0, torch.device("cpu")) as training:
        found = cloning.clone(training, network, split, clone, 0.3, fine_tuning=True)["held_out"]
    assert found["rmse"] < 0.5 * found["rmse_straight"]
    assert np.abs(predict(network, episodes["3"])).max() > 0.6 * largest

    for changed, fixed in ((1.0 / 150.0, False), (1.0, True)):
        own = {
            name: dataclasses.replace(one, action=changed * one.action)
            for name, one in split.learned.items()
        }
        kept, scales = fine_tuned(info, lane_keeping(SIZE), Split(own, {}, "recording"), fixed)
        assert kept.spec.actions == info.spec.actions and scales == {"from": "the model fine-tuned"}


def test_one_recording_is_cut_into_blocks_with_gaps_and_that_is_said_loudly(
    settings, bags, tmp_path, capsys, drives, without_export
):
    long = drives.write_drive(tmp_path / "long", 7, seconds=40.0)
    result = train(
        dataclasses.replace(settings, recordings=(long,), out=tmp_path / "run", clone=SHORTEST)
    )
    assert (
        result["split"] == "blocks of one recording"
        and "The held-out error flatters" in capsys.readouterr().err
    )


def test_held_out_recordings_may_be_named(settings, bags, tmp_path, without_export):
    named = dataclasses.replace(
        settings, recordings=bags[:2], held_out=bags[2:3], out=tmp_path / "run", clone=SHORTEST
    )
    train(named)
    assert read_model(tmp_path / "run" / "model").provenance["data"]["split"]["held_out"] == [
        str(bags[2])
    ]


def test_unusable_recordings_are_named_all_at_once_and_may_be_skipped(
    settings, bags, tmp_path, drives, capsys, without_export
):
    blind = drives.write_drive(tmp_path / "blind", camera=False)
    deaf = drives.write_drive(tmp_path / "deaf", 8, imu=False, steering=False)
    wheel = drives.write_drive(tmp_path / "wheel", 9, ratio=-30.0)
    mixed = dataclasses.replace(
        settings, recordings=(*bags[:2], blind, deaf, wheel), out=tmp_path / "run", clone=SHORTEST
    )
    with pytest.raises(RefusedRecordingsError) as refused:
        train(mixed)
    text = str(refused.value)
    assert (
        set(refused.value.problems) == {str(blind), str(deaf), str(wheel)}
        and "no gyro and no steering either" in text
    )
    scale = float(text.split("--steering-scale ")[1].split(")")[0])
    assert scale == pytest.approx(-1 / 30, rel=0.1)
    result = train(dataclasses.replace(mixed, unusable="skip"))
    assert (
        result["recordings"] == 2
        and set(result["left_out"]) == set(refused.value.problems)
        and "WARNING" in capsys.readouterr().err
    )
    mended = dataclasses.replace(
        mixed,
        recordings=(*bags[:2], wheel),
        recording=RecordingSettings(steering_scale=scale),
        out=tmp_path / "mended",
    )
    with pytest.raises(RefusedRecordingsError) as refused:
        train(mended)
    assert set(refused.value.problems) == {
        str(bag) for bag in bags[:2]
    }  # the scale suits the wheel, not the other two


def test_twins_and_too_little_are_refused(settings, bags, tmp_path):
    twin = tmp_path / "twin"
    twin.mkdir()
    for file in bags[0].iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigError, match="the same recording"):
        train(dataclasses.replace(settings, recordings=(bags[0], twin), out=tmp_path / "run"))
    with pytest.raises(TooLittleError, match="no sequence to learn from"):
        train(dataclasses.replace(settings, out=tmp_path / "run", clone=CloneSettings(frames=1000)))
    with pytest.raises(ConfigError, match="at least one recording"):
        train(RecordingsSettings())


def test_the_command_line_takes_recordings_and_answers_json(bags, tmp_path, capsys, without_export):
    flags = [
        "--preprocess.height",
        "16",
        "--preprocess.width",
        "32",
        "--steps",
        "4",
        "--fit.batch",
        "2",
        "--core-fit.steps",
        "3",
        "--workers",
        "1",
        "--closed-loop",
        "off",
        "--json",
    ]
    flags = [
        "--out",
        str(tmp_path / "run"),
        "--cache",
        str(tmp_path / "cache"),
        "--recordings",
        *map(str, bags[:2]),
        *flags,
    ]
    assert cli.main(["train", "recordings", *flags]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["recordings"] == 2
    assert (
        cli.main(
            [
                "train",
                "recordings",
                "--recordings",
                str(tmp_path / "absent"),
                "--out",
                str(tmp_path / "none"),
            ]
        )
        == 2
    )
    assert "absent" in capsys.readouterr().err and not (tmp_path / "none").exists()
