"""--vehicle NAME: one file per vehicle for robot and recordings, and what is only assumed of it."""

from __future__ import annotations

import math

import pytest

from liquid_control.config import GateConfig, TimelineConfig, VehicleConfig, from_mapping
from liquid_control.control.engagement import EngagementConfig
from liquid_control.data.estimates.start_camera import start_camera
from liquid_control.errors import ConfigError
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.plain_yaml import load_yaml
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.recordings.vehicle_file import named_vehicle
from liquid_control.recordings.vehicle_presets import (
    PRESETS,
    preset_file,
    preset_names,
    starting_values,
)
from liquid_control.ros.launch_arguments import FILES
from liquid_control.signals import SteeringSample

SMALL = ("donkey", "jetracer", "f1tenth", "duckiebot", "turtlebot")


def parameters(name: str) -> dict:
    return load_yaml(preset_file(name).read_bytes())["/**"]["ros__parameters"]


def test_every_preset_is_named_where_vehicles_are_chosen():
    assert set(SMALL) < set(PRESETS) < set(preset_names())
    helps = RecordingSettings.__dataclass_fields__["vehicle_file"].metadata["help"]
    assert all(name in helps for name in PRESETS)
    assert all(name in FILES["vehicle"].description for name in preset_names())


@pytest.mark.parametrize("name", SMALL)
def test_a_small_vehicle_turns_as_sharply_as_its_gate_allows(name):
    said = parameters(name)
    vehicle, gate = from_mapping(VehicleConfig, said["vehicle"]), GateConfig(**said["gate"])
    EngagementConfig(**said["engagement"])
    assert gate.max_steering_angle == vehicle.max_steering_angle
    sharpest = math.tan(vehicle.max_steering_angle) / vehicle.wheelbase
    assert 1.2 < sharpest < 10.01
    # At its set speed, or unknown speed where it has no sensor, no bend of its own is refused.
    speed = said["speed"] if said["engagement"].get("needs_speed", True) else gate.max_speed
    comfortable = said["comfort_lateral_acceleration"] / sharpest
    assert min(speed**2, comfortable) * sharpest < gate.max_lateral_acceleration
    assert said["timeline"]["assumed_speed"] == said["speed"] == PRESETS[name].speed
    assert TimelineConfig(**said["timeline"]).assumed_speed < gate.max_speed
    assert said["engagement"]["standstill"] < 0.2 * said["speed"]


def test_a_wheelbase_of_0_1_m_with_bends_of_6_1_m_is_a_vehicle():
    VehicleConfig(0.1, math.atan(0.1 * 6.0))
    GateConfig(max_steering_angle=math.atan(0.1 * 6.0), max_speed=0.1)
    VehicleConfig(6.0, 0.6)


def test_a_path_wins_over_a_name_and_an_unknown_name_lists_the_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert named_vehicle("donkey") == preset_file("donkey")
    (tmp_path / "donkey").write_text("largest_curvature: 3.0\n")
    assert named_vehicle("donkey").read_text().startswith("largest")
    assert starting_values(RecordingSettings(vehicle_file="donkey")).speed == 0.0
    with pytest.raises(ConfigError, match="donkey, duckiebot, f1tenth, full_size, jetracer"):
        named_vehicle("donky")


def write_folder(folder, tables):
    (folder / "frames").mkdir(parents=True)
    (folder / "frames" / "0.jpg").write_bytes(tables.jpeg(0))
    (folder / "table.csv").write_text("stamp,picture,steering\n1,frames/0.jpg,1\n")
    return folder


def opened(path, **settings):
    with open_recording(path, RecordingSettings(**settings)) as source:
        steering = list(source.samples([SteeringSample]))
        return source, steering[0][1]


def test_its_speed_is_assumed_only_where_none_is_recorded(tables, drives, tmp_path):
    folder = write_folder(tmp_path / "one", tables)
    source, steering = opened(folder, vehicle_file="donkey")
    assert steering.speed == source.settings.constant_speed == 1.0
    [remark] = [one for one in source.remarks if "assumed" in one]
    assert "donkey" in remark and "--constant-speed" in remark
    largest = math.tan(0.436) / 0.2
    assert source.settings.largest_curvature == pytest.approx(largest)
    assert abs(math.tan(steering.steering_angle)) == pytest.approx(0.2 * largest)
    # What is only a starting value is given to nothing that would take it for measured.
    assert source.settings.mount.height == source.settings.response_delay == 0.0
    assert starting_values(source.settings).camera.height == 0.15
    assert source.settings.lane_width == 0.5
    source, steering = opened(folder, vehicle_file="donkey", constant_speed=2.5)
    assert steering.speed == 2.5 and not source.remarks
    bag = drives.write_drive(tmp_path / "bag", seconds=2.0, imu=False, speed=0.5)
    source, steering = opened(bag, vehicle_file="donkey")
    assert steering.speed == 0.5 and not source.settings.constant_speed and not source.remarks


def test_the_camera_of_a_preset_is_where_an_estimate_starts_and_is_not_given():
    settings = RecordingSettings(vehicle_file="duckiebot")
    camera, given = start_camera(None, settings, 48, 64)
    assert (camera.above, camera.pitch) == (0.108, 0.334) and given == frozenset()
    settings = RecordingSettings(vehicle_file="duckiebot", mount=CameraMount(height=0.2))
    camera, given = start_camera(None, settings, 48, 64)
    assert (camera.above, camera.pitch, given) == (0.2, 0.334, {"height"})
