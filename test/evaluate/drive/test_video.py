"""drive.mp4, read back with a decoder; and the pieces that are drawn into it."""

from __future__ import annotations

import dataclasses
import math

import av
import cv2
import numpy as np
import pytest

from liquid_control.errors import DriveError
from liquid_control.evaluate.drive.log import (
    Commands,
    DriveLog,
    Neurons,
    Pictures,
    Proposals,
    Track,
)
from liquid_control.evaluate.drive.video import HEIGHT, WIDTH, frames, write_video
from liquid_control.report import overlay
from liquid_control.report.overlay import CameraView
from liquid_control.report.strip import LABELS, Strip, by_layer, circuit_names, normalised


def test_the_video_is_what_browsers_play_and_keeps_every_pictures_time(log, tmp_path):
    path = tmp_path / "drive.mp4"
    stamps = log.pictures.stamp_ns
    assert write_video(log, path) == len(stamps)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.width, stream.height) == (
            "h264",
            "yuv420p",
            WIDTH,
            HEIGHT,
        )
        seconds = [float(frame.pts * frame.time_base) for frame in container.decode(stream)]
    assert np.allclose(np.array(seconds) - seconds[0], (stamps - stamps[0]) / 1e9, atol=1.5e-3)
    head = path.read_bytes()[:4096]
    assert b"moov" in head, (
        "the index must stand in front, so that playing starts before all is loaded"
    )


def test_the_camera_picture_is_in_the_video(log, tmp_path):
    write_video(dataclasses.replace(log, camera=None), tmp_path / "drive.mp4")
    with av.open(str(tmp_path / "drive.mp4")) as container:
        last = list(container.decode(video=0))[-1].to_ndarray(format="bgr24")
    shown, camera = (
        last[150:200, 300:400].mean((0, 1)),
        cv2.imdecode(np.frombuffer(log.pictures.encoded[-1], np.uint8), 1).mean((0, 1)),
    )
    assert np.allclose(shown, camera, atol=5)


def test_a_log_without_pictures_is_an_error_that_says_so(log, tmp_path):
    with pytest.raises(DriveError, match="no camera picture"):
        write_video(dataclasses.replace(log, pictures=Pictures()), tmp_path / "drive.mp4")


def test_pictures_alone_make_a_video(log):
    assert len(list(frames(DriveLog(pictures=log.pictures)))) == len(log.pictures.stamp_ns)


def test_unknown_values_broken_pictures_and_other_shapes_of_camera_are_drawn_as_they_can_be(log):
    tall = cv2.imencode(".png", np.zeros((480, 640, 3), np.uint8))[1].tobytes()
    stamps = log.pictures.stamp_ns[:3]
    gaps = np.full(3, math.nan)
    broken = DriveLog(
        Pictures(stamps, (b"not a picture", tall, log.pictures.encoded[0])),
        Proposals(stamps, stamps, gaps, gaps),
        Commands(stamps, stamps, [0.0, 0.5, -0.5], [1.0] * 3, stamps),
        Neurons(stamps, np.full((3, 19), math.nan)),
        Track(stamps, stamps, *[gaps] * 7),
    )
    assert [picture.shape for _, picture in frames(broken)] == [(HEIGHT, WIDTH, 3)] * 3


def test_the_path_is_drawn_where_a_pinhole_camera_sees_it():
    view = CameraView(vertical_view=math.pi / 2, height=1.0, pitch=0.0, ahead=0.0)
    pixels = overlay.project(
        view, (200, 400, 3), np.array([10.0, 10.0, 1.0]), np.array([0.0, 5.0, 0.0])
    )
    assert pixels == pytest.approx(np.array([[200, 110], [150, 110], [200, 200]]))


def test_a_left_bend_is_drawn_to_the_left():
    black = np.zeros((360, 720, 3), np.uint8)
    for curvature, centre in ((0.03, "left"), (-0.03, "right")):
        picture = black.copy()
        overlay.draw_path(picture, CameraView(), curvature, (255, 255, 255), filled=True)
        middle = np.flatnonzero(picture[100:260].any((0, 2))).mean()
        assert (middle < 360) == (centre == "left")


def test_neurons_are_named_and_ordered_along_the_signal():
    names = circuit_names(19)
    assert (names[0], names[1], names[6], names[7], names[18]) == (
        "motor",
        "command 1",
        "command 6",
        "inter 1",
        "inter 12",
    )
    assert [names[i] for i in by_layer(names)][::6] == ["inter 1", "inter 7", "command 1", "motor"]
    assert circuit_names(0) == () and circuit_names(1) == ("motor",)


def test_a_core_without_wiring_shows_its_units_and_not_its_other_state():
    rows = [(i, tuple(float(j) for j in range(8))) for i in range(3)]
    names = ("unit_0", "unit_1", "unit_2", "unit_3", "memory_0", "memory_1", "memory_2", "memory_3")
    log = DriveLog(neurons=Neurons(*zip(*rows, strict=True)), state_names=names)
    assert log.neuron_names[2:6] == ("unit 3", "unit 4", "memory 1", "memory 2")
    assert by_layer(log.neuron_names) == [0, 1, 2, 3]
    unnamed = DriveLog(neurons=log.neurons)
    assert unnamed.neuron_names == circuit_names(8)  # as recorded before states had names


def test_of_many_neurons_some_are_drawn_inside_the_canvas():
    canvas = np.zeros((222, 960, 3), np.uint8)
    strip = Strip(
        canvas, [f"unit {i + 1}" for i in range(64)] + [f"memory {i + 1}" for i in range(64)]
    )
    blank = canvas.copy()
    for seconds in (0.0, 0.1, 0.2):
        strip.push(seconds, np.ones(128))
    rows = np.flatnonzero((canvas != blank)[:, LABELS:].any((1, 2)))
    assert rows.min() < 10 and rows.max() > 205


def test_activity_is_centred_and_bounded_whatever_its_scale():
    states = np.random.default_rng(1).normal(size=(500, 3)) * [1e-3, 1.0, 1e3] + [0.0, 5.0, 1e4]
    activity = normalised(states)
    assert 0.9 < np.abs(activity).max() <= 1.0 and np.abs(np.median(activity, axis=0)).max() < 1e-9
    assert np.ptp(activity.std(axis=0)) < 0.1
    assert not normalised(np.ones((5, 2))).any()


def test_the_strip_moves_with_time_and_not_with_frames():
    pictures = []
    for seconds in (np.arange(0, 2, 0.04), np.arange(0, 2, 0.04)[::2]):
        canvas = np.zeros((222, 960, 3), np.uint8)
        strip = Strip(canvas, circuit_names(19))
        for second in seconds:
            strip.push(second, np.full(19, float(second > 1.0)))
        pictures.append(canvas[:, LABELS:].astype(int).sum((0, 2)))
    edges = [int(np.argmax(np.abs(np.diff(columns[-150:-4])))) for columns in pictures]
    assert abs(edges[0] - edges[1]) <= 8
