"""Drives over DDS that are recorded: the recording holds all that the policy saw, so that replaying
it repeats the drive."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from liquid_control.control.controller import Controller
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.signals import Frame, ImuSample, Rejected, SpeedSample, stamp_ns

ROOT = Path(__file__).resolve().parents[2]
DRIVE = (
    "import sys; from liquid_control.cli.main import main; sys.exit(main(['drive', *sys.argv[1:]]))"
)
SPEED = 20.0  # of `drive`, where no flag says another


def drive(model, out, seconds: float, bag: Path, *flags: str) -> subprocess.Popen:
    arguments = [
        "--model",
        str(model),
        "--out",
        str(out),
        "--seconds",
        str(seconds),
        "--record",
        str(bag),
        *flags,
    ]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVE, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def proposals(bag: Path) -> dict[int, tuple[float, float]]:
    """Speed and yaw rate by the stamp of the frame."""
    with BagReader(bag) as reader:
        messages = [reader.decode(message) for message in reader.messages(["/proposal"])]
    return {
        stamp_ns(message.header.stamp): (message.twist.linear.x, message.twist.angular.z)
        for message in messages
    }


def replayed(bag: Path, model: Path, answered) -> dict[int, tuple[float, float]]:
    """What the same policy proposes now. Frames that were never answered are left out: they did not
    reach the policy."""
    controller, proposed = Controller(OnnxRuntime.load(model), speed=SPEED), {}
    with open_recording(bag) as recording:
        for receive_ns, sample in recording.samples((ImuSample, SpeedSample, Frame)):
            if not isinstance(sample, Frame):
                controller.push(sample)
            elif sample.stamp_ns in answered:
                action = controller.push(sample, receive_ns)
                assert not isinstance(action, Rejected)
                proposed[action.stamp_ns] = action.speed, action.speed * action.curvature
        assert not recording.skipped and not recording.damage
    return proposed


def test_a_recorded_drive_replays_as_it_was_driven(model, tmp_path):
    process = drive(model, tmp_path / "out", 4.0, tmp_path / "bag", "--seed", "5", "--json")
    said, complained = process.communicate(timeout=120)
    summary = json.loads(said.strip().splitlines()[-1])
    with BagReader(tmp_path / "bag") as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
        assert reader.end_ns - reader.start_ns == pytest.approx(4e9, rel=0.1)
    assert (
        counts["/camera/image_raw/compressed"]
        == counts["/camera/camera_info"]
        == summary["frames_sent"]
    ), complained
    assert counts["/imu/data"] == pytest.approx(400, rel=0.1) and counts["/odom"] == pytest.approx(
        200, rel=0.1
    )
    assert counts["/proposal"] > 50 and counts["/command"] == counts["/safety_node/verdict"] > 30, (
        "the gate engages after a second"
    )
    assert min(counts["/ground_truth"], counts["/lane_pose"]) > 80
    assert (tmp_path / "out" / "drive.mp4").stat().st_size > 10_000, (
        "the pictures that came as JPEG make the video, too"
    )
    driven = proposals(tmp_path / "bag")
    again = replayed(tmp_path / "bag", model, driven)
    assert driven.keys() == again.keys()
    equal = [driven[stamp] == again[stamp] for stamp in driven]
    # An IMU sample may overtake a frame on one way and not on the other, and a frame may be
    # recorded that the policy never got: then the next ones differ in the last digits until the
    # memory has forgotten it.
    assert sum(equal) >= 0.8 * len(equal)
    assert max(abs(driven[stamp][1] - again[stamp][1]) for stamp in driven) < 0.01


def test_a_killed_drive_leaves_what_it_had_recorded(model, tmp_path):
    process = drive(model, tmp_path / "out", 60.0, tmp_path / "bag", "--no-video")
    while not (line := process.stderr.readline()).startswith("driving"):
        assert line
    time.sleep(3.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "bag").exists()
    with open_recording(tmp_path / "bag.partial") as recording:
        samples = [sample for _, sample in recording.samples()]
        assert recording.damage
    assert (
        sum(isinstance(sample, Frame) for sample in samples) > 20
        and sum(isinstance(sample, ImuSample) for sample in samples) > 100
    )


def test_a_recording_in_the_way_is_reported_before_anything_starts(model, tmp_path):
    (tmp_path / "bag").mkdir()
    process = drive(model, tmp_path / "out", 4.0, tmp_path / "bag")
    _, complained = process.communicate(timeout=30)
    assert (
        process.returncode == 2 and "exists already" in complained and "Traceback" not in complained
    )
    assert not (tmp_path / "out" / "logs").exists()
