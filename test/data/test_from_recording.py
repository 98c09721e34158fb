"""Recordings as episodes: targets from steering and from the gyro, the cache, crops from
CameraInfo, and what cannot be used."""

from __future__ import annotations

import dataclasses
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import PreprocessConfig, TimelineConfig, VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.data.episode import Episode
from liquid_control.data.from_recording import Reading, UnusableRecordingError, read_drive
from liquid_control.data.npz import NpzError, read_npz, write_npz
from liquid_control.data.sequences import Augmentation, Batch, Sequences, mirror
from liquid_control.errors import RecordingError
from liquid_control.model.car import lane_keeping
from liquid_control.perception.observer import Observer
from liquid_control.recordings.driven_curvature import (
    CurvatureSettings,
    Motion,
    NoCurvatureError,
    Track,
    driven_curvature,
    gyro_bias,
    smooth,
)
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.source import Source
from liquid_control.recordings.view import ViewError, ViewSettings, crop_for
from liquid_control.signals import Frame, Observation

SMALL = PreprocessConfig(height=8, width=16)
READING = Reading(RecordingSettings(), SMALL, TimelineConfig())
BEGIN = 10**18
VEHICLE = VehicleConfig()


def motion(bend, seconds: float = 20.0, speed: float = 8.0, bias: float = 0.0) -> Motion:
    """A drive of curvature `bend`(t) [1/m]: gyro and steering at 100 Hz, odometry at 50 Hz."""
    t = np.arange(0, seconds, 0.01)
    stamp = BEGIN + np.round(t * 1e9).astype(np.int64)
    angle = np.array([steering_angle(value, VEHICLE) for value in bend(t)])
    return Motion(
        Track(stamp, speed * bend(t) + bias),
        Track(stamp[::2], np.full(len(t[::2]), speed)),
        Track(stamp, angle),
    )


def sine(t):
    return 0.03 * np.sin(t)


@pytest.mark.parametrize("source", ["steering", "gyro"])
def test_both_sources_say_what_was_driven(source):
    frames = BEGIN + np.round(
        np.sort(np.random.default_rng(0).uniform(0.1, 19.8, 300)) * 1e9
    ).astype(np.int64)
    driven = driven_curvature(frames, motion(sine), CurvatureSettings(source=source))
    assert (
        driven.source == source
        and np.abs(driven.curvature - sine((frames - BEGIN) * 1e-9)).max() < 2e-6
    )
    assert (driven.speed == 8.0).all()


def test_auto_prefers_steering_and_falls_back_to_the_gyro():
    frames = BEGIN + np.arange(1, 10) * 10**9
    whole = motion(sine)
    assert driven_curvature(frames, whole).source == "steering"
    assert (
        driven_curvature(
            frames,
            dataclasses.replace(whole, steering_angle=Track(np.zeros(0, np.int64), np.zeros(0))),
        ).source
        == "gyro"
    )
    none = Track(np.zeros(0, np.int64), np.zeros(0))
    with pytest.raises(NoCurvatureError, match="no gyro and no steering either"):
        driven_curvature(frames, Motion(none, whole.speed, none))
    with pytest.raises(NoCurvatureError, match="no steering"):
        driven_curvature(
            frames,
            dataclasses.replace(whole, steering_angle=none),
            CurvatureSettings(source="steering"),
        )


def test_slow_frames_and_silences_get_no_target():
    frames = BEGIN + np.arange(100, 19_800, 50) * 10**6
    whole = motion(sine)
    slow = Track(whole.speed.stamp_ns, np.where(whole.speed.stamp_ns < BEGIN + 5 * 10**9, 0.5, 8.0))
    for source in ("steering", "gyro"):
        found = driven_curvature(
            frames, dataclasses.replace(whole, speed=slow), CurvatureSettings(source=source)
        ).curvature
        assert (
            np.isnan(found[frames < BEGIN + 49 * 10**8]).all()
            and np.isfinite(found[frames > BEGIN + 51 * 10**8]).all()
        )
    silent = (whole.steering_angle.stamp_ns > BEGIN + 8 * 10**9) & (
        whole.steering_angle.stamp_ns < BEGIN + 9 * 10**9
    )
    gap = Track(whole.steering_angle.stamp_ns[~silent], whole.steering_angle.value[~silent])
    driven = driven_curvature(frames, dataclasses.replace(whole, steering_angle=gap))
    inside = (frames > BEGIN + 8 * 10**9) & (frames < BEGIN + 9 * 10**9)
    assert np.isnan(driven.curvature[inside]).all() and np.isfinite(driven.curvature[~inside]).all()


