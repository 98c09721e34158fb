"""A recorder's clock that is set back: the order of the file tells the stretches apart, in both
storages and over several files; files in any other order are put in order by their times."""

from __future__ import annotations

import sqlite3
import struct

import numpy as np
import pytest
from mcap.writer import CompressionType, IndexType, Writer

from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.rosbag.messages import IMU, ODOMETRY, imu_message, odometry_message
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.steps import find_steps
from liquid_control.signals import ImuSample

BEGIN = 1_750_000_000_000_000_000
SECOND, MS = 10**9, 10**6


def events(steps, seconds: float = 3.0, imu_ms: int = 10):
    """(receipt, topic, type, bytes) in the order of their recording: the clock is moved by each of
    `steps` [ns] for `seconds`. Angular velocity x counts the IMU's messages."""
    rows, count = [], 0
    for number, step in enumerate(steps):
        for at in range(0, round(seconds * 1000), imu_ms):
            true = BEGIN + round(number * seconds * SECOND) + at * MS
            stamp = true + step
            sample = ImuSample(stamp, (float(count), 0.0, 0.0), (0.0, 0.0, 9.81))
            rows.append((stamp + MS, "/imu", IMU, imu_message(sample)))
            count += 1
            if at % 20 == 0:
                rows.append(
                    (stamp + 2 * MS, "/odom", ODOMETRY, odometry_message(stamp, "odom", None, 8.0))
                )
    return rows


def mcap(path, rows, chunk: int = 4096, index=IndexType.ALL, chunking=True):
    with path.open("wb") as file:
        writer = Writer(
            file,
            chunk_size=chunk,
            compression=CompressionType.LZ4,
            index_types=index,
            use_chunking=chunking,
        )
        writer.start(profile="ros2", library="test")
        channels = {}
        for receipt, topic, kind, data in rows:
            if topic not in channels:
                schema = writer.register_schema(name=kind, encoding="ros2msg", data=b"")
                channels[topic] = writer.register_channel(topic, "cdr", schema)
            writer.add_message(channels[topic], receipt, data, receipt)
        writer.finish()
    return path


def db3(path, rows):
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT "
            "NOT NULL, serialization_format TEXT NOT NULL)"
        )
        base.execute(
            "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL, "
            "timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
        )
        base.execute("CREATE INDEX timestamp_idx ON messages (timestamp ASC)")
        topics = {topic: kind for _, topic, kind, _ in rows}
        numbers = {topic: number for number, topic in enumerate(topics, start=1)}
        base.executemany(
            "INSERT INTO topics VALUES (?, ?, ?, 'cdr')",
            [(numbers[topic], topic, kind) for topic, kind in topics.items()],
        )
        base.executemany(
            "INSERT INTO messages (topic_id, timestamp, data) VALUES (?, ?, ?)",
            [(numbers[topic], receipt, data) for receipt, topic, _, data in rows],
        )
    base.close()
    return path


WRITERS = {
    "mcap": lambda folder, rows: mcap(folder / "bag.mcap", rows),
    "one chunk": lambda folder, rows: mcap(folder / "bag.mcap", rows, chunk=2**26),
    "no chunks": lambda folder, rows: mcap(folder / "bag.mcap", rows, chunking=False),
    "no index": lambda folder, rows: mcap(folder / "bag.mcap", rows, index=IndexType.NONE),
    "db3": lambda folder, rows: db3(folder / "bag.db3", rows),
}


def counted(path) -> list[int]:
    with open_recording(path) as recording:
        samples = [one for _, one in recording.samples() if isinstance(one, ImuSample)]
        assert not recording.damage
        assert np.all(np.diff([one.stamp_ns for one in samples]) > 0)
    return [int(one.angular_velocity[0]) for one in samples]


@pytest.mark.parametrize("storage", WRITERS)
@pytest.mark.parametrize(
    "steps",
    [(0, -2_013_700_000), (0, -1_500 * MS, -400 * MS), (0, -1000 * MS, -2000 * MS, -5000 * MS)],
    ids=["one", "back and forth", "three"],
)
def test_the_order_of_the_file_tells_the_stretches_apart(tmp_path, storage, steps):
    rows = events(steps)
    path = WRITERS[storage](tmp_path, rows)
    assert counted(path) == list(range(300 * len(steps)))
    with open_recording(path) as recording:
        list(recording.samples())
        back = sum(later < before for before, later in zip(steps, steps[1:], strict=False))
        assert len(recording.clock.breaks) == back
        assert recording.seconds == pytest.approx(3.0 * len(steps), abs=0.5 * len(steps))


