"""Training on recordings in closed loop, for real and in seconds: the expert drives beside the
path, the policy drives itself, and the better round is kept."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
from ground_drive import CAMERA, write_ground_drive

from liquid_control.config import PreprocessConfig
from liquid_control.data.episode import load_episode
from liquid_control.data.sequences import Augmentation
from liquid_control.deploy.torch_runtime import TorchRuntime
from liquid_control.model.cores import LtcConfig
from liquid_control.model.model_file import read_model
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.sim.recorded.loader import NoRoadError
from liquid_control.train import closed_loop
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.closed_loop_settings import ClosedLoopSettings
from liquid_control.train.fit import FitSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import train
from liquid_control.train.recorded_roads import NothingToDriveError
from liquid_control.train.recordings_settings import RecordingsSettings

PLAIN = Augmentation(noise_share=0.0, drop_share=0.0, shadow_share=0.0)
CLONE = CloneSettings(
    steps=12,
    validate_every=6,
    frames=8,
    fit=FitSettings(batch=4),
    augmentation=PLAIN,
    core_fit=CoreFitSettings(steps=6, frames=16, passes=1),
)
LOOP = ClosedLoopSettings(
    rounds=1, round_steps=6, recovery_frames=300, round_frames=100, drawn_frames=200
)


pytestmark = pytest.mark.xdist_group("closed_loop")  # one training serves all of these tests


@pytest.fixture(scope="module", autouse=True)
def in_torch():
    """Models without ONNX, whose export takes longer than these trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("liquid_control.train.run.export_onnx", None)
        patch.setattr("liquid_control.deploy.packed_runtime.load_runtime", TorchRuntime.load)
        yield


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> RecordingsSettings:
    folder = tmp_path_factory.mktemp("closed_loop")
    drives = [
        write_ground_drive(folder / f"drive_{number}", 4.0 + number, imu=False)
        for number in range(3)
    ]
    mount = CameraMount(CAMERA.above, CAMERA.pitch, 0.0, CAMERA.forward)
    return RecordingsSettings(
        tuple(drives[:2]),
        held_out=(drives[2],),
        out=folder / "run",
        cache=folder / "cache",
        closed_loop="on",
        recording=RecordingSettings(mount=mount, response_delay=0.1),
        clone=CLONE,
        loop=LOOP,
        policy=PolicyConfig(encoder="slim", core=LtcConfig(unfolds=1)),
        preprocess=PreprocessConfig(height=16, width=32),
        workers=1,
    )


@pytest.fixture(scope="module")
def run(settings) -> dict:
    return train(settings)


def test_recordings_alone_give_a_policy_examined_in_closed_loop(settings, run):
    found = run["closed_loop"]
    for name in ("distance_m", "departures", "put_backs", "lateral_rmse_m", "unseen_share"):
        assert name in found
    assert 0.5 * 6.0 * 8.0 < found["distance_m"] < 6.0 * 8.0
    assert run["chosen_round"] in (0, 1) and len(run["rounds"]) == 2
    assert closed_loop.choose(run["rounds"])["closed_loop"] == found
    cores = [each["core_fit"] for each in run["rounds"]]
    assert cores[0]["steps"] == 6 and cores[1]["steps"] == (6 if cores[0]["kept"] else 0)
    assert run["roads"]["learned_roads"] == 2 and run["roads"]["held_out_roads"] == 1
    assert run["roads"]["not_driven_in"] == {} and run["inputs"] == ["speed"]
    json.dumps(run)
    info = read_model(run["model"])
    assert info.metrics["closed_loop"] == found
    assert info.provenance["data"]["closed_loop"]["learned_roads"] == 2
    assert "DAgger" in info.provenance["method"]


def test_the_policy_learns_from_all_kinds_of_drives(settings, run):
    episodes = {path.stem: load_episode(path) for path in (settings.out / "episodes").glob("*.npz")}
    kinds = {name.rpartition("_")[0] for name in episodes}
    warped, drawn = {"recovery", "round_1"}, {"drawn", "drawn_round_1"}
    assert kinds == warped | drawn | {"held_out", "held_out_drawn"}
    for of_kind, name in ((warped, "synthesised_frames"), (drawn, "drawn_frames")):
        frames = [len(e) for title, e in episodes.items() if title.rpartition("_")[0] in of_kind]
        assert run["rounds"][1][name] == sum(frames)
    for one in episodes.values():
        assert one.image.shape[1:] == (16, 32, 3) and one.measurements.shape[1] == 1