@given(
    st.lists(
        st.tuples(st.integers(0, 400), st.floats(allow_nan=True, allow_infinity=True)), max_size=40
    ),
    st.floats(0, 2),
)
@settings(max_examples=60, deadline=None)
def test_whatever_a_signal_holds_targets_lie_between_its_values_or_are_unknown(pairs, width):
    angle = Track(
        np.array([BEGIN + stamp * 10**7 for stamp, _ in pairs], np.int64),
        np.array([value for _, value in pairs]),
    )
    frames = BEGIN + np.arange(0, 400, 7) * 10**7
    try:
        curvature = driven_curvature(
            frames,
            Motion(steering_angle=angle),
            CurvatureSettings(source="steering", smoothing=width),
        ).curvature
    except NoCurvatureError:
        return
    known = curvature[np.isfinite(curvature)]
    largest = np.tan(VEHICLE.max_steering_angle) / VEHICLE.wheelbase
    assert (np.abs(known) <= largest * (1 + 1e-9)).all() and not np.isinf(curvature).any()


def test_smoothing_takes_noise_away_and_adds_no_lag():
    stamp = BEGIN + np.arange(2000) * 10**7
    t = np.arange(2000) * 0.01
    noisy = Track(stamp, np.sin(t) + 0.3 * np.random.default_rng(0).standard_normal(2000))
    smoothed = smooth(noisy, 0.4).value[50:-50]
    shifts = [np.mean((smoothed - np.sin(t[50:-50] - lag)) ** 2) for lag in (-0.1, 0.0, 0.1)]
    assert shifts[1] < 0.01 and shifts[1] < min(shifts[0], shifts[2])


def test_delay_takes_the_target_from_later_and_standing_shows_the_gyros_bias():
    frames = BEGIN + np.arange(1000, 18_000, 40) * 10**6
    late = driven_curvature(frames, motion(sine), CurvatureSettings(delay=0.25))
    assert np.abs(late.curvature - sine((frames - BEGIN) * 1e-9 + 0.25)).max() < 2e-6
    biased = motion(sine, bias=0.02)
    standing = np.where(biased.speed.stamp_ns < BEGIN + 2 * 10**9, 0.0, 8.0)
    still = Track(
        biased.yaw_rate.stamp_ns,
        np.where(biased.yaw_rate.stamp_ns < BEGIN + 2 * 10**9, 0.02, biased.yaw_rate.value),
    )
    stopped = dataclasses.replace(
        biased, yaw_rate=still, speed=Track(biased.speed.stamp_ns, standing)
    )
    assert gyro_bias(still.tidy(), stopped.speed.tidy(), 0.3) == pytest.approx(0.02)
    assert gyro_bias(biased.yaw_rate, biased.speed, 0.3) == 0.0
    driven = driven_curvature(frames, stopped, CurvatureSettings(source="gyro"))
    moving = frames > BEGIN + 21 * 10**8
    assert np.abs(driven.curvature[moving] - sine((frames[moving] - BEGIN) * 1e-9)).max() < 2e-6


def test_a_recording_becomes_the_episode_that_its_driver_drove(tmp_path, drives):
    drive = read_drive(
        drives.write_drive(tmp_path / "bag", seconds=8.0), READING, tmp_path / "cache"
    )
    driven = driven_curvature(drive.columns["stamp_ns"], drive.motion, vehicle=VEHICLE)
    episode = drive.episode(lane_keeping(SMALL), driven.curvature[:, None])
    curvature = episode.action[:, 0]
    seconds = (episode.stamp_ns - drives.BEGIN) * 1e-9
    assert len(episode) > 140 and driven.source == "steering" and np.isnan(episode.auxiliary).all()
    assert np.abs(curvature - drives.curvature(seconds, 0)).max() < 1e-6
    assert (
        np.allclose(episode.measurements[5:, 2], 8.0)
        and np.corrcoef(episode.measurements[5:, 0], curvature[5:])[0, 1] > 0.98
    )
    bar = np.argmax(
        episode.image[:, -1, :, 0], axis=1
    )  # bends to the left stand left in the picture
    assert np.corrcoef(bar, curvature)[0, 1] < -0.95
    assert drive.facts["frames"] == len(episode) and list(drive.facts["files"])[0].endswith(".mcap")