def test_a_step_between_two_files_is_one_too(tmp_path):
    rows = events((0, -2_013_700_000))
    half = len(rows) // 2
    mcap(tmp_path / "bag_0.mcap", rows[:half])
    mcap(tmp_path / "bag_1.mcap", rows[half:])
    assert counted(tmp_path) == list(range(600))


def test_files_of_other_topics_are_merged_stretch_by_stretch(tmp_path):
    rows = events((0, -2_013_700_000))
    for topic in ("/imu", "/odom"):
        mcap(tmp_path / f"{topic[1:]}.mcap", [row for row in rows if row[1] == topic])
    assert counted(tmp_path) == list(range(600))
    with open_recording(tmp_path) as recording:
        received = [at for at, _ in recording.samples()]
        assert np.all(np.diff(received) >= 0) and len(recording.clock.breaks) == 1


RNG = np.random.default_rng(0)
ORDERS = {
    "topic by topic": lambda rows: sorted(rows, key=lambda row: row[1]),
    "shuffled blocks": lambda rows: [
        row for k in RNG.permutation(30) for row in rows[30 * k : 30 * k + 30]
    ],
    "last block first": lambda rows: [*rows[450:], *rows[:450]],
    "shuffled": lambda rows: [rows[k] for k in RNG.permutation(len(rows))],
    "a little late": lambda rows: [
        rows[k] for k in np.argsort(np.arange(len(rows)) + RNG.uniform(0, 9, len(rows)))
    ],
    "halves of a second swapped": lambda rows: [
        row
        for at in range(0, len(rows), 150)
        for row in [*rows[at + 75 : at + 150], *rows[at : at + 75]]
    ],
}


@pytest.mark.parametrize("storage", WRITERS)
@pytest.mark.parametrize("order", ORDERS)
def test_any_other_order_is_put_in_order(tmp_path, storage, order):
    rows = events((0, 0))
    with BagReader(WRITERS[storage](tmp_path, ORDERS[order](rows))) as reader:
        assert [one.receive_ns for one in reader.messages()] == sorted(row[0] for row in rows)


def test_files_with_the_same_messages_are_no_second_stretch(tmp_path):
    """One of them ends earlier, so that they are not the same file twice."""
    rows = events((0, 0))
    mcap(tmp_path / "whole.mcap", rows)
    mcap(tmp_path / "part.mcap", rows[:500])
    with open_recording(tmp_path) as recording:
        list(recording.samples())
        assert recording.clock.breaks == []


def test_one_topic_that_hops_is_no_step_of_the_clock():
    """Its log times are not receipts."""
    at = np.arange(0, 20 * SECOND, 10 * MS)
    hops = np.where(at < 10 * SECOND, at, at - 3 * SECOND)
    topics = {0: at, 1: at, 2: at, 3: hops}
    assert (
        find_steps(
            lambda: [
                (name, times, np.arange(len(times)) * 4 + name) for name, times in topics.items()
            ]
        )
        == []
    )
    everyone = {name: hops for name in range(4)}
    assert find_steps(
        lambda: [
            (name, times, np.arange(len(times)) * 4 + name) for name, times in everyone.items()
        ]
    ) == [4000]


def test_nanoseconds_of_a_second_and_more_are_added_to_the_seconds_and_reported(tmp_path):
    """Of a driver that does not carry: its numbers are right, and no clock has them."""
    rows = []
    for receipt, topic, kind, data in events((0,)):
        if topic == "/imu" and len(rows) % 2:
            sec, nanosec = struct.unpack_from("<iI", data, 4)
            data = bytearray(data)
            struct.pack_into("<iI", data, 4, sec - 1, nanosec + SECOND)
        rows.append((receipt, topic, kind, bytes(data)))
    odd = sum(data != of[3] for (_, _, _, data), of in zip(rows, events((0,)), strict=True))
    path = mcap(tmp_path / "bag.mcap", rows)
    with open_recording(path) as recording:
        stamps = [one.stamp_ns for _, one in recording.samples() if isinstance(one, ImuSample)]
        assert stamps == [BEGIN + 10 * MS * number for number in range(300)]
        (remark,) = recording.remarks
        assert f"imu: {odd} stamps of /imu have 10^9 nanoseconds or more" in remark and odd > 100
    findings = [one["text"] for one in inspect_recording(path).facts["findings"]]
    assert any("10^9 nanoseconds" in text for text in findings)
