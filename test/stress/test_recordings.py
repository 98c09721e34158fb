"""`soak recordings`: a few recordings of each kind here, two thousand in `make stress`."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.stress.recordings import judge as judging
from liquid_control.stress.recordings import run
from liquid_control.stress.recordings.drive import TINY, draw_drive, number_of, streams_of
from liquid_control.stress.recordings.judge import RIGHT, SILENT, judge, ways_of
from liquid_control.stress.recordings.kinds import KINDS, Kind
from liquid_control.stress.recordings.run import run_case
from liquid_control.stress.recordings.writing import ENCODINGS, Layout, write_recording


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_read_or_blamed_rightly(kind):
    what, outcome = run_case(kind, 7, list(KINDS).index(kind))
    assert outcome.verdict == RIGHT, (what, outcome)


@pytest.mark.parametrize(("kind", "index"), [("no_accelerometer", 31), ("steering_scale", 44)])
def test_a_small_robot_is_judged_like_a_car(kind, index, monkeypatch):
    """Positions and speed that agree blame nothing; angles of nearly 1 rad are no small ones."""

    def robots(rng):
        return next(one for one in iter(lambda: draw_drive(rng), None) if one.wheelbase == TINY)

    monkeypatch.setattr(run, "draw_drive", robots)
    what, outcome = run_case(kind, 7, index)
    assert outcome.verdict == RIGHT, (what, outcome)


@pytest.fixture
def drive():
    rng = np.random.default_rng(3)
    made = draw_drive(rng)
    return made, streams_of(made, rng)


def test_the_streams_say_what_the_drive_did(drive):
    made, streams = drive
    imu, times = streams["imu"], (streams["imu"].stamp_ns - streams["imu"].stamp_ns[0]) * 1e-9 + 0.1
    assert np.std(imu.values[:, 2] - made.at("yaw_rate", times)) < 0.005
    turned = np.trapezoid(imu.values[:, 2], times)
    assert abs(turned - (made.at("yaw", times[-1]) - made.at("yaw", times[0]))) < 0.02
    assert np.allclose(made.speed**2 * made.curvature, made.lateral_acceleration)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_pictures_of_every_encoding_keep_their_number(drive, encoding, tmp_path):
    made, streams = drive
    path = write_recording(tmp_path, made, streams, Layout(encoding=encoding))
    from liquid_control.recordings.formats import open_recording
    from liquid_control.signals import Frame

    with open_recording(path) as recording:
        images = [frame.image for _, frame in recording.samples([Frame])]
    assert [number_of(image) for image in images] == list(range(len(made.picture_times)))


def test_a_fault_of_which_nothing_is_said_is_silent(drive, tmp_path, monkeypatch):
    """The judge itself: steering with the other sign, and an inspection that says nothing."""
    made, streams = drive
    changed = KINDS["steering_sign"].change(streams, Layout(), made, np.random.default_rng(0))
    path = write_recording(tmp_path, made, changed.streams, changed.layout)
    kind = KINDS["steering_sign"]
    assert judge(path, made, kind, False, tmp_path / "cache").verdict == RIGHT
    quiet = dataclasses.replace(kind, allowed=frozenset({"steering_sign"}))
    assert judge(path, made, quiet, False, tmp_path / "cache").verdict == SILENT
    harmless = Kind(kind.change)
    assert judge(path, made, harmless, False, tmp_path / "cache").verdict == judging.FALSE_ALARM


def test_flags_are_read_from_remedies():
    both = {"remedy": "check it, or --imu.axes frd --imu.gyro-scale -1 (--topics.speed /odom)"}
    either = {"remedy": "--stamps receive, or --steering-delay -0.3."}
    assert ways_of([both, either]) == [
        {"imu.axes": "frd", "imu.gyro-scale": "-1", "stamps": "receive"},
        {"imu.axes": "frd", "imu.gyro-scale": "-1", "steering-delay": "-0.3"},
    ]
    assert ways_of([{"remedy": "synchronise the clocks"}]) == []
