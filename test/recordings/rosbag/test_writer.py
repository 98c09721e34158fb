"""Recordings that we write: whole, true to the last bit where no JPEG is between, and readable by
others than us."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader

from liquid_control.config import PreprocessConfig, VehicleConfig, WorldConfig
from liquid_control.errors import ConfigError, MessageError, RecordingError
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.recordings.rosbag.writer import BagSettings, BagWriter
from liquid_control.signals import Action, Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.sim.collect import CollectionSettings, DriveJob, collect_expert, simulate

BEGIN = 1_767_225_600_123_456_789
SIZE = PreprocessConfig(height=32, width=64)
WORLD = WorldConfig(length=60.0, image_height=32, image_width=64, trees=0)


def picture(value: int = 0) -> np.ndarray:
    rows, columns = np.mgrid[:40, :60]
    return np.stack([rows * 4 + value, columns * 4, rows + columns], 2).astype(np.uint8)


def a_second(writer: BagWriter) -> list:
    """Writes a second of everything; returns the samples with their receipt."""
    write = {ImuSample: writer.write_imu, SpeedSample: writer.write_speed}
    write |= {Frame: writer.write_frame, SteeringSample: writer.write_steering}
    written = []
    for i in range(100):
        stamp = BEGIN + i * 10_000_000
        samples = [
            ImuSample(stamp, (0.1 / 3, -0.2, 0.3 * i), (0.1, i / 7, 9.81)),
            SpeedSample(stamp + 1, i / 3),
        ]
        samples += (
            [Frame(stamp + 2, picture(i)), SteeringSample(stamp + 2, 0.001 * i - 0.05, 10.0 + i)]
            if i % 4 == 0
            else []
        )
        for delay, sample in enumerate(samples):
            write[type(sample)](sample, stamp + 1000 * delay)
            written.append((stamp + 1000 * delay, sample))
    return written


def test_what_is_read_is_what_was_written(tmp_path):
    with BagWriter(tmp_path / "drive", BagSettings(pictures="raw")) as writer:
        written = a_second(writer)
    with RosbagRecording(tmp_path / "drive") as recording:
        read = list(recording.samples())
        assert not recording.skipped and not recording.damage
    assert [receive for receive, _ in read] == [receive for receive, _ in written]
    for (_, mine), (_, theirs) in zip(read, written, strict=True):
        if isinstance(mine, Frame):
            assert mine.stamp_ns == theirs.stamp_ns and np.array_equal(mine.image, theirs.image)
        elif isinstance(mine, SteeringSample):
            assert (mine.stamp_ns, mine.speed) == (theirs.stamp_ns, theirs.speed)
            assert mine.steering_angle == pytest.approx(theirs.steering_angle, abs=1e-15)
        else:
            assert mine == theirs


@pytest.mark.parametrize("quality, difference", [(100, 1.5), (50, 6.0)])
def test_jpeg_pictures_are_near_and_smaller_with_less_quality(tmp_path, quality, difference):
    with BagWriter(tmp_path / "drive", BagSettings(quality=quality)) as writer:
        written = [sample for _, sample in a_second(writer) if isinstance(sample, Frame)]
    with RosbagRecording(tmp_path / "drive") as recording:
        read = [sample for _, sample in recording.samples([Frame])]
    errors = [
        np.abs(a.image.astype(int) - b.image).mean() for a, b in zip(read, written, strict=True)
    ]
    assert max(errors) < difference and (quality == 100 or max(errors) > 0.5)


def test_ackermann_commands_carry_the_angle(tmp_path):
    with BagWriter(
        tmp_path / "drive", BagSettings(steering="ackermann"), vehicle=VehicleConfig(wheelbase=0.3)
    ) as writer:
        writer.write_steering(SteeringSample(BEGIN, -0.2, 1.5), BEGIN + 5)
    with BagReader(tmp_path / "drive") as reader:
        [message] = reader.messages()
        drive = reader.decode(message).drive
    assert message.kind == "ackermann_msgs/msg/AckermannDriveStamped"
    assert (drive.steering_angle, drive.speed, drive.jerk) == (np.float32(-0.2), 1.5, 0.0)


def test_other_software_opens_it_by_its_own_definitions(tmp_path):
    """rosbags stands in for what reads the definitions from the file (Foxglove, rosbag2): no type
    of ours is given to it."""
    with BagWriter(tmp_path / "drive", facts={"seed": "3", "on": "yes"}) as writer:
        a_second(writer)
        writer.write_camera_info(BEGIN, 40, 60, 33.0, BEGIN)
        writer.write_proposal(Action(BEGIN, 0.01, 12.0), BEGIN)
        writer.write_pose("/ground_truth", BEGIN, "map", (1.0, -2.0, 0.5), 3.0, 0.1, BEGIN)
    with AnyReader([tmp_path / "drive"]) as reader:
        latest = {
            connection.topic: reader.deserialize(raw, connection.msgtype)
            for connection, _, raw in reader.messages()
            if raw
        }
        assert {connection.msgdef.format.name for connection in reader.connections} == {"MSG"}
        offered = {
            connection.topic: connection.ext.offered_qos_profiles[0].reliability.name
            for connection in reader.connections
        }
    with open(tmp_path / "drive" / "drive_0.mcap", "rb") as file:
        assert sum(1 for _ in make_reader(file, validate_crcs=True).iter_messages()) == sum(
            writer.counts.values()
        )
    assert latest["/camera/image_raw/compressed"].format == "jpeg"
    assert latest["/camera/camera_info"].k.tolist() == [
        33.0,
        0.0,
        30.0,
        0.0,
        33.0,
        20.0,
        0.0,
        0.0,
        1.0,
    ]
    assert latest["/imu/data"].orientation_covariance[0] == -1.0
    assert (
        latest["/odom"].pose.covariance[0] > 1e5 and latest["/odom"].child_frame_id == "base_link"
    )
    assert (
        latest["/odom"].twist.twist.linear.x == 33.0
        and latest["/odom"].header.stamp.nanosec == (BEGIN + 990_000_001) % 10**9
    )
    imu = latest["/imu/data"]
    assert (imu.orientation.w, imu.angular_velocity.z, imu.linear_acceleration.z) == (
        1.0,
        0.3 * 99,
        9.81,
    )
    assert not any(imu.angular_velocity_covariance) and not any(imu.linear_acceleration_covariance)
    twist = latest["/proposal"].twist
    assert (twist.linear.x, twist.angular.z, twist.linear.z, twist.angular.x) == (
        12.0,
        0.01 * 12.0,
        0.0,
        0.0,
    )
    truth = latest["/ground_truth"]
    assert (
        truth.pose.pose.position.x,
        truth.pose.pose.position.y,
        truth.twist.twist.angular.z,
    ) == (1.0, -2.0, 0.1)
    assert (truth.pose.pose.orientation.z, truth.pose.pose.orientation.w) == (
        math.sin(0.25),
        math.cos(0.25),
    )
    assert (
        not any(truth.pose.covariance)
        and not any(truth.twist.covariance)
        and truth.header.frame_id == "map"
    )
    assert (offered["/imu/data"], offered["/command"]) == ("BEST_EFFORT", "RELIABLE")


def test_the_metadata_are_of_a_version_that_humble_and_jazzy_read(tmp_path):
    """What rosbag2 checks in rosbag2_storage/yaml.hpp: quality of service as text below version 9,
    no null where a map is wanted."""
    with BagWriter(tmp_path / "drive", facts={"seed": "3"}) as writer:
        a_second(writer)
    content = yaml.safe_load((tmp_path / "drive" / "metadata.yaml").read_text())[
        "rosbag2_bagfile_information"
    ]
    assert content["version"] == 8 and content["storage_identifier"] == "mcap"
    assert (
        content["relative_file_paths"]
        == ["drive_0.mcap"]
        == [path.name for path in (tmp_path / "drive").glob("*.mcap")]
    )
    assert content["custom_data"] == {"recorder": "liquid_control", "seed": "3"}
    counts = {
        topic["topic_metadata"]["name"]: topic["message_count"]
        for topic in content["topics_with_message_count"]
    }
    assert (
        counts == writer.counts
        and content["message_count"] == sum(counts.values()) == content["files"][0]["message_count"]
    )
    assert content["starting_time"]["nanoseconds_since_epoch"] == BEGIN
    assert content["duration"]["nanoseconds"] == 990_000_000 + 1000
    for topic in content["topics_with_message_count"]:
        profile = yaml.safe_load(topic["topic_metadata"]["offered_qos_profiles"])[0]
        assert profile["history"] == 1 and profile["deadline"] == {
            "sec": 9223372036,
            "nsec": 854775807,
        }
        assert topic["topic_metadata"]["type_description_hash"].startswith("RIHS01_")


def test_nothing_is_overwritten(tmp_path):
    with BagWriter(tmp_path / "drive") as writer:
        a_second(writer)
    before = (tmp_path / "drive" / "drive_0.mcap").read_bytes()
    with pytest.raises(RecordingError, match="exists already"):
        BagWriter(tmp_path / "drive")
    assert (tmp_path / "drive" / "drive_0.mcap").read_bytes() == before
    (tmp_path / "other.partial").mkdir()
    with pytest.raises(RecordingError, match="broken off"):
        BagWriter(tmp_path / "other")


def test_a_topic_keeps_its_type_and_a_command_needs_a_speed(tmp_path):
    with BagWriter(tmp_path / "drive") as writer:
        writer.write_speed(SpeedSample(BEGIN, 1.0), BEGIN)
        with pytest.raises(RecordingError, match="nav_msgs/msg/Odometry"):
            writer.write("/odom", "sensor_msgs/msg/Imu", b"", BEGIN)
        with pytest.raises(MessageError, match="there_is/msg/None"):
            writer.write("/new", "there_is/msg/None", b"", BEGIN)
        with pytest.raises(ConfigError, match="SteeringSample.speed"):
            writer.write_steering(SteeringSample(BEGIN, 0.1, None), BEGIN)


def test_an_error_leaves_what_came_before_it_and_says_so(tmp_path):
    with pytest.raises(RuntimeError, match="a wheel fell off"):
        with BagWriter(tmp_path / "drive") as writer:
            written = a_second(writer)
            raise RuntimeError("a wheel fell off")
    assert not (tmp_path / "drive").exists()
    with RosbagRecording(tmp_path / "drive.partial") as recording:
        assert len(list(recording.samples())) == len(written) and not recording.damage
    assert (
        "broken_off: 'RuntimeError: a wheel fell off'"
        in (tmp_path / "drive.partial" / "metadata.yaml").read_text()
    )


KILLED = """
import sys, time
from liquid_control.recordings.rosbag.writer import BagWriter
from liquid_control.signals import ImuSample
with BagWriter(sys.argv[1]) as writer:
    for i in range(350):
        stamp_ns = int(sys.argv[2]) + i * 10_000_000
        sample = ImuSample(stamp_ns, (0.0, 0.0, 0.0), (0.0, 0.0, 9.81))
        writer.write_imu(sample, stamp_ns)
    print("written", flush=True)
    time.sleep(60)
