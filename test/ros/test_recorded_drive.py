"""A drive in a recording: the real nodes over DDS, in the recording's own world."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.model.spec import names
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.vehicle_file import NAME, read_vehicle
from liquid_control.ros.drive import DriveSettings
from liquid_control.ros.node_parameters import SimNodeConfig
from liquid_control.ros.recorded_drive import open_recordings
from liquid_control.ros.sim_courses import RecordedCourse, open_course

ROOT = Path(__file__).resolve().parents[2]
DRIVE = (
    "import sys; from liquid_control.cli.main import main; sys.exit(main(['drive', *sys.argv[1:]]))"
)
SETTINGS = RecordingSettings(largest_curvature=2.0, constant_speed=1.0)
PAUSE = 80


@pytest.fixture(scope="module")
def tub(tables, tmp_path_factory) -> Path:
    """Two stretches of 4 s with a pause between them, steering to both sides; no IMU, no speed."""
    records = [
        tables.record(
            index,
            user__angle=round(0.2 * float(np.sin(index / 9)), 3),
            _timestamp_ms=tables.START_MS + 50 * index + 3000 * (index >= PAUSE),
        )
        for index in range(2 * PAUSE)
    ]
    folder = tmp_path_factory.mktemp("tubs") / "tub"
    return tables.write_tub(folder, records, size=(72, 144))


@pytest.fixture(scope="module")
def recorded(tub, tmp_path_factory):
    return open_recordings([tub], SETTINGS, PreprocessConfig(), tmp_path_factory.mktemp("cache"))


def test_the_nodes_drive_a_recording_and_leave_the_report_of_a_drive(model, tub, tmp_path):
    flags = ["--largest-curvature", "2", "--constant-speed", "1", "--seconds", "3", "--json"]
    command = [sys.executable, "-c", DRIVE, "--model", str(model), "--out", str(tmp_path)]
    process = subprocess.run(
        [*command, "--world", f"recording:{tub}", *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert process.returncode in (0, 1), process.stderr
    summary = json.loads(process.stdout.strip().splitlines()[-1])
    assert summary["processes_died"] == 0 and summary["distance_m"] > 0.5
    assert summary["frames_sent"] >= summary["frames_used"] > 30
    assert summary["latency_ms_p50"] > 0.0 and 0.5 < summary["mean_speed"] < 1.1
    assert "speed_unknown" not in summary["gate_limits"]
    assert (tmp_path / "drive.mp4").stat().st_size > 5_000
    page = (tmp_path / "report.html").read_text()
    assert "road <b>tub</b>" in page and "lane <b>" in page and "Path over the road" in page


def test_gate_and_policy_get_the_limits_of_the_vehicle(recorded):
    limits, policy = recorded.safety(20.0), recorded.policy(20.0)
    assert limits["engagement.needs_speed"] is False and not recorded.inertial
    assert limits["gate.max_speed"] == pytest.approx(1.5)
    assert limits["gate.max_steering_angle"] == recorded.vehicle.max_steering_angle
    assert policy["speed"] == pytest.approx(1.2)
    assert policy["comfort_lateral_acceleration"] < limits["gate.max_lateral_acceleration"]
    assert recorded.policy(0.5)["speed"] == recorded.safety(0.5)["gate.max_speed"] == 0.5


def test_a_recording_of_the_drive_says_what_its_vehicle_is(recorded, tmp_path):
    recorded.describe(tmp_path)
    said, road = read_vehicle(tmp_path / NAME), recorded.roads[0]
    assert said.wheelbase == road.vehicle.wheelbase and said.lane_width == road.scale.lane_width
    assert said.largest_angle == road.vehicle.max_steering_angle
    assert said.camera_height == road.camera.above
    angle = said.camera_field_of_view
    lens = GroundCamera.of_lens(road.camera.height, road.camera.width, angle, 1.0, 0.0)
    assert lens.focal[0] == pytest.approx(road.camera.focal[0])


def test_a_course_stands_begins_and_goes_on_to_the_next_stretch(recorded):
    config = SimNodeConfig(recorded_roads=str(recorded.file))
    course = open_course(config, WorldConfig())
    assert isinstance(course, RecordedCourse) and not course.inertial and not course.speed
    assert course.vehicle == recorded.vehicle and course.world.truth.speed == 0.0
    lens, camera = course.lens, course.world.recording.camera
    assert (lens.height, lens.width, lens.focal) == (camera.height, camera.width, camera.focal)
    assert course.world.render(lens.width, lens.height).shape == (lens.height, lens.width, 3)
    course.begin()
    assert course.world.truth.speed == pytest.approx(1.0)
    course.world.place(2.0)
    course.put_back()
    assert course.world.truth.station == pytest.approx(2.0 + course.world.scale.put_back_ahead)
    first = course.world.recording.name
    assert len(course.world.task.spec.actions) == 1
    obeying = open_course(dataclasses.replace(config, obey_speed=True), WorldConfig())
    assert names(obeying.world.task.spec.actions) == ("curvature", "speed")
    before = course.world.truth
    course.follow()
    assert course.world.recording.name != first and course.world.truth.speed > 0.0
    assert course.shift[0] + course.world.truth.x > before.x
    course.follow()
    assert course.world.recording.name == first


def test_a_world_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="recording:PATH"):
        DriveSettings(worlds=("sea",))
