"""The recording that replay is measured on is as heavy as a camera's, each measurement runs, and
the verdict follows the figures."""

from __future__ import annotations

import collections
import copy

import cv2
import numpy as np
import pytest

from liquid_control.bench import replay
from liquid_control.bench.replay_bag import QUALITY, make_bag, natural_picture
from liquid_control.model.installed import find_model
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.rosbag.messages import jpeg
from liquid_control.signals import Frame

RESULT = {
    "machine": {"processor": "abacus", "cores": 2, "load": 0.1, "date": "today"},
    "recording": {
        "picture": "640x480 JPEG",
        "bytes_per_picture": 90_000,
        "camera_hz": 30.0,
        "imu_hz": 200.0,
        "long_minutes": 30.0,
        "long_bytes": 5_000_000_000,
    },
    "frames_per_second": {"replay": 600.0, "read and decode": 700.0},
    "times_real_time": 20.0,
    "share_of_reading": 0.86,
    "share_of_plain_loop": 1.23,
    "long_times_real_time": 19.0,
    "long_with_report_times_real_time": 18.0,
    "peak_mb": {"1 min": 120.0, "30 min": 130.0},
    "index_s": 0.3,
}


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "bag"
    make_bag(folder, 3.0, pictures=5)
    return folder


def test_the_recording_has_the_rates_that_it_says(bag):
    with open_recording(bag) as recording:
        samples = list(recording.samples())
    counts = collections.Counter(type(sample).__name__ for _, sample in samples)
    assert counts == {"Frame": 90, "ImuSample": 600, "SpeedSample": 150, "SteeringSample": 150}
    frames = [sample for _, sample in samples if isinstance(sample, Frame)]
    assert frames[0].image.shape == (480, 640, 3) and not np.array_equal(
        frames[0].image, frames[1].image
    )
    assert {receive - sample.stamp_ns for receive, sample in samples} == {8_000_000}


def test_a_picture_has_the_detail_of_a_natural_scene():
    picture = natural_picture(np.random.default_rng(3))
    assert 60_000 < len(jpeg(picture, QUALITY)) < 130_000
    power = np.abs(np.fft.fft2(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(float))) ** 2
    low, high = power[4:8, 4:8].mean(), power[64:128, 64:128].mean()
    assert (
        16**1.8 < low / high < 16**3.0
    )  # amplitude falls with frequency to the power of 1.2, power with twice that


@pytest.mark.parametrize("name", ["replay", "read and decode", "inspect --quick"])
def test_a_measurement_is_a_process_that_says_what_it_took(bag, name):
    found = replay._measured(name, bag, find_model("lane_keeper"), str(bag.parent))
    assert (
        found["frames"] == (0 if name.startswith("inspect") else 90)
        and found["seconds"] > 0
        and 20 < found["peak_mb"] < 600
    )


@pytest.mark.parametrize(
    "field, value",
    [
        ("times_real_time", 14.0),
        ("long_times_real_time", 14.0),
        ("share_of_plain_loop", 0.79),
        ("index_s", 6.0),
        ("peak_mb", {"30 min": 601.0}),
    ],
)
def test_one_figure_that_is_not_what_it_must_be_fails(field, value):
    assert replay.succeeded(RESULT) and not replay.succeeded(copy.deepcopy(RESULT) | {field: value})


def test_the_table_names_figures_and_machine():
    said = replay.table(RESULT)
    assert (
        "86%" in said
        and "123%" in said
        and ">= 80%" in said
        and "130 MB" in said
        and "abacus" in said
        and "90 kB" in said
    )