"""


def test_a_killed_recorder_loses_at_most_the_last_second(tmp_path):
    root = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "drive"), str(BEGIN)],
        cwd=root,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    with RosbagRecording(tmp_path / "drive.partial") as recording:
        samples = list(recording.samples())
        assert recording.damage, "the missing end is reported"
    assert 250 <= len(samples) < 350
    assert [receive for receive, _ in samples] == [
        BEGIN + i * 10_000_000 for i in range(len(samples))
    ]


def test_a_recorded_expert_drive_is_the_collected_one(tmp_path):
    """Same road, same driver, same noise: only the pictures went through JPEG."""
    job = DriveJob(7, SIZE, WORLD, steering_noise=0.02)
    episode = simulate(job)
    recorded = simulate(dataclasses.replace(job, recording=BagSettings(quality=100), name="bag"))
    assert len(recorded) == len(episode)
    recorded.save(tmp_path / "bag")
    with RosbagRecording(tmp_path / "bag") as recording:
        samples = [sample for _, sample in recording.samples()]
        roles = recording.roles
    pictures = [sample for sample in samples if isinstance(sample, Frame)]
    begin = pictures[0].stamp_ns - int(episode.stamp_ns[0])
    assert time.gmtime(begin / 1e9)[:3] == (2026, 1, 1) and begin % 1_000_000_000 == 0
    assert [frame.stamp_ns - begin for frame in pictures] == episode.stamp_ns.tolist()
    assert pictures[0].image.shape == (32, 64, 3)
    mean = np.mean(
        [
            np.abs(frame.image.astype(int) - image).mean()
            for frame, image in zip(pictures, episode.image, strict=True)
        ]
    )
    assert mean < 3.0
    assert (roles["speed"].name, roles["steering"].name) == ("/odom", "/command")
    rates = {
        kind: sum(isinstance(sample, kind) for sample in samples)
        for kind in (ImuSample, SpeedSample, SteeringSample)
    }
    assert (
        rates[ImuSample] > 1.9 * rates[SpeedSample] > 0
        and len(pictures) <= rates[SteeringSample] <= rates[ImuSample]
    )
    commanded = {sample.stamp_ns for sample in samples if isinstance(sample, SteeringSample)}
    assert commanded == {frame.stamp_ns for frame in pictures}, "each picture has a command"


def test_collecting_recordings_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        facts = collect_expert(
            CollectionSettings(
                tmp_path / name, "bag", roads=1, world=WORLD, preprocess=SIZE, workers=1
            )
        )
        assert facts["recordings"] == 1 and facts["frames"] > 50
    mine, theirs = (sorted((tmp_path / name).rglob("*.*")) for name in ("one", "two"))
    assert [path.name for path in mine] == ["expert_0000_0.mcap", "metadata.yaml"]
    assert [path.read_bytes() for path in mine] == [path.read_bytes() for path in theirs]
    with pytest.raises(RecordingError, match="exists already"):
        collect_expert(
            CollectionSettings(
                tmp_path / "one", "bag", roads=1, world=WORLD, preprocess=SIZE, workers=1
            )
        )
