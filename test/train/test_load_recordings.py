"""What training takes from recordings whose inputs contribute nothing: the target of another
source, which is said, or a refusal."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig
from liquid_control.recordings.driven_curvature import CurvatureSettings
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import NOT_MEASURED, ImuSample, SpeedSample, SteeringSample
from liquid_control.train.load_recordings import RefusedRecordingsError, load_recordings
from liquid_control.train.recordings_settings import RecordingsSettings

SIZE = PreprocessConfig(height=16, width=32)
ZERO = (0.0, 0.0, 0.0)


def holding(kind: type, **values):
    return lambda sample: (
        dataclasses.replace(sample, **values) if isinstance(sample, kind) else sample
    )


def by_boot_time(kind: type):
    return lambda sample: (
        dataclasses.replace(sample, stamp_ns=sample.stamp_ns - 1_700_000_000 * 10**9)
        if isinstance(sample, kind)
        else sample
    )


@pytest.fixture
def load(drives, tmp_path):
    """The function that writes a drive and loads it: (episode, its facts)."""

    def run(change=lambda sample: sample, unusable="refuse", source="auto", topics=None, **options):
        path = drives.write_drive(tmp_path / "drive", 1, seconds=12.0, change=change, **options)
        settings = RecordingsSettings(
            (path,),
            out=tmp_path / "run",
            cache=tmp_path / "cache",
            preprocess=SIZE,
            workers=1,
            unusable=unusable,
            curvature=CurvatureSettings(source=source),
            recording=RecordingSettings(topics=topics or TopicMap()),
        )
        loaded = load_recordings(settings, SIZE)
        return loaded.episodes[str(path)], loaded.facts[str(path)]

    return run


def error_of(episode, drives) -> float:
    """Largest difference [1/m] of the targets to what was driven."""
    seconds = (episode.stamp_ns - drives.BEGIN) * 1e-9
    driven = np.array([drives.curvature(one, 1) for one in seconds])
    known = np.isfinite(episode.action[:, 0])
    assert known.sum() > 0.9 * len(episode)
    return float(np.abs(episode.action[known, 0] - driven[known]).max())


def test_a_recording_in_order_has_the_steering_for_its_target(load, drives, capsys):
    episode, facts = load()
    assert facts["source"] == "steering" and not facts["findings"] and not facts["remarks"]
    assert error_of(episode, drives) < 1e-5
    assert "WARNING" not in capsys.readouterr().err


@pytest.mark.parametrize("angular_velocity", [NOT_MEASURED, ZERO])
@pytest.mark.parametrize("unusable", ["refuse", "use"])
def test_without_gyro_and_steering_there_is_no_target_and_training_is_refused(
    load, angular_velocity, unusable
):
    """Zeros that are no measurement would be the target of a policy that drives straight on."""
    change = holding(ImuSample, angular_velocity=angular_velocity)
    with pytest.raises(RefusedRecordingsError, match="no gyro .*and no steering either"):
        load(change, unusable, steering=False)


@pytest.mark.parametrize("angular_velocity", [NOT_MEASURED, ZERO])
def test_without_gyro_the_steering_gives_the_target_and_the_gyro_is_named(
    load, drives, capsys, angular_velocity
):
    episode, facts = load(holding(ImuSample, angular_velocity=angular_velocity))
    assert facts["source"] == "steering" and error_of(episode, drives) < 1e-5
    assert facts["contributions"]["yaw_rate"]["reason"]
    assert facts["contributions"]["lateral_acceleration"]["met"] == len(episode)
    assert "no yaw rate" in capsys.readouterr().err


def test_steering_without_stamps_gives_the_target_by_its_receipt(load, drives, capsys):
    episode, facts = load(holding(SteeringSample, stamp_ns=0))
    assert facts["source"] == "steering" and error_of(episode, drives) < 1e-5
    assert "stamped 0" in capsys.readouterr().err and "stamped 0" in facts["remarks"][0]


def test_steering_of_another_clock_is_replaced_by_the_gyro_and_that_is_said(load, drives, capsys):
    episode, facts = load(by_boot_time(SteeringSample))
    said = capsys.readouterr().err
    assert facts["source"] == "gyro" and error_of(episode, drives) < 2e-3
    assert "taken from gyro and speed in place of the steering" in said
    assert "stamped 1700000000.0 s before the pictures" in said
    assert any("in place of the steering" in one for one in facts["findings"])


def test_the_requested_steering_is_not_replaced(load):
    with pytest.raises(RefusedRecordingsError, match="no steering .*another clock"):
        load(by_boot_time(SteeringSample), source="steering")


def test_a_recording_without_any_target_cannot_be_used_by_a_flag(load):
    with pytest.raises(
        RefusedRecordingsError, match="0 of .* have a target.*no speed, its samples"
    ):
        load(by_boot_time(SpeedSample), "use")


@pytest.mark.parametrize("kind", [ImuSample, SpeedSample])
def test_an_input_of_another_clock_is_refused(load, kind):
    with pytest.raises(RefusedRecordingsError, match="header stamps lie .* years before receipt"):
        load(by_boot_time(kind))


@pytest.mark.parametrize("said", ["name", "file"])
def test_a_small_robot_teaches_its_own_bends_where_its_vehicle_is_said(said, drives, tmp_path):
    """Without it, its twists would be cut at what a car steers: that is refused."""
    path = drives.write_robot(tmp_path / "robot", seconds=12.0, wheelbase=0.16)

    def loaded(**recording):
        settings = RecordingsSettings(
            (path,),
            out=tmp_path / "run",
            cache=tmp_path / "cache",
            preprocess=SIZE,
            workers=1,
            recording=RecordingSettings(**recording),
        )
        return load_recordings(settings, SIZE).episodes[str(path)]

    with pytest.raises(RefusedRecordingsError, match=r"0\.236 1/m at most.*--vehicle NAME"):
        loaded()
    if said == "file":
        (tmp_path / "vehicle.yaml").write_text("wheelbase: 0.16\nlargest_curvature: 10\n")
        episode = loaded()
    else:
        episode = loaded(vehicle_file="turtlebot")
    seconds = (episode.stamp_ns - drives.BEGIN) * 1e-9
    driven = np.array([drives.sharp_bend(one, 0) for one in seconds])
    known = np.isfinite(episode.action[:, 0])
    assert known.mean() > 0.95 and np.abs(driven).max() > 8.0
    assert np.abs(episode.action[known, 0] - driven[known]).max() < 1e-3