@pytest.fixture(scope="module")
def cloned(settings):
    """The answer of cloning with the same settings."""
    out = settings.out.parent / "cloned"
    return train(dataclasses.replace(settings, out=out, closed_loop="off"))


def test_scales_are_those_of_recorded_and_corrected_steering(run, cloned):
    scale = read_model(run["model"]).spec.actions[0].scale
    assert cloned.get("closed_loop") is None and "rounds" not in cloned
    assert scale > read_model(cloned["model"]).spec.actions[0].scale
    assert read_model(cloned["model"]).provenance["method"].endswith("of recorded drives")


def test_an_interrupted_run_ends_with_the_same_weights(settings, run, monkeypatch):
    """In the first fit, and in the round."""
    again = dataclasses.replace(settings, out=settings.out.parent / "again")
    taken, optimise = [], closed_loop.optimise

    def stumble(*arguments):
        taken.append(1)
        if len(taken) in (9, 9 + 6 + 3):
            raise KeyboardInterrupt
        return optimise(*arguments)

    monkeypatch.setattr(closed_loop, "optimise", stumble)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train(again)
    result = train(again)
    one, two = (
        Path(each["model"]).joinpath("weights.safetensors").read_bytes() for each in (run, result)
    )
    assert one == two and result["chosen_round"] == run["chosen_round"]
    assert train(again)["chosen_round"] == run["chosen_round"]


def test_where_no_recording_makes_a_road_the_drivers_are_cloned_and_that_is_said(
    settings, cloned, monkeypatch, capsys
):
    def refuse(path, *_):
        raise NoRoadError(path, "its camera looks up", "Mount it lower")

    monkeypatch.setattr("liquid_control.train.recorded_roads.load_roads", refuse)
    auto = dataclasses.replace(settings, closed_loop="auto", out=settings.out.parent / "auto")
    result = train(auto)
    assert "cloned only, without a closed loop" in capsys.readouterr().err
    assert result.get("closed_loop") is None and result["held_out"]["frames"] > 100
    one, two = load_weights(Path(result["model"])), load_weights(Path(cloned["model"]))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    with pytest.raises(NothingToDriveError, match=r"looks up.*--closed-loop off"):
        train(dataclasses.replace(settings, out=settings.out.parent / "on"))
    assert not (settings.out.parent / "on").exists()


def test_a_recording_that_makes_no_road_is_cloned_only(settings, monkeypatch, capsys):
    from liquid_control.train import recorded_roads

    bad, load = str(settings.recordings[1]), recorded_roads.load_roads

    def refuse(path, *others):
        if str(path) == bad:
            raise NoRoadError(path, "it holds no speed", "Give --constant-speed")
        return load(path, *others)

    monkeypatch.setattr(recorded_roads, "load_roads", refuse)
    monkeypatch.setattr(closed_loop, "drive_all", lambda *_, **__: [])
    monkeypatch.setattr(closed_loop, "totals", lambda _: {"lateral_rmse_m": 0.1})
    quick = dataclasses.replace(CLONE, steps=2, core_fit=CoreFitSettings(steps=0))
    loop = dataclasses.replace(LOOP, rounds=0, recovery_frames=100)
    some = dataclasses.replace(settings, out=settings.out.parent / "some", clone=quick, loop=loop)
    found = train(some)
    assert found["roads"]["learned_roads"] == 1 and found["recordings"] == 3
    assert set(found["roads"]["not_driven_in"]) == {bad}
    assert "cloned only, not driven in" in capsys.readouterr().err
    learned = read_model(found["model"]).provenance["data"]["split"]["learned"]
    assert bad in learned


def load_weights(model: Path) -> dict:
    from safetensors.torch import load_file

    return load_file(model / "weights.safetensors")
