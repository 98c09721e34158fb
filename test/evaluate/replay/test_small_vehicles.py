"""Replays of small vehicles: their speeds and bends, their gates, and where their cameras are."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from liquid_control.config import TimelineConfig, VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, of_vehicle, replay_source
from liquid_control.evaluate.replay.run import Camera, mounted
from liquid_control.evaluate.replay.summary import summarize
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.settings import CameraMount, RecordingSettings
from liquid_control.recordings.vehicle_file import with_vehicle_file
from liquid_control.signals import Frame, SpeedSample, SteeringSample

START_NS = 1_767_225_600_000_000_000
TURTLEBOT = RecordingSettings(vehicle_file="turtlebot")
ROBOT = VehicleConfig(0.1, math.atan(1.0))


def bend(seconds: float) -> float:
    return 6.0 * math.sin(0.9 * seconds) + 3.0 * math.sin(2.1 * seconds)


def samples(vehicle: VehicleConfig) -> list:
    """10 s: frames at 20 Hz, speed and steering."""
    found = []
    for tick in range(200):
        stamp, at = START_NS + tick * 50_000_000, tick / 20
        speed = 0.3 + 0.05 * math.sin(at)
        for sample in (
            SpeedSample(stamp, speed),
            SteeringSample(stamp, steering_angle(bend(at), vehicle), speed),
            Frame(stamp, np.full((16, 16, 3), tick, np.uint8)),
        ):
            found.append((stamp + 1_000_000, sample))
    return found


def replayed(scripted, vehicle: VehicleConfig) -> dict:
    source = InMemoryRecording(samples(ROBOT), RecordingSettings(vehicle=vehicle))
    models = {"policy": scripted(lambda seconds: 0.9 * bend(seconds))}
    logs = replay_source(models, source, OpenLoopSettings())
    info = SimpleNamespace(directory="", files={})
    return summarize([logs], {"policy": SimpleNamespace(info=info)})[0]


def test_every_frame_of_a_slow_robot_is_compared_in_classes_of_its_own(scripted):
    facts = replayed(scripted, ROBOT)
    found = facts["overall"]["policy"]
    assert found["frames_compared"] == 200 and found["frames_standing"] == 0
    assert found["curvature"]["rmse"] == pytest.approx(
        0.1 * np.std([bend(t / 20) for t in range(200)]), rel=0.1
    )
    assert len(found["by_bend"]) >= 4 and found["by_bend"][-1]["from"] == 5.0
    assert len(found["by_speed"]) >= 2
    assert all("no imu" in one for one in facts["warnings"])
    # Its gate lets its bends through.
    assert found["after_gate"]["rmse"] < 2 * found["steering"]["rmse"]


def test_without_its_vehicle_it_is_compared_and_what_is_cut_is_said(scripted):
    facts = replayed(scripted, VehicleConfig())
    assert facts["overall"]["policy"]["frames_compared"] == 200
    _, said = facts["warnings"]
    assert "sharper than the vehicle can" in said and "--vehicle NAME" in said


def test_a_replay_drives_with_the_robots_own_parameters(tmp_path):
    settings = OpenLoopSettings()
    assert of_vehicle(settings, RecordingSettings()) == settings
    recording = with_vehicle_file(tmp_path / "bag", TURTLEBOT)
    robot = of_vehicle(settings, recording)
    assert robot.gate.max_speed == 0.3 and robot.gate.max_steering_angle == 1.012
    assert robot.set_speed == robot.timeline.assumed_speed == 0.2
    assert robot.comfort_lateral_acceleration == 0.9
    set_by_hand = OpenLoopSettings(timeline=TimelineConfig(assumed_speed=0.3), set_speed=0.25)
    robot = of_vehicle(set_by_hand, recording)
    assert (robot.set_speed, robot.timeline.assumed_speed) == (0.25, 0.3)
    plain = of_vehicle(settings, RecordingSettings(vehicle=VehicleConfig(0.1, 0.73)))
    assert plain.gate.max_steering_angle == 0.73 and plain.set_speed == 15.0


def test_paths_are_drawn_from_where_the_recorded_camera_is():
    assert mounted(Camera(), RecordingSettings()) == Camera()
    robot = RecordingSettings(vehicle=VehicleConfig(0.13, 0.9))
    small = mounted(Camera(), robot)
    assert small.height == pytest.approx(1.35 / 20) and small.ahead == pytest.approx(3.0 / 20)
    assert mounted(Camera(height=0.4), robot) == Camera(height=0.4)
    preset = mounted(Camera(), RecordingSettings(vehicle_file="duckiebot"))
    assert (preset.height, preset.pitch, preset.ahead) == (0.108, 0.334, 0.066)
    given = mounted(Camera(), RecordingSettings(mount=CameraMount(height=0.2)))
    assert given == Camera(height=0.2)
