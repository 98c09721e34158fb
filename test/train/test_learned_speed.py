"""Speed as a second output, learned from recordings: targets, what is refused, scales, loss, and a
training for real."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.data.sequences import Batch, exchange_chosen
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.errors import ConfigError
from liquid_control.model.car import SPEED, chooses_speed, lane_keeping
from liquid_control.model.cores import LtcConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.model.spec import PolicySpec, middles
from liquid_control.policy.network import PolicyNetwork
from liquid_control.recordings.driven_speed import AHEAD
from liquid_control.signals import SpeedSample, SteeringSample
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit import WARM_UP, action_loss
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import train
from liquid_control.train.load_recordings import load_recordings
from liquid_control.train.recordings_settings import RecordingsSettings, learns_speed
from liquid_control.train.split import Split
from liquid_control.train.starting_network import scale_actions
from liquid_control.train.validation import validate

SIZE = PreprocessConfig(height=16, width=32)
CAR = lane_keeping(SIZE, speed=True)
SLIM = PolicyConfig(encoder="slim", core=LtcConfig(unfolds=1))


def wave(seconds):
    return 6.0 + 2.0 * np.sin(seconds)


@pytest.fixture(scope="module")
def recorded(drives, tmp_path_factory):
    """Two drives at a chosen speed and one at a set one."""
    folder = tmp_path_factory.mktemp("drives")

    def at_chosen(sample):
        if not isinstance(sample, (SpeedSample, SteeringSample)):
            return sample
        return dataclasses.replace(sample, speed=wave((sample.stamp_ns - drives.BEGIN) * 1e-9))

    return [
        drives.write_drive(folder / "one", 1, change=at_chosen, imu=False),
        drives.write_drive(folder / "two", 2, change=at_chosen, imu=False),
        drives.write_drive(folder / "set", 3, imu=False),
    ]


def settings(paths, tmp_path, **values) -> RecordingsSettings:
    options = {"speed": "learned", "preprocess": SIZE, "workers": 1, "closed_loop": "off"}
    folders = {"out": tmp_path / "run", "cache": tmp_path.parent / "cache"}
    return RecordingsSettings(tuple(paths), **options | folders | values)


def test_the_drivers_speed_is_a_target_and_how_much_teaches_it_is_said(
    recorded, drives, tmp_path, capsys
):
    loaded = load_recordings(settings(recorded, tmp_path), SIZE, speed=True)
    one, _, without = (loaded.episodes[str(path)] for path in recorded)
    assert one.spec.actions == CAR.actions
    known = np.isfinite(one.action[:, 1])
    expected = wave((one.stamp_ns - drives.BEGIN) * 1e-9 + AHEAD)
    assert known.sum() > 0.9 * len(one)
    assert np.abs(one.action[:, 1] - expected)[known].max() < 0.1
    assert np.isnan(without.action[:, 1]).all() and without.known.sum() > 0.9 * len(without)
    said = capsys.readouterr().err
    assert "set: teaches no speed: the speed is constant (8 m/s): its driver did not" in said
    facts = [loaded.facts[str(path)]["speed"] for path in recorded]
    assert f"speed: {facts[0]['frames'] + facts[1]['frames']} of" in said
    assert facts[0]["frames"] == known.sum() and facts[2]["frames"] == 0


def test_recordings_at_a_set_speed_alone_are_refused_with_the_reason(recorded, tmp_path):
    with pytest.raises(ConfigError, match=r"no recording teaches it \(.*set: the speed is const"):
        load_recordings(settings(recorded[2:], tmp_path), SIZE, speed=True)
    loaded = load_recordings(settings(recorded[2:], tmp_path), SIZE)
    assert loaded.episodes[str(recorded[2])].action.shape[1] == 1


def test_scale_and_bounds_of_the_speed_are_those_of_the_drives(recorded, tmp_path):
    loaded = load_recordings(settings(recorded, tmp_path), SIZE, speed=True)
    curvature, speed = scale_actions(CAR, Split(loaded.episodes, {}, "recording"))
    assert speed.low == 0.0 and speed.high == pytest.approx(1.3 * 8.0, rel=0.02)
    assert speed.scale == pytest.approx(2 * 2.0 / 2**0.5, rel=0.1)
    assert not curvature.is_bounded and list(middles([curvature, speed])) == [0.0, speed.high / 2]


def batch(action: np.ndarray) -> Batch:
    action = action.astype(np.float32)
    shape = action.shape[:2]
    nothing = np.zeros((*shape, 0), np.float32)
    return Batch(
        None, np.zeros((*shape, 3), np.float32), np.ones(shape, np.float32), action, nothing
    )


def test_the_loss_weighs_both_outputs_by_their_scales_and_leaves_out_what_is_unknown():
    target = np.zeros((1, WARM_UP + 4, 2))
    target[..., 1] = 10.0
    given = torch.tensor(target, dtype=torch.float32)

    def loss(answer, caution=1.0):
        return float(action_loss(answer, batch(target), CAR, 0.0, caution))

    assert loss(given) == 0.0
    turned, quicker = given.clone(), given.clone()
    turned[..., 0] += 0.04
    quicker[..., 1] += SPEED.scale
    assert loss(turned) == pytest.approx(loss(quicker), rel=1e-5) == pytest.approx(0.5, rel=1e-5)
    slower = given.clone()
    slower[..., 1] -= SPEED.scale
    assert loss(slower, 4.0) == loss(slower)
    assert loss(quicker, 4.0) == pytest.approx(4.0 * loss(slower), rel=1e-5)
    assert loss(turned, 4.0) == loss(turned)
    target[..., 1] = np.nan
    assert loss(quicker) == 0.0 and loss(turned) == pytest.approx(1.0, rel=1e-5)


def test_in_blind_sequences_the_own_speed_is_anothers_and_without_the_output_nothing_is_drawn():
    rng = np.random.default_rng(0)
    drawn = batch(np.zeros((32, 3, 2)))
    drawn.measurements[..., 2] = np.arange(32)[:, None]
    chosen = np.arange(32) < 16
    exchange_chosen(rng, drawn, CAR, chosen)
    speed = drawn.measurements[..., 2]
    assert (speed[16:, 0] == np.arange(16, 32)).all() and (np.ptp(speed, axis=1) == 0).all()
    assert (speed[:16, 0] != np.arange(16)).mean() > 0.8 and not drawn.measurements[..., :2].any()
    before = rng.bit_generator.state
    exchange_chosen(rng, drawn, lane_keeping(SIZE), chosen)
    assert rng.bit_generator.state == before


def test_each_output_is_validated_in_its_unit(recorded, tmp_path):
    loaded = load_recordings(settings(recorded, tmp_path), SIZE, speed=True)
    torch.manual_seed(0)
    network = PolicyNetwork(SLIM, lane_keeping(SIZE, inputs=("speed",), speed=True))
    found = validate(network, loaded.episodes)
    assert found["actions"]["curvature"]["frames"] == found["frames"]
    teach = sum(facts["speed"]["frames"] for facts in loaded.facts.values())
    assert found["actions"]["speed"]["frames"] == teach < found["frames"]
    assert 1.0 < found["actions"]["speed"]["rmse"] < 12.0


def test_a_training_learns_the_speed_and_a_model_to_start_from_decides(recorded, tmp_path):
    options = {
        "policy": SLIM,
        "held_out": (recorded[1],),
        "clone": CloneSettings(steps=30, validate_every=15, core_fit=CoreFitSettings(30, 16, 1)),
    }
    found = train(settings([recorded[0]], tmp_path, **options))
    info = read_model(found["model"])
    runtime = OnnxRuntime.load(found["model"])
    assert chooses_speed(runtime.spec) and found["speed_frames"] > 150
    held_out = found["held_out"]["actions"]
    assert held_out["speed"]["rmse"] < 2.5 and held_out["speed"]["frames"] > 150
    plain = settings([recorded[0]], tmp_path, speed="set")
    assert learns_speed(plain, info) and not learns_speed(plain, None)
    steers = dataclasses.replace(info, spec=without_speed(info.spec))
    assert not learns_speed(plain, steers)
    with pytest.raises(ConfigError, match="a model that gives a speed"):
        learns_speed(settings([recorded[0]], tmp_path), steers)


def without_speed(spec: PolicySpec) -> PolicySpec:
    return dataclasses.replace(spec, actions=spec.actions[:1])
