"""Training on tubs of DonkeyCar: without speed and IMU, the policy is one that has neither."""

from __future__ import annotations

import json

import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.train.cloning import CloneSettings
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.from_recordings import train
from liquid_control.train.load_recordings import RefusedRecordingsError
from liquid_control.train.recordings_settings import RecordingsSettings


def settings_for(paths, folder, **recording) -> RecordingsSettings:
    return RecordingsSettings(
        tuple(paths[1:]),
        paths=tuple(paths[:1]),  # as given without --recordings
        closed_loop="off",
        out=folder / "run",
        cache=folder / "cache",
        clone=CloneSettings(steps=2, frames=8, core_fit=CoreFitSettings(steps=2)),
        policy=PolicyConfig(encoder="slim"),
        preprocess=PreprocessConfig(height=16, width=32),
        recording=RecordingSettings(**recording),
        curvature=CurvatureSettings(smoothing=0.0),  # these angles jump with every picture
        workers=1,
    )


@pytest.fixture
def tubs(tables, tmp_path):
    """Three tubs of 100 pictures in 5 s."""
    return [
        tables.write_tub(
            tmp_path / f"tub_{number}",
            [
                tables.record(index, user__angle=((index * (number + 3)) % 21 - 10) / 10)
                for index in range(100)
            ],
        )
        for number in range(3)
    ]


def test_what_no_vehicle_has_the_policy_does_without(tubs, tmp_path, monkeypatch):
    monkeypatch.setattr("liquid_control.train.run.export_onnx", None)
    (tmp_path / "vehicle.yaml").write_text("largest_curvature: 2.0\nspeed: 0.3\n")
    facts = train(settings_for(tubs, tmp_path))
    assert facts["inputs"] == [] and facts["targets_from"] == {"steering": 3}
    assert facts["held_out"]["frames"] > 50
    model = json.loads((tmp_path / "run" / "model" / "model.json").read_text())
    assert model["spec"]["measurements"] == []
    assert model["spec"]["actions"][0]["scale"] == pytest.approx(2 * 2.0 * 0.6, rel=0.1)
    of_one = next(iter(model["provenance"]["data"]["recordings"].values()))
    assert set(of_one["files"]) == {"catalog_0.catalog", "images", "manifest.json"}


def test_a_tub_is_the_same_by_whatever_path(tubs, tmp_path):
    both = [tubs[0], tubs[0] / "manifest.json"]
    with pytest.raises(ConfigError, match="the same recording"):
        train(settings_for(both, tmp_path, largest_curvature=2.0))


def test_without_a_scale_every_tub_is_refused_with_what_to_write(tubs, tmp_path):
    with pytest.raises(RefusedRecordingsError, match=r"3 unusable.*vehicle\.yaml"):
        train(settings_for(tubs, tmp_path))