def test_the_cache_is_used_again_and_made_anew_when_bag_settings_or_bytes_differ(
    tmp_path, drives, monkeypatch
):
    bag, cache = drives.write_drive(tmp_path / "bag", seconds=8.0), tmp_path / "cache"
    first = read_drive(bag, READING, cache)
    image = np.array(first.image)
    assert isinstance(first.image, np.memmap) and sorted(
        path.suffix for path in cache.iterdir()
    ) == [".json", ".npz"]
    with monkeypatch.context() as patch:
        patch.setattr(Source, "samples", None)  # reading the bag would fail
        assert np.array_equal(read_drive(bag, READING, cache).image, image)
    other = read_drive(
        bag,
        dataclasses.replace(READING, preprocess=PreprocessConfig(height=8, width=16, crop_top=0.5)),
        cache,
    )
    assert not np.array_equal(other.image, image)
    (place,) = [
        path
        for path in cache.glob("*.npz")
        if np.array_equal(read_npz(path, ("image",))["image"], image)
    ]
    for damage in (place.read_bytes()[:5000], b"", b"PK\x03\x04 nonsense"):
        place.write_bytes(damage)
        assert np.array_equal(read_drive(bag, READING, cache).image, image)
    before = {file: file.read_bytes() for file in bag.iterdir()}
    (bag / "metadata.yaml").unlink()
    assert (
        np.array_equal(read_drive(bag, READING, cache).image, image)
        and len(list(cache.glob("*.npz"))) == 3
    )
    assert all(file.read_bytes() == content for file, content in before.items() if file.exists())


def test_what_cannot_be_trained_on_says_why_and_what_to_do(tmp_path, drives):
    cases = [
        ({"camera": False}, "no camera"),
        ({"seconds": 1.0}, "Record for longer"),
        ({"still": True}, "--stamps receive"),
        ({"size": (4, 8)}, "at least 8x16"),
    ]
    for number, (flaw, said) in enumerate(cases):
        bag = drives.write_drive(tmp_path / str(number), **{"seconds": 6.0} | flaw)
        with pytest.raises(UnusableRecordingError, match=said):
            read_drive(bag, READING, tmp_path / "cache")
    junk = tmp_path / "junk.mcap"
    junk.write_bytes(b"\x89MCAP0\r\n" + bytes(range(256)) * 40)
    for path in (junk, tmp_path / "absent"):
        with pytest.raises((RecordingError, UnusableRecordingError)):
            read_drive(path, READING, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npz")) and not list(
        (tmp_path / "cache").glob("*.pixels")
    )
    receive = dataclasses.replace(READING, recording=RecordingSettings(stamps="receive"))
    assert len(read_drive(tmp_path / "2", receive, tmp_path / "cache")) > 100


@pytest.mark.parametrize("speed", [8.0, 0.5])
def test_training_refuses_a_repeated_picture_as_the_robot_does(tmp_path, drives, speed):
    """The first picture and two repeats are used; standing still repeats pictures for good."""
    bag = drives.write_drive(tmp_path / "bag", seconds=8.0, speed=speed, frozen=(3.0, 5.0))
    drive = read_drive(bag, READING, tmp_path / "cache")
    robot, used, seen = Observer(SMALL), [], 0
    with open_recording(bag) as recording:
        for receive_ns, sample in recording.samples():
            outcome = robot.push(sample, receive_ns)
            used += [outcome.stamp_ns] if isinstance(outcome, Observation) else []
            seen += isinstance(sample, Frame)
    stamps = (drive.columns["stamp_ns"] - drives.BEGIN) * 1e-9
    frozen = (stamps >= 3.0) & (stamps < 5.0)
    refused = seen - len(drive)
    assert np.array_equal(drive.columns["stamp_ns"], used)
    if speed < 1.0:
        assert refused == 0 and drive.facts["rejected"] == {} and frozen.sum() > 30
        return
    assert drive.facts["rejected"] == {"repeated": refused} and 30 <= refused <= 37
    assert frozen.sum() == 3 and drive.columns["is_first"][np.argmax(stamps >= 5.0)]


def test_a_cut_recording_is_used_up_to_its_damage(tmp_path, drives):
    bag = drives.write_drive(tmp_path / "bag", seconds=30.0)
    (file,) = bag.glob("*.mcap")
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size * 7 // 10])
    drive = read_drive(cut, READING, tmp_path / "cache")
    assert (
        100 < len(drive) < len(read_drive(bag, READING, tmp_path / "cache"))
        and drive.facts["damage"]
    )


