"""Training on takeovers, for real and in seconds: the policy learns what the person did, and not
what it had done before."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig, TimelineConfig
from liquid_control.data.from_recording import Reading, read_drive
from liquid_control.data.sequences import Augmentation
from liquid_control.data.takeovers import TakeoverWeights
from liquid_control.deploy.export import export_onnx
from liquid_control.errors import ConfigError
from liquid_control.model.car import lane_keeping
from liquid_control.model.cores import LtcConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.policy.network import PolicyNetwork
from liquid_control.policy.saved import load_network, save_model
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit import FitSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.improve import VERB, ImproveSettings, gather, improve, objections
from liquid_control.train.takeovers import load_takeovers, train
from liquid_control.train.takeovers_settings import TakeoversSettings
from liquid_control.train.validation import predict

SIZE = PreprocessConfig(height=16, width=32)
QUICK = CloneSettings(
    steps=160,
    validate_every=80,
    frames=8,
    rate=1.0,
    fit=FitSettings(batch=8, encoder_rate=5e-3, core_rate=2e-2),
    augmentation=Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0),
    core_fit=CoreFitSettings(steps=0),
)
SPANS = ((1.0, 4.0), (6.0, 9.0))
"""In which the policy drives, to the other side than the road [s]."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, drives):
    folder = tmp_path_factory.mktemp("takeovers")
    for seed in range(3):
        drives.write_drive(folder / f"drive_{seed}", seed, policy=SPANS)
    torch.manual_seed(0)
    config = PolicyConfig(encoder="slim", core=LtcConfig(unfolds=1))
    network = PolicyNetwork(config, lane_keeping(SIZE, 0.04))
    save_model(folder / "start", network, {}, {}, export=export_onnx)
    return folder


@pytest.fixture(scope="module")
def settings(folder):
    return TakeoversSettings(
        bags=tuple(folder / f"drive_{seed}" for seed in range(3)),
        held_out=(folder / "drive_2",),
        start=str(folder / "start"),
        out=folder / "run",
        cache=folder / "cache",
        clone=QUICK,
        weights=TakeoverWeights(before=3.0),
        workers=1,
        device="cpu",
    )


@pytest.fixture(scope="module")
def run(settings):
    return train(settings)


def test_the_person_is_learned_and_what_the_policy_did_before_is_not(run, settings, drives):
    assert run["held_out"]["rmse"] < 0.5 * run["before"]["rmse"]
    assert run["held_out"]["correlation"] > 0.8
    network = load_network(settings.out / "model")
    reading = settings.reading
    read = Reading(reading.recording, SIZE, TimelineConfig())
    drive = read_drive(settings.held_out[0], read, settings.cache)
    episode = drive.episode(network.spec, np.zeros((len(drive), 1)))
    answered = predict(network, episode)[:, 0]
    seconds = (episode.stamp_ns - drives.BEGIN) / 1e9
    road = np.array([drives.curvature(at, 2) for at in seconds])
    by_policy = np.logical_or.reduce([(low <= seconds) & (seconds < high) for low, high in SPANS])
    assert np.corrcoef(answered[by_policy], road[by_policy])[0, 1] > 0.7, "not to the other side"


def test_what_was_found_is_in_the_facts_and_in_the_provenance(run, settings):
    assert run["takeovers"] == 6 and run["handover_frames_lost"] == 0
    frames = run["frames_by"]
    assert 0.4 < frames["policy"] / sum(frames.values()) < 0.6 and not frames["gate"]
    data = read_model(settings.out / "model").provenance["data"]
    assert data["takeovers"]["takeovers"] == 6
    assert set(data["from"]["files"]) == set(read_model(settings.start).files)


def test_the_same_run_is_not_done_again_and_ends_the_same(run, settings):
    before = read_model(settings.out / "model").files["weights.safetensors"]
    again = train(settings)
    assert again["held_out"] == run["held_out"]
    assert read_model(settings.out / "model").files["weights.safetensors"] == before


def test_recordings_without_a_takeover_are_refused(settings, folder, drives):
    whole = drives.write_drive(folder / "whole", 5)
    with pytest.raises(ConfigError, match="without a takeover"):
        train(dataclasses.replace(settings, bags=(whole,), held_out=(), out=folder / "no"))
    with pytest.raises(ConfigError, match="at least one recording"):
        train(dataclasses.replace(settings, bags=(), out=folder / "none"))


