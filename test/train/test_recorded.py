"""Training on recordings, for real and in seconds: bags in, a model out that says what the drivers did on roads it has not seen."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch

from liquid_control import cli
from liquid_control.bench.recordings import compare
from liquid_control.config import PolicyConfig, PreprocessConfig
from liquid_control.data.bag.curvature import CurvatureSettings
from liquid_control.data.bag.recording import RecordingSettings
from liquid_control.data.dataset import Augmentation, Batch
from liquid_control.data.episode import Episode
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError
from liquid_control.policy.model_file import load_network, read_model
from liquid_control.policy.network import PolicyNetwork
from liquid_control.signals import Observation
from liquid_control.train.cloning import CloneSettings, TooLittleError, curvature_scale, normalise_inertial
from liquid_control.train.fit import FitSettings, _losses
from liquid_control.train.gather import RefusedRecordingsError
from liquid_control.train.recorded import RecordedSettings, train_recorded
from liquid_control.train.split import GAP, Split, split_blocks, split_recordings
from liquid_control.train.validation import errors, predict

SIZE = PreprocessConfig(height=16, width=32)
QUICK = CloneSettings(steps=240, validate_every=80, frames=8, fit=FitSettings(batch=8, encoder_rate=5e-3, memory_rate=2e-2),
                      augmentation=Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0))
SHORTEST = dataclasses.replace(QUICK, steps=2)


@pytest.fixture(scope="module")
def bags(tmp_path_factory, drives):
    folder = tmp_path_factory.mktemp("bags")
    return tuple(drives.write_drive(folder / f"drive_{seed}", seed, seconds=14.0) for seed in range(4))


@pytest.fixture(scope="module")
def settings(tmp_path_factory, bags):
    folder = tmp_path_factory.mktemp("run")
    return RecordedSettings(bags, out=folder / "run", cache=folder / "cache", clone=QUICK, preprocess=SIZE, workers=1)


@pytest.fixture(scope="module")
def run(settings):
    return train_recorded(settings)


@pytest.fixture
def without_export(monkeypatch):
    """Models without ONNX, whose export takes longer than these trainings."""
    monkeypatch.setattr("liquid_control.train.recorded.export_onnx", None)


def episode(frames: int, seed: int = 0) -> Episode:
    rng = np.random.default_rng(seed)
    return Episode(10**18 + np.arange(frames) * 5 * 10**7, rng.integers(0, 255, (frames, 16, 32, 3), np.uint8),
                   rng.standard_normal((frames, 3)).astype(np.float32), np.full(frames, 0.05, np.float32), np.arange(frames) == 0,
                   rng.normal(0, 0.02, frames).astype(np.float32), np.full((frames, 4), np.nan, np.float32))


def test_a_policy_learns_from_recordings_what_drivers_do_on_others(settings, run):
    info = read_model(run["model"])
    found = info.metrics["held_out"]
    assert found["rmse"] < 0.5 * found["rmse_straight"] and found["correlation"] > 0.9
    assert found["rmse"] == run["held_out"]["rmse"] and found["frames"] == sum(each["frames"] for each in found["recordings"].values())
    told = info.provenance
    learned, held_out = set(told["split"]["learned"]), set(told["split"]["held_out"])
    assert run["split"] == "recording" and not learned & held_out and learned | held_out == {str(bag) for bag in settings.bags}
    for name, facts in told["recordings"].items():
        assert facts["source"] == "steering" and len(facts["files"]) == 2 and facts["targets"] > 200, name
        assert not facts["findings"]
    assert [look["step"] for look in told["history"]] == [80, 160, 240] and told["settings"]["clone"]["seed"] == 0
    assert list((settings.out / "tensorboard").glob("events.*"))


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


def test_an_interrupted_run_ends_with_the_same_weights(settings, tmp_path, monkeypatch, without_export):
    import liquid_control.train.cloning as cloning

    whole, again = (dataclasses.replace(settings, out=tmp_path / name, clone=dataclasses.replace(QUICK, steps=30, validate_every=10))
                    for name in ("whole", "again"))
    train_recorded(whole)
    examine, looks = cloning.examine, []

    def stumble(*arguments):
        looks.append(1)
        if len(looks) == 2:
            raise KeyboardInterrupt
        return examine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(cloning, "examine", stumble)
        with pytest.raises(KeyboardInterrupt):
            train_recorded(again)
    train_recorded(again)
    for one, two in zip(load_network(whole.out / "model").parameters(), load_network(again.out / "model").parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_run_with_other_settings_or_recordings_is_refused(settings, run):
    for change in ({"curvature": CurvatureSettings(source="gyro")}, {"bags": settings.bags[:3]}):
        with pytest.raises(ConfigError, match="a run with other settings"):
            train_recorded(dataclasses.replace(settings, **change))


def test_fine_tuning_starts_from_the_model_and_keeps_its_sizes(settings, run, tmp_path, without_export):
    start = read_model(run["model"])
    tuned = dataclasses.replace(settings, start=run["model"], out=tmp_path / "tuned", preprocess=PreprocessConfig(crop_top=0.0),
                                clone=dataclasses.replace(QUICK, steps=40))
    result = train_recorded(tuned)
    info = read_model(result["model"])
    assert (info.policy, info.preprocess, info.wiring) == (start.policy, start.preprocess, start.wiring)
    assert info.provenance["from"]["files"] == dict(start.files) and result["held_out"]["rmse"] < 0.5 * result["held_out"]["rmse_straight"]
    for flags, said in (({"preprocess": PreprocessConfig(height=20)}, "16x32"), ({"policy": PolicyConfig(unfolds=2)}, "no --policy flags")):
        with pytest.raises(ConfigError, match=said):
            train_recorded(dataclasses.replace(tuned, out=tmp_path / "other", **flags))


def test_one_recording_is_cut_into_blocks_with_gaps_and_that_is_said_loudly(settings, bags, tmp_path, capsys, drives, without_export):
    long = drives.write_drive(tmp_path / "long", 7, seconds=40.0)
    result = train_recorded(dataclasses.replace(settings, bags=(long,), out=tmp_path / "run", clone=SHORTEST))
    assert result["split"] == "blocks of one recording" and "The held-out error flatters" in capsys.readouterr().err


def test_held_out_recordings_may_be_named(settings, bags, tmp_path, without_export):
    named = dataclasses.replace(settings, bags=bags[:2], held_out=bags[2:3], out=tmp_path / "run", clone=SHORTEST)
    train_recorded(named)
    assert read_model(tmp_path / "run" / "model").provenance["split"]["held_out"] == [str(bags[2])]


def test_unusable_recordings_are_named_all_at_once_and_may_be_skipped(settings, bags, tmp_path, drives, capsys, without_export):
    blind = drives.write_drive(tmp_path / "blind", camera=False)
    deaf = drives.write_drive(tmp_path / "deaf", 8, imu=False, steering=False)
    wheel = drives.write_drive(tmp_path / "wheel", 9, ratio=-30.0)
    mixed = dataclasses.replace(settings, bags=(*bags[:2], blind, deaf, wheel), out=tmp_path / "run", clone=SHORTEST)
    with pytest.raises(RefusedRecordingsError) as refused:
        train_recorded(mixed)
    text = str(refused.value)
    assert set(refused.value.problems) == {str(blind), str(deaf), str(wheel)} and "no gyro and no steering either" in text
    scale = float(text.split("--steering-scale ")[1].split(")")[0])
    assert scale == pytest.approx(-1 / 30, rel=0.1)
    result = train_recorded(dataclasses.replace(mixed, unusable="skip"))
    assert result["recordings"] == 2 and set(result["left_out"]) == set(refused.value.problems) and "WARNING" in capsys.readouterr().err
    mended = dataclasses.replace(mixed, bags=(*bags[:2], wheel), recording=RecordingSettings(steering_scale=scale), out=tmp_path / "mended")
    with pytest.raises(RefusedRecordingsError) as refused:
        train_recorded(mended)
    assert set(refused.value.problems) == {str(bag) for bag in bags[:2]}  # the scale suits the wheel, not the other two


def test_twins_and_too_little_are_refused(settings, bags, tmp_path):
    twin = tmp_path / "twin"
    twin.mkdir()
    for file in bags[0].iterdir():
        (twin / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ConfigError, match="the same recording"):
        train_recorded(dataclasses.replace(settings, bags=(bags[0], twin), out=tmp_path / "run"))
    with pytest.raises(TooLittleError, match="no sequence to learn from"):
        train_recorded(dataclasses.replace(settings, out=tmp_path / "run", clone=CloneSettings(frames=1000)))
    with pytest.raises(ConfigError, match="at least one recording"):
        train_recorded(RecordedSettings())


def test_the_command_line_takes_bags_anywhere_and_answers_json(bags, tmp_path, capsys, without_export):
    flags = ["--preprocess.height", "16", "--preprocess.width", "32", "--steps", "4", "--fit.batch", "2", "--workers", "1", "--json"]
    flags = ["--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--bags", *map(str, bags[:2]), *flags]
    assert cli.main(["train", "imitation", *flags]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["recordings"] == 2
    assert cli.main(["train", "imitation", "--bags", str(tmp_path / "absent"), "--out", str(tmp_path / "none")]) == 2
    assert "absent" in capsys.readouterr().err and not (tmp_path / "none").exists()


def test_splits_hold_out_whole_recordings():
    episodes = {f"drive_{index}": episode(100 + 10 * index) for index in range(7)}
    for seed in range(5):
        split = split_recordings(episodes, 0.3, seed, 30.0)
        assert not set(split.learned) & set(split.held_out) and set(split.learned) | set(split.held_out) == set(episodes)
        share = sum(map(len, split.held_out.values())) / sum(map(len, episodes.values()))
        assert 0.25 < share < 0.55 and split.by == "recording"
    assert split_recordings(episodes, 0.3, 1, 30.0).held_out.keys() == split_recordings(episodes, 0.3, 1, 30.0).held_out.keys()
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
    network, units = PolicyNetwork(PolicyConfig(), SIZE), torch.ones(4)
    rng = np.random.default_rng(0)
    batch = Batch(rng.integers(0, 255, (4, 6, 16, 32, 3), np.uint8), rng.standard_normal((4, 6, 3)).astype(np.float32),
                  np.full((4, 6), 0.05, np.float32), rng.normal(0, 0.02, (4, 6)).astype(np.float32), np.zeros((4, 6, 4), np.float32))
    network.requires_grad_(False)
    whole, auxiliary = _losses(network, batch, 0.04, units, FitSettings())
    halves = []
    for part in (slice(0, 2), slice(2, 4)):
        curvature, unknown = np.full((4, 6), np.nan, np.float32), np.full((4, 6, 4), np.nan, np.float32)
        curvature[part], unknown[part] = batch.curvature[part], batch.auxiliary[part]
        halves.append(_losses(network, dataclasses.replace(batch, curvature=curvature, auxiliary=unknown), 0.04, units, FitSettings()))
    weights = [np.exp(np.abs(batch.curvature[part][:, 1:] / 0.04).clip(0, 2) * 0.5).sum() for part in (slice(0, 2), slice(2, 4))]
    assert float(whole) == pytest.approx(float(sum(w * half[0] for w, half in zip(weights, halves, strict=True)) / sum(weights)), rel=1e-5)
    assert float(auxiliary) == pytest.approx(float(halves[0][1] + halves[1][1]) / 2, rel=1e-5)
    nothing = dataclasses.replace(batch, auxiliary=np.full((4, 6, 4), np.nan, np.float32))
    assert float(_losses(network, nothing, 0.04, units, FitSettings())[1]) == 0.0


def test_predictions_carry_memory_through_a_drive_and_forget_at_starts():
    torch.manual_seed(0)
    network, one = PolicyNetwork(PolicyConfig(), SIZE).eval(), episode(200)
    with torch.no_grad():
        state, answers = network.initial_state(1), []
        for index in range(200):
            columns = (one.image, one.inertial, one.dt)
            answer, state = network.step(*(torch.from_numpy(np.array(column[index : index + 1])) for column in columns), state)
            answers.append(float(answer))
    assert np.allclose(predict(network, one), answers, atol=1e-6)
    restarted = dataclasses.replace(one, is_first=np.isin(np.arange(200), (0, 150)))
    tail = Episode(**{field.name: getattr(restarted, field.name)[150:] for field in dataclasses.fields(Episode)})
    assert np.allclose(predict(network, restarted)[150:], predict(network, tail), atol=1e-6)


def test_scales_come_from_the_learned_part_alone():
    learned, other = episode(300), dataclasses.replace(episode(300, 1), curvature=np.full(300, 5.0, np.float32))
    learned = dataclasses.replace(learned, inertial=(learned.inertial * [0.1, 2.0, 0.5] + [0.0, 0.0, 3.0]).astype(np.float32))
    split = Split({"a": learned}, {"b": other}, "recording")
    assert curvature_scale(split) == pytest.approx(0.04, rel=0.1)
    network = PolicyNetwork(PolicyConfig(), SIZE)
    normalise_inertial(network, split)
    sensed = network._sense(torch.zeros(300, 29), torch.from_numpy(learned.inertial))[:, -3:].detach().numpy()
    assert np.abs(sensed.mean(0)).max() < 0.1 and sensed.std(0) == pytest.approx([0.4, 0.4, 0.4], rel=0.1)


def test_errors_are_those_of_the_definitions():
    wanted = np.array([0.01, -0.02, 0.0, 0.03])
    found = errors(wanted + 0.01, wanted)
    assert (found["mae"], found["rmse"], found["bias"], found["correlation"]) == pytest.approx((0.01, 0.01, 0.01, 1.0))
    assert found["rmse_straight"] == pytest.approx(math.sqrt(14e-4 / 4)) and errors(np.zeros(4), wanted)["correlation"] is None


def test_the_comparison_of_policies_finds_a_difference_where_there_is_one():
    rng = np.random.default_rng(0)
    roads = [{"departures": int(rng.poisson(0.5)), "lateral_rmse_m": float(rng.uniform(0.1, 0.4)), "distance_m": 500.0} for _ in range(40)]
    worse = [{**road, "departures": road["departures"] + 1, "lateral_rmse_m": road["lateral_rmse_m"] + 0.05} for road in roads]
    same = compare([{"per_road": roads}], [{"per_road": roads}], 0)
    assert same["as_well"] == {"departures": True, "rmse": True} and same["difference"]["rmse"]["interval"] == [0.0, 0.0]
    low, high = same["bags"]["departures"]["interval"]
    assert low < same["bags"]["departures"]["mean"] < high
    assert compare([{"per_road": roads}], [{"per_road": worse}], 0)["as_well"] == {"departures": False, "rmse": False}
    assert compare([{"per_road": worse}], [{"per_road": roads}], 0)["as_well"] == {"departures": True, "rmse": True}