def test_the_crop_from_camera_info_shows_the_requested_view(tmp_path, drives):
    bag = drives.write_drive(tmp_path / "bag", seconds=1.0, size=(48, 64), focal=40.0)
    width, above, below = (float(np.arctan(pixels / 40)) for pixels in (16, 12, 20))
    view = ViewSettings("camera_info", width=2 * width, above=above, below=below)
    with open_recording(bag) as recording:
        crop = crop_for(recording, view, SMALL)
        assert (crop.crop_left, crop.crop_right, crop.crop_top, crop.crop_bottom) == pytest.approx(
            (0.25, 0.25, 0.25, 4 / 48), abs=1e-3
        )
        tilted = crop_for(recording, dataclasses.replace(view, pitch=0.1), SMALL)
        assert tilted.crop_top < crop.crop_top and tilted.crop_bottom > crop.crop_bottom
        with pytest.raises(ViewError, match="short of the view at the left"):
            crop_for(recording, dataclasses.replace(view, width=2.5), SMALL)
    with (
        open_recording(drives.write_drive(tmp_path / "bare", seconds=1.0)) as recording,
        pytest.raises(ViewError, match="no CameraInfo"),
    ):
        crop_for(recording, view, SMALL)


def test_mirrored_sequences_swap_left_and_right_of_everything():
    rng = np.random.default_rng(0)
    image, measurements = (
        rng.integers(0, 255, (3, 4, 6, 8, 3), np.uint8),
        rng.standard_normal((3, 4, 3)),
    )
    curvature, auxiliary = rng.standard_normal((3, 4, 1)), rng.standard_normal((3, 4, 4))
    batch = Batch(
        image.copy(), measurements.copy(), np.ones((3, 4)), curvature.copy(), auxiliary.copy()
    )
    mirror(batch, lane_keeping(), np.array([True, False, True]))
    assert np.array_equal(batch.image[0], image[0, :, :, ::-1])
    assert np.array_equal(batch.image[1], image[1])
    assert np.array_equal(batch.measurements[2], measurements[2] * [-1, -1, 1])
    assert np.array_equal(batch.measurements[1], measurements[1])
    assert np.array_equal(batch.action, curvature * np.array([-1, 1, -1])[:, None, None])
    assert np.array_equal(batch.auxiliary[0], -auxiliary[0])


def test_windows_start_only_where_half_of_the_targets_are_known():
    number = np.arange(60)
    curvature = np.where((number >= 20) & (number < 40), number, np.nan).astype(np.float32)
    image, measurements, dt = (
        np.zeros((60, 4, 4, 3), np.uint8),
        np.zeros((60, 3), np.float32),
        np.full(60, 0.1, np.float32),
    )
    episode = Episode(
        lane_keeping(),
        number * 10**8,
        image,
        measurements,
        dt,
        number == 0,
        curvature[:, None],
        np.full((60, 4), np.nan, np.float32),
    )
    sequences = Sequences([episode], 10, Augmentation(0, 0, 0, 0))
    assert (
        sequences.windows == 21
        and np.isfinite(sequences.draw(np.random.default_rng(0), 50).action).sum(1).min() >= 5
    )
    signs = np.sign(
        Sequences([episode], 10, Augmentation(0, 0, 0, 0), mirror_share=0.5)
        .draw(np.random.default_rng(0), 200)
        .action[..., 0]
    )
    mirrored = (signs == -1).any(1)
    assert 60 < mirrored.sum() < 140 and not (signs[mirrored] == 1).any()


def test_blind_sequences_feel_no_turn_but_know_their_speed():
    number = np.arange(60)
    image, measurements = np.zeros((60, 4, 4, 3), np.uint8), np.full((60, 3), 7.0, np.float32)
    episode = Episode(
        lane_keeping(),
        number * 10**8,
        image,
        measurements,
        np.full(60, 0.1, np.float32),
        number == 0,
        number[:, None].astype(np.float32),
        np.zeros((60, 4), np.float32),
    )
    for share in (0.0, 0.5, 1.0):
        drawn = (
            Sequences([episode], 10, Augmentation(0, 0, 0, 0), blind_share=share)
            .draw(np.random.default_rng(0), 200)
            .measurements
        )
        blind = (drawn[:, :, :2] == 0.0).all((1, 2))
        assert (
            abs(blind.mean() - share) < 0.15
            and (drawn[~blind] == 7.0).all()
            and (drawn[:, :, 2] == 7.0).all()
        )
    assert (measurements == 7.0).all()


def test_large_arrays_go_to_disk_and_back_in_parts(tmp_path):
    path, big = (
        tmp_path / "a.npz",
        np.random.default_rng(0).integers(0, 255, (700, 300, 5), np.uint8),
    )
    (tmp_path / "bytes").write_bytes(big.tobytes())
    write_npz(path, {"few": np.arange(3.0)}, "big", tmp_path / "bytes", big.shape)
    found = read_npz(path, ("few", "big"), mapped=("big",))
    assert (
        isinstance(found["big"], np.memmap)
        and np.array_equal(found["big"], big)
        and np.array_equal(np.load(path)["big"], big)
    )
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
    with pytest.raises(NpzError, match="array other is missing"):
        read_npz(path, ("other",))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.npz", "bytes"]
