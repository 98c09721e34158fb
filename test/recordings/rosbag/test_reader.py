"""Intact recordings: what was written comes out, message by message, whatever the storage; and
nothing in place is touched."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest
from backports import zstd
from mcap.writer import CompressionType, IndexType, Writer

from liquid_control.errors import MessageError, RecordingError
from liquid_control.recordings.rosbag.reader import BagReader


def state(folder):
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "storage, compression",
    [
        ("mcap", "none"),
        ("mcap", "storage"),
        ("mcap", "message"),
        ("sqlite3", "none"),
        ("sqlite3", "file"),
        ("sqlite3", "message"),
    ],
)
@pytest.mark.parametrize("metadata", [True, False])
def test_what_was_written_comes_out(bags, tmp_path, storage, compression, metadata):
    events = bags.drive()
    bag = bags.write(
        tmp_path / "bag", events, storage, compression, chunk=7 if storage == "mcap" else 0
    )
    if not metadata:
        (bag / "metadata.yaml").unlink()
    before = state(bag)
    with BagReader(bag) as reader:
        assert {(topic.name, topic.kind, topic.count) for topic in reader.topics} == {
            ("/imu/data", bags.IMU, 24),
            ("/odom", bags.ODOMETRY, 12),
            ("/command", bags.TWIST, 12),
            ("/camera/image_raw/compressed", bags.COMPRESSED, 6),
        }
        assert (reader.start_ns, reader.end_ns) == (events[0][0], events[-1][0])
        messages = list(reader.messages())
        assert [(message.topic, message.receive_ns) for message in messages] == [
            (event[1], event[0]) for event in events
        ]
        if compression != "message":
            assert bags.contents(reader) == bags.expected(events)
        for message, (_, _, kind, sent) in zip(messages, events, strict=True):
            got = reader.decode(message)
            assert message.kind == kind
            assert (got.header.stamp.sec, got.header.stamp.nanosec) == (
                sent.header.stamp.sec,
                sent.header.stamp.nanosec,
            )
            if kind == bags.IMU:
                assert (
                    got.angular_velocity.z == sent.angular_velocity.z
                    and got.linear_acceleration.z == 9.81
                )
                np.testing.assert_array_equal(got.angular_velocity_covariance, np.zeros(9))
            elif kind == bags.COMPRESSED:
                assert got.format == sent.format and bytes(got.data) == bytes(sent.data)
        assert reader.damage == []
    assert state(bag) == before


@pytest.mark.parametrize("storage, name", [("mcap", "bag.mcap"), ("sqlite3", "bag.db3")])
@pytest.mark.parametrize("packed", [False, True])
def test_a_single_file_is_a_recording(bags, tmp_path, storage, name, packed):
    events = bags.drive(3)
    file = bags.write(tmp_path / "bag", events, storage) / name
    if packed:
        data = zstd.compress(file.read_bytes())
        file = tmp_path / (name + ".zst")
        file.write_bytes(data)
    with BagReader(file) as reader:
        assert bags.contents(reader) == bags.expected(events)
        assert reader.damage == []
    assert {path.name for path in tmp_path.iterdir()} == {"bag", file.name} - {name}


@pytest.mark.parametrize(
    "options",
    [
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.ZSTD},
        {"compression": CompressionType.NONE},
        {"use_chunking": False},
        {"index_types": IndexType.NONE},
        {"index_types": IndexType.NONE, "use_chunking": False, "use_statistics": False},
        {
            "use_statistics": False,
            "repeat_channels": False,
            "repeat_schemas": False,
            "use_summary_offsets": False,
        },
        {
            "index_types": IndexType.NONE,
            "use_statistics": False,
            "repeat_channels": False,
            "repeat_schemas": False,
            "enable_crcs": False,
        },
    ],
    ids=str,
)
def test_mcap_of_other_writers_with_and_without_chunks_index_and_statistics(
    bags, tmp_path, options
):
    events = bags.drive(8)
    with (tmp_path / "other.mcap").open("wb") as stream:
        writer = Writer(stream, chunk_size=9000, **options)
        writer.start("ros2", "another writer")
        channels = {}
        for receive_ns, topic, kind, message in events:
            if topic not in channels:
                text, _ = bags.TYPES.generate_msgdef(kind, ros_version=2)
                channels[topic] = writer.register_channel(
                    topic, "cdr", writer.register_schema(kind, "ros2msg", text.encode())
                )
            writer.add_message(
                channels[topic],
                receive_ns,
                bytes(bags.TYPES.serialize_cdr(message, kind)),
                receive_ns,
            )
        writer.finish()
    with BagReader(tmp_path / "other.mcap") as reader:
        assert sum(topic.count for topic in reader.topics) == len(events)
        assert (reader.start_ns, reader.end_ns) == (events[0][0], events[-1][0])
        assert bags.contents(reader) == bags.expected(events)
        assert reader.damage == []
        assert {reader.decode(message).header.frame_id for message in reader.messages()} == {
            "somewhere"
        }


@pytest.mark.parametrize("storage, suffix", [("mcap", ".mcap"), ("sqlite3", ".db3")])
def test_splits_are_read_in_the_order_of_time_not_of_names(bags, tmp_path, storage, suffix):
    """Twelve files, bag_10 after bag_9, without metadata; two of them share time."""
    whole = tmp_path / "whole"
    whole.mkdir()
    events = []
    for k in range(12):
        part = bags.drive(1, bags.START_NS + k * 30_000_000)
        events += part
        shutil.move(
            bags.write(tmp_path / f"part{k}", part, storage) / f"part{k}{suffix}",
            whole / f"bag_{k}{suffix}",
        )
    with BagReader(whole) as reader:
        assert sorted(bags.contents(reader)) == sorted(bags.expected(events))
        stamps = [message.receive_ns for message in reader.messages()]
        assert stamps == sorted(stamps)
        assert sum(topic.count for topic in reader.topics) == len(events)
        assert reader.damage == []


def test_topics_can_be_picked_and_messages_read_again(bags, tmp_path):
    events = bags.drive(5)
    for storage in ("mcap", "sqlite3"):
        with BagReader(
            bags.write(tmp_path / storage, events, storage, chunk=5 if storage == "mcap" else 0)
        ) as reader:
            for _ in range(2):
                assert [m.receive_ns for m in reader.messages({"/odom", "/nothing"})] == [
                    e[0] for e in events if e[1] == "/odom"
                ]
            assert list(reader.messages(())) == []


def test_messages_out_of_order_within_overlapping_chunks_come_in_order(bags, tmp_path):
    events = bags.drive(8)
    order = np.random.default_rng(1).permutation(len(events))
    with BagReader(bags.write(tmp_path / "bag", [events[k] for k in order], chunk=10)) as reader:
        assert [m.receive_ns for m in reader.messages()] == sorted(event[0] for event in events)


def test_an_empty_recording_opens_and_holds_nothing(bags, tmp_path):
    for storage in ("mcap", "sqlite3"):
        with BagReader(bags.write(tmp_path / storage, [], storage)) as reader:
            assert reader.topics == () and list(reader.messages()) == [] and reader.damage == []
            assert (reader.start_ns, reader.end_ns) == (0, 0)


def test_definitions_are_the_recordings_own_and_the_known_ones_stand_in(bags, tmp_path):
    """A type changed its fields between two recordings; an old sqlite3 recording has no definitions
    at all."""
    bag = bags.write(tmp_path / "old", bags.drive(2), "sqlite3")
    base = sqlite3.connect(bag / "old.db3")
    base.execute("DELETE FROM message_definitions")
    base.execute("INSERT INTO topics VALUES (90, '/odd', 'odd_msgs/msg/Thing', 'cdr', '', '')")
    base.execute("INSERT INTO messages VALUES (1000, 90, 1800000000000000000, x'0001000000000000')")
    base.commit()
    base.close()
    with BagReader(bag) as reader:
        messages = list(reader.messages())
        assert [reader.decode(m).header.frame_id for m in messages[:-1]] == ["somewhere"] * (
            len(messages) - 1
        )
        with pytest.raises(MessageError, match="odd_msgs/msg/Thing: no definition"):
            reader.decode(messages[-1])
    base = sqlite3.connect(bag / "old.db3")
    base.execute(
        "INSERT INTO message_definitions "
        "VALUES (1, 'odd_msgs/msg/Thing', 'ros2msg', 'float32 number', '')"
    )
    base.commit()
    base.close()
    with BagReader(bag) as reader:
        assert reader.decode(list(reader.messages({"/odd"}))[0]).number == 0.0


def test_a_log_left_by_a_killed_recorder_is_read_and_left_alone(bags, tmp_path):
    """SQLite keeps the last messages in a second file; a reader in place would change
    both."""
    events = bags.drive(4)
    whole = bags.write(tmp_path / "whole", events, "sqlite3") / "whole.db3"
    base = sqlite3.connect(whole)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA wal_autocheckpoint=0")
    base.execute(
        "INSERT INTO messages SELECT 1000, topic_id, timestamp + 1000000000, data "
        "FROM messages WHERE id = 1"
    )
    base.commit()
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("whole.db3", "whole.db3-wal"):
        shutil.copyfile(whole.parent / name, killed / name)
    base.close()
    before = state(killed)
    with BagReader(killed) as reader:
        assert len(bags.contents(reader)) == len(events) + 1
    assert state(killed) == before


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda path: None, "no such file or directory"),
        (lambda path: path.mkdir(), "no .mcap or .db3 file in this directory"),
        (lambda path: path.write_bytes(b"x" * 100), "neither .mcap nor .db3"),
    ],
)
def test_what_is_no_recording_is_refused_with_the_reason(tmp_path, make, message):
    make(tmp_path / "thing")
    with pytest.raises(RecordingError, match=message):
        BagReader(tmp_path / "thing")


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.mcap.zst", "a.db3.zstd"])
@pytest.mark.parametrize(
    "data",
    [b"", b"x" * 1000, b"\x89MCAP0\r\n", b"SQLite format 3\0", b"SQLite format 3\0" + b"\0" * 4096],
)
def test_files_with_nothing_readable_are_refused(tmp_path, name, data):
    (tmp_path / name).write_bytes(zstd.compress(data) if "zst" in name else data)
    with pytest.raises(RecordingError):
        BagReader(tmp_path / name)
