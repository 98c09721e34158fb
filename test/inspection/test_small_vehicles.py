"""A robot of 0.1 m wheelbase at 0.3 m/s in bends of 2 to 9 1/m: nothing is refused for being slow
or small, and steering that the vehicle cannot do is counted and named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.control.driving_scale import driving_scale
from liquid_control.inspection.measurements import judge_driving
from liquid_control.inspection.recording import inspect_recording
from liquid_control.inspection.series import SeriesTrack
from liquid_control.inspection.vehicle_size import Sharpness, judge_sharpness, judge_size
from liquid_control.recordings.driven_curvature import CurvatureSettings, driven_curvature
from liquid_control.recordings.motion import Motion, Track
from liquid_control.recordings.settings import RecordingSettings

TURTLEBOT = RecordingSettings(vehicle_file="turtlebot")


def found(path, settings=None) -> dict:
    """Findings by code; those of the missing IMU are not this file's."""
    findings = inspect_recording(path, settings).facts["findings"]
    return {one["code"]: one for one in findings if one["train"] != "ok" and one["role"] != "imu"}


@pytest.fixture(scope="module")
def robot(drives, tmp_path_factory):
    return drives.write_robot(tmp_path_factory.mktemp("robot") / "bag", seconds=12.0)


def test_without_a_vehicle_it_is_said_that_it_is_no_car_and_what_is_cut(robot):
    said = found(robot)
    assert set(said) == {"beyond_vehicle", "not_a_car"}
    cut = said["beyond_vehicle"]
    assert (cut["replay"], cut["train"]) == ("warning", "fault")
    assert "0.236 1/m at most" in cut["text"]
    assert "0.34 m/s" in said["not_a_car"]["text"] and "1/m" in said["not_a_car"]["text"]
    assert all("--vehicle" in one["remedy"] for one in said.values())


@pytest.mark.parametrize("settings", [TURTLEBOT, RecordingSettings(vehicle_file="duckiebot")])
def test_with_its_vehicle_nothing_is_wrong(robot, settings):
    assert found(robot, settings) == {}


def test_a_vehicle_yaml_beside_it_is_enough(robot, drives, tmp_path):
    bag = drives.write_robot(tmp_path / "bag", seconds=6.0, wheelbase=0.13, speed=0.12)
    (tmp_path / "vehicle.yaml").write_text("wheelbase: 0.13\nlargest_curvature: 10\n")
    assert found(bag) == {}


def test_signals_of_a_robot_are_held_against_each_other(drives, tmp_path):
    """Its angles are beyond those of a car's wheels, and their tangents count."""
    bag = drives.write_robot(tmp_path / "bag", seconds=20.0, imu=True, wheelbase=0.16)
    facts = inspect_recording(bag, TURTLEBOT).facts
    fit = facts["agreement"]["steering_to_gyro"]
    assert fit["slope"] == pytest.approx(1.0, abs=0.02) and fit["correlation"] > 0.99
    assert {one["code"] for one in facts["findings"] if one["train"] != "ok"} == set()


def test_a_frozen_camera_is_noticed_with_and_without_the_vehicle(drives, tmp_path):
    bag = drives.write_robot(tmp_path / "bag", seconds=10.0, frozen=(4.0, 6.0))
    for settings in (None, TURTLEBOT):
        assert "repeated_pictures" in found(bag, settings)


@pytest.mark.parametrize("share, train", [(0.0005, None), (0.02, "warning"), (0.2, "fault")])
def test_steering_beyond_the_vehicle_is_weighed_by_its_share(share, train):
    car = Sharpness(VehicleConfig())
    for index in range(10_000):
        car.push(0.7 if index < share * 10_000 else 0.55)
    car.push(math.nan)
    said = list(judge_sharpness(car, is_curvature=False))
    assert [one.train for one in said] == ([train] if train else [])
    assert all("0.7 rad of 0.55 rad" in one.text for one in said)


def test_a_car_is_a_car_and_a_vehicle_that_is_given_is_believed():
    assert not list(judge_size(RecordingSettings(), 0.7, 0.3))
    assert not list(judge_size(RecordingSettings(), math.nan, math.nan))
    assert not list(judge_size(RecordingSettings(vehicle_file="full_size"), 0.3, 5.0))
    assert [one.role for one in judge_size(RecordingSettings(), 1.5, 4.0)] == ["steering"]


def speeds(*values: float) -> SeriesTrack:
    track = SeriesTrack(1)
    for index, value in enumerate(values):
        track.push((float(index), value))
    return track


def test_what_never_moves_and_what_drives_backward_follow_the_vehicle():
    def codes(vehicle, *values):
        scale = driving_scale(vehicle)
        said = judge_driving(speeds(*values), SeriesTrack(1), False, False, scale)
        return [one.code for one in said]

    car, robot = VehicleConfig(), VehicleConfig(0.1, 0.7)
    assert codes(car, 0.05, 0.09) == ["never_moves"] and codes(robot, 0.05, 0.09) == []
    assert codes(car, -0.3, -0.3) == [] and codes(robot, -0.3, -0.3) == ["speed_sign"]
    assert codes(car, -0.6, -0.6) == ["speed_sign"]


@pytest.mark.parametrize(
    "vehicle, speed, known",
    [
        (VehicleConfig(), (0.9, 9.0), [False, True]),  # a car creeps
        (VehicleConfig(), (0.2, 0.3), [True, True]),  # no car
        (VehicleConfig(0.1, 0.73), (0.03, 0.1), [False, True]),
    ],
)
def test_slow_frames_teach_where_the_vehicle_is_slow(vehicle, speed, known):
    stamps = np.arange(200, dtype=np.int64) * 10_000_000
    values = np.repeat(speed, 100)
    motion = Motion(EMPTY, Track(stamps, values), Track(stamps, np.full(200, 0.1)))
    driven = driven_curvature(stamps, motion, CurvatureSettings(), vehicle)
    assert list(np.isfinite(driven.curvature[[50, 150]])) == known
    given = driven_curvature(stamps, motion, CurvatureSettings(slowest=0.5), vehicle)
    assert list(np.isfinite(given.curvature[[50, 150]])) == [value >= 0.5 for value in speed]


EMPTY = Track(np.zeros(0, np.int64), np.zeros(0))
