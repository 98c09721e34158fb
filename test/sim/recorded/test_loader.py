"""A recording as roads: where it is cut, what is named, what is refused."""

from __future__ import annotations

import copy
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "helpers"))
from ground_drive import CAMERA, SIZE, SPEED, bend, draw, write_ground_drive

from liquid_control.config import PreprocessConfig
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.sim.recorded.loader import NoRoadError, RecordedRoads, load_roads, working_size
from liquid_control.sim.recorded.view import synthesise

MOUNT = CameraMount(height=CAMERA.above, pitch=CAMERA.pitch, forward=CAMERA.forward)


def load(recording: Path, preprocess: PreprocessConfig = SIZE, **settings) -> RecordedRoads:
    given = {"mount": MOUNT, "response_delay": 0.1} | settings
    return load_roads(recording, RecordingSettings(**given), preprocess, recording.parent / "cache")


@pytest.fixture(scope="module")
def drive(tmp_path_factory) -> Path:
    return write_ground_drive(tmp_path_factory.mktemp("drive") / "drive")


def test_a_drive_is_one_road_with_its_path_and_pictures(drive):
    roads = load(drive)
    (road,) = roads.roads
    path = road.path
    assert roads.left_out == {} and roads.estimates == {}
    assert len(path) == len(road.pictures) == 240
    assert path.length == pytest.approx(SPEED * path.seconds, rel=1e-3)
    time = (path.stamp_ns - path.stamp_ns[0]) * 1e-9
    assert path.command == pytest.approx(bend(time + 0.1), abs=2e-4)
    assert path.curvature[2:-2] == pytest.approx(bend(time)[2:-2], abs=5e-4)
    assert path.heading[-1] == pytest.approx(
        0.03 / 0.9 * (1 - np.cos(0.9 * time[-1])) * SPEED, abs=2e-3
    )
    assert road.measured == ("yaw_rate", "lateral_acceleration", "speed")
    assert road.camera.focal == pytest.approx(CAMERA.focal)
    assert roads.length == path.length and roads.seconds == path.seconds
    assert road.hold == pytest.approx(0.025)  # a command with each picture, 20 a second


def test_its_pictures_are_those_of_the_recording_and_move_as_they_should(drive):
    (road,) = load(drive).roads
    path = road.path
    picture, _ = synthesise(road, float(path.station[50]), 0.0, 0.0)
    assert np.array_equal(picture, draw(path.x[50], path.y[50], path.heading[50]))
    x, y, heading = path.pose(30.1)
    beside, seen = synthesise(road, 30.1, 0.8, 0.0)
    truth = draw(x - 0.8 * np.sin(heading), y + 0.8 * np.cos(heading), heading)
    # CameraInfo's centre lies half a pixel beside the drawn one.
    assert np.abs(beside.astype(int) - truth)[seen].mean() < 4.0


def test_a_road_travels_to_another_process_without_its_pictures(drive):
    (road,) = load(drive).roads
    data = ForkingPickler.dumps(road)
    assert len(data) < road.pictures.array.nbytes / 20
    same = copy.deepcopy(road)
    assert np.array_equal(same.pictures[7], road.pictures[7])


def test_pauses_and_stops_end_a_road_and_are_named(tmp_path):
    recording = write_ground_drive(tmp_path / "bag", pause=(3.0, 4.5), stop=(7.0, 9.0))
    roads = load(recording)
    assert len(roads.roads) == 3
    assert roads.left_out["pauses and jumps of the clock"] == pytest.approx(1.5, abs=0.1)
    assert roads.left_out["slower than 1 m/s"] == pytest.approx(2.0, abs=0.15)
    covered = roads.seconds + sum(roads.left_out.values())
    assert covered == pytest.approx(12.0, abs=0.3)


def test_wheels_that_spin_are_left_out_since_the_picture_stands(tmp_path):
    roads = load(write_ground_drive(tmp_path / "bag", spin=(5.0, 8.0)))
    assert len(roads.roads) == 2
    (reason,) = roads.left_out
    assert reason == "the picture stands still while the wheels turn"
    assert roads.left_out[reason] == pytest.approx(3.0, abs=0.3)


def test_a_clock_that_jumps_by_hours_ends_a_road(tmp_path):
    roads = load(write_ground_drive(tmp_path / "bag", jump=20.6 * 3600.0))
    assert [road.path.seconds for road in roads.roads] == pytest.approx([6.0, 6.0], abs=0.2)


def test_without_a_gyro_the_path_is_the_commanded_one_a_response_later(tmp_path):
    recording = write_ground_drive(tmp_path / "bag", imu=False)
    (road,) = load(recording).roads
    time = (road.path.stamp_ns - road.path.stamp_ns[0]) * 1e-9
    assert road.measured == ("speed",)
    assert road.path.curvature[4:] == pytest.approx(bend(time)[4:], abs=3e-4)


def test_without_any_speed_the_remedy_is_named(tmp_path):
    recording = write_ground_drive(tmp_path / "bag", speed=False, steering=False)
    with pytest.raises(NoRoadError, match="--constant-speed"):
        load(recording)


def test_a_camera_that_looks_up_is_refused(drive):
    mount = CameraMount(height=1.4, pitch=-0.7, field_of_view=1.2, forward=1.6)
    with pytest.raises(NoRoadError, match="looks up"):
        load(drive, mount=mount)


def test_a_recording_of_stops_only_is_refused_with_the_reasons(tmp_path):
    recording = write_ground_drive(tmp_path / "bag", seconds=4.0, stop=(0.2, 3.9))
    with pytest.raises(NoRoadError, match="no stretch of good driving.*slower than 1 m/s 3"):
        load(recording)


@pytest.mark.parametrize(
    ("rows", "columns", "preprocess", "expected"),
    [
        (64, 128, PreprocessConfig(), (64, 128)),
        (120, 160, PreprocessConfig(crop_top=0.3), (91, 128)),
        (480, 640, PreprocessConfig(crop_top=0.5, crop_left=0.25, crop_right=0.25), (127, 254)),
        (60, 100, PreprocessConfig(), (60, 100)),
        (120, 160, PreprocessConfig(32, 64), (64, 128)),
        (120, 160, PreprocessConfig(16, 32, crop_top=0.3), (91, 128)),
        (40, 90, PreprocessConfig(32, 64), (40, 90)),
    ],
)
def test_the_working_size_is_the_least_whose_crop_is_the_policys(
    rows, columns, preprocess, expected
):
    size = working_size(rows, columns, preprocess)
    assert (size.height, size.width) == expected
