"""A recorded drive, replayed, gives the drive's commands: a new one to the last bit, the one in git
within its tolerance anywhere."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from liquid_control.control.vehicle import curvature
from liquid_control.deploy.onnx_runtime import OnnxRuntime
from liquid_control.evaluate.replay.golden import examine
from liquid_control.evaluate.replay.open_loop import replay
from liquid_control.model.installed import find_model
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.signals import stamp_ns
from liquid_control.sim.bodies.car import VEHICLE

HERE = Path(__file__).parent
GOLDEN = HERE / "s_bend"


def driven(bag: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of the recorded proposals and commands: stamps with receipts (N, 2) int64, and twists (N, 2)
    of speed and yaw rate."""
    rows = {"/proposal": [], "/command": []}
    with BagReader(bag) as reader:
        for message in reader.messages(tuple(rows)):
            decoded = reader.decode(message)
            twist = decoded.twist
            rows[message.topic].append(
                (
                    (stamp_ns(decoded.header.stamp), message.receive_ns),
                    (twist.linear.x, twist.angular.z),
                )
            )
    return {
        topic: tuple(np.array(column) for column in zip(*found, strict=True))
        for topic, found in rows.items()
    }


def replayed(bag: Path):
    (log,) = replay({"lane_keeper": OnnxRuntime.load(find_model("lane_keeper"))}, bag)
    assert not log.damage and not log.skipped and log.vehicle == VEHICLE
    return log.issued


@pytest.fixture(scope="module")
def recording():
    spec = importlib.util.spec_from_file_location("record", HERE / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_drive_replays_to_the_last_bit(recording, tmp_path):
    recording.record(tmp_path / "drive", seconds=2.5, seed=3, station=100.0)
    drive, again = driven(tmp_path / "drive"), replayed(tmp_path / "drive")
    when, twists = drive["/command"]
    assert np.array_equal(when, np.stack([again.stamp_ns, again.issued_ns], 1))
    yaw_rates = [
        speed * curvature(angle, VEHICLE)
        for angle, speed in zip(again.steering_angle, again.speed, strict=True)
    ]
    assert np.array_equal(twists, np.stack([again.speed, yaw_rates], 1))
    proposed = again.of_frames()
    when, twists = drive["/proposal"]
    assert np.array_equal(when[:, 0], proposed.stamp_ns) and len(when) > 40
    assert np.array_equal(twists[:, 1], twists[:, 0] * proposed.curvature)


def test_the_golden_drive_gives_its_commands():
    """Other processors and libraries round differently; the tolerance is golden.json's own."""
    result = examine(GOLDEN)
    assert result["passed"], result
    kept = json.loads((GOLDEN / "golden.json").read_text())
    assert kept["model"] == "lane_keeper" and kept["tolerance"] <= 1e-3
    drive, again = driven(HERE / "bags" / "s_bend"), replayed(HERE / "bags" / "s_bend")
    when, twists = drive["/command"]
    assert np.array_equal(when, np.stack([again.stamp_ns, again.issued_ns], 1))
    assert twists[:, 1] == pytest.approx(
        again.speed * np.tan(again.steering_angle) / VEHICLE.wheelbase, abs=kept["tolerance"] * 10
    )
    assert again.steering_angle.max() > 0.05 and again.steering_angle.min() < -0.08, (
        "it bends both ways"
    )


def test_the_golden_recording_is_short_and_small():
    files = [path for path in (HERE / "bags").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_500_000
    with BagReader(HERE / "bags" / "s_bend") as reader:
        assert 6e9 < reader.end_ns - reader.start_ns < 9e9