def test_improve_says_yes_where_the_person_is_learned_and_keeps_both(run, settings):
    before = read_model(settings.start).files
    said = improve(ImproveSettings(settings, roads=0))
    assert said["replace"] and not said["reasons"] and VERB.succeeded(said)
    assert said["on_held_out_recordings"]["rmse"]["better"]
    assert read_model(said["driving"]).files == before
    assert Path(said["candidate"]) == settings.out / "model" != Path(said["driving"])
    written = json.loads((settings.out / "verdict.json").read_text())
    assert written["replace"] and written["takeovers"] == 6
    assert "yes" in VERB.show(said)


def test_improve_says_no_where_nothing_is_better(run, settings, folder):
    again = dataclasses.replace(
        settings,
        start=str(settings.out / "model"),
        out=folder / "again",
        clone=dataclasses.replace(QUICK, steps=1, rate=1e-6),
    )
    said = improve(ImproveSettings(again, roads=0))
    assert not said["replace"] and not VERB.succeeded(said)
    assert "not less" in said["reasons"][0] and "no: " in VERB.show(said)


def test_what_the_model_has_learned_is_not_held_out(run, settings, folder, drives):
    """It learned drives 0 and 1; of it and another model that learned none, all seeds are tried."""
    bags = (*settings.bags, drives.write_drive(folder / "drive_3", 3, policy=SPANS))
    held = {"start": set(), str(settings.out / "model"): set()}
    for start, found in held.items():
        info = read_model(folder / start)
        for seed in range(6):
            clone = dataclasses.replace(QUICK, seed=seed)
            given = dataclasses.replace(
                settings, bags=bags, held_out=(), start=start, clone=clone, unusable="use"
            )
            split = load_takeovers(given, info).split
            found |= {Path(name).name for name in split.held_out}
    assert held[str(settings.out / "model")] == {"drive_2", "drive_3"}
    assert held["start"] & {"drive_0", "drive_1"}


def test_drives_that_the_policy_drove_alone_are_not_held_out(settings, drives, tmp_path):
    """No person drives in them, so that they could judge nothing."""
    spans = {
        "taken_0": SPANS,
        "taken_1": SPANS,
        "alone_0": ((0.0, 12.1),),
        "alone_1": ((0.0, 12.1),),
    }
    bags = tuple(
        drives.write_drive(tmp_path / name, seed, policy=of)
        for seed, (name, of) in enumerate(spans.items())
    )
    for seed in range(4):
        clone = dataclasses.replace(QUICK, seed=seed)
        given = dataclasses.replace(settings, bags=bags, held_out=(), clone=clone, unusable="use")
        split = load_takeovers(given, read_model(settings.start)).split
        assert {Path(name).name for name in split.held_out} < {"taken_0", "taken_1"}


def test_recordings_are_gathered_from_folders(folder, drives, tmp_path):
    for name in ("b", "a"):
        drives.write_drive(tmp_path / "day" / name, seconds=1.0, policy=((0.2, 0.6),))
    alone = drives.write_drive(tmp_path / "alone", seconds=1.0)
    (tmp_path / "day" / "notes").mkdir()
    found, without = gather([tmp_path / "day", alone, alone])
    assert found == [tmp_path / "day" / "a", tmp_path / "day" / "b", alone] and without == [alone]
    with pytest.raises(ConfigError, match="or folders with recordings"):
        gather([])


def test_a_figure_on_the_roads_that_is_worse_is_an_objection():
    def figure(low: float, high: float) -> dict:
        both = {"candidate": 1.0, "driving": 2.0, "difference": -1.0, "ci": [low, high]}
        return both | {"worse": low > 0, "better": high < 0}

    better, same, worse = figure(-2.0, -1.0), figure(-1.0, 1.0), figure(0.5, 1.0)
    roads = {"clean": {"departures_per_km": same, "lateral_rmse_m": same}}
    assert objections({"rmse": better}, {}) == objections({"rmse": better}, roads) == []
    assert len(objections({"rmse": same}, roads)) == 1
    bad = {"night": {"departures_per_km": worse, "lateral_rmse_m": better}}
    (reason,) = objections({"rmse": better}, bad)
    assert "night" in reason and "departures_per_km" in reason
