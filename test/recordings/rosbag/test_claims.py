"""Files whose index, counts or names are not what their data are: the data decide."""

from __future__ import annotations

import shutil
import sqlite3

import numpy as np
import pytest
from mcap.writer import CompressionType, Writer

from liquid_control.errors import MessageError, RecordingError
from liquid_control.recordings.formats import format_of, open_recording
from liquid_control.recordings.rosbag import mcap_file
from liquid_control.recordings.rosbag.definitions import decoder_of
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.storage import type_name


def mcap(bags, path, events, chunk=2000, finish=None, spell=str, form="cdr", encoding="ros2msg"):
    """An mcap of the events in their order. `finish`: is given the writer before it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        writer = Writer(stream, chunk_size=chunk, compression=CompressionType.LZ4)
        writer.start("ros2" if form == "cdr" else "", "a test")
        channels = {}
        for receive_ns, topic, kind, message in events:
            if topic not in channels:
                text = bags.TYPES.generate_msgdef(kind, ros_version=2)[0]
                schema = writer.register_schema(spell(kind), encoding, text.encode())
                channels[topic] = writer.register_channel(topic, form, schema)
            data = bytes(bags.TYPES.serialize_cdr(message, kind)) if form == "cdr" else b'{"a": 1}'
            writer.add_message(channels[topic], receive_ns, data, receive_ns)
        if finish:
            finish(writer)
        writer.finish()
    return path


def by_topic(events):
    return sorted(events, key=lambda event: event[1])


def permuted(events):
    return [events[k] for k in np.random.default_rng(1).permutation(len(events))]


def one_long_block(events):
    """All signals in one block that spans the drive, pictures in many small ones."""
    return sorted(events, key=lambda event: "camera" in event[1])


def backwards(events):
    return events[::-1]


@pytest.mark.parametrize("layout", [by_topic, permuted, one_long_block, backwards])
@pytest.mark.parametrize("held", [1, 3000, 40_000, mcap_file.HELD])
@pytest.mark.parametrize("chunk", [600, 3000, 10**6])
def test_messages_come_in_received_order_at_any_layout_in_bounded_memory(
    bags, tmp_path, monkeypatch, layout, held, chunk
):
    events = bags.drive(30)
    largest = max(len(bags.TYPES.serialize_cdr(message, kind)) for *_, kind, message in events)
    sizes = []
    let_go = mcap_file._let_go

    def counted(*arguments):
        result = let_go(*arguments)
        sizes.append(result[2])
        assert result[2] == sum(len(message.data) for message in result[0])
        return result

    monkeypatch.setattr(mcap_file, "HELD", held)
    monkeypatch.setattr(mcap_file, "_let_go", counted)
    with BagReader(mcap(bags, tmp_path / "bag.mcap", layout(events), chunk)) as reader:
        got = bags.contents(reader)
        assert [one[1] for one in got] == sorted(event[0] for event in events)
        assert sorted(got) == sorted(bags.expected(events))
        picked = [m.receive_ns for m in reader.messages({"/imu/data"})]
        assert picked == sorted(event[0] for event in events if event[1] == "/imu/data")
        assert reader.damage == []
    assert max(sizes, default=0) <= held // 2 + largest


def test_messages_of_one_time_come_once(bags, tmp_path, monkeypatch):
    monkeypatch.setattr(mcap_file, "HELD", 1000)
    events = [(bags.START_NS, *event[1:]) for event in bags.drive(20)]
    with BagReader(mcap(bags, tmp_path / "bag.mcap", events, 700)) as reader:
        assert sorted(bags.contents(reader)) == sorted(bags.expected(events))


def test_a_block_that_begins_before_its_index_says_is_reported(bags, tmp_path):
    def late(writer):
        writer.finish_chunk() if hasattr(writer, "finish_chunk") else None
        for index in writer._Writer__chunk_indices[-1:]:
            index.message_start_time += 25_000_000

    events = bags.drive(8)
    path = mcap(bags, tmp_path / "bag.mcap", events, 2000, finish=late)
    with BagReader(path) as reader:
        assert sorted(bags.contents(reader)) == sorted(bags.expected(events))
        assert "0.025 s earlier than the index says" in str(reader.damage[0])


@pytest.mark.parametrize("left_out", ["all", "one", "wrong"])
def test_messages_are_counted_from_the_data_where_the_index_does_not(bags, tmp_path, left_out):
    def forget(writer):
        statistics = writer._Writer__statistics
        counts = dict(statistics.channel_message_counts)
        first = next(iter(counts))
        if left_out == "wrong":
            counts[first] += 3
        else:
            counts = {} if left_out == "all" else {k: v for k, v in counts.items() if k != first}
        statistics.channel_message_counts = counts

    events = bags.drive(8)
    with BagReader(mcap(bags, tmp_path / "bag.mcap", events, finish=forget)) as reader:
        counts = {topic.name: topic.count for topic in reader.topics}
        for name in counts:
            assert counts[name] == sum(event[1] == name for event in events)
        assert bags.contents(reader) == bags.expected(events) and reader.damage == []


def test_all_rows_of_a_log_are_read_where_the_database_is_still_empty(bags, tmp_path):
    """The recorder was killed before SQLite moved the first row from the log into the database."""
    events = bags.drive(30)
    whole = bags.write(tmp_path / "whole", events, "sqlite3") / "whole.db3"
    live = sqlite3.connect(tmp_path / "live.db3")
    live.execute("PRAGMA journal_mode=WAL")
    live.execute("PRAGMA wal_autocheckpoint=0")
    source = sqlite3.connect(whole)
    for statement in source.iterdump():
        if not statement.startswith(("BEGIN", "COMMIT")):
            live.execute(statement)
    live.commit()
    killed = tmp_path / "killed"
    killed.mkdir()
    for name in ("live.db3", "live.db3-wal"):
        shutil.copyfile(tmp_path / name, killed / name)
    live.close()
    assert (killed / "live.db3").stat().st_size <= 4096
    with BagReader(killed) as reader:
        assert bags.contents(reader) == bags.expected(events) and reader.damage == []


@pytest.mark.parametrize(
    "spelled", ["sensor_msgs/msg/Image", "sensor_msgs/Image", "sensor_msgs::msg::dds_::Image_"]
)
def test_spellings_of_a_type(spelled):
    assert type_name(spelled) == "sensor_msgs/msg/Image"


@pytest.mark.parametrize("name", ["foxglove.CompressedImage", "", "a/b/c/d", "Image", "/Image"])
def test_other_names_stay(name):
    assert type_name(name) == name


@pytest.mark.parametrize("storage", ["mcap", "db3"])
def test_recordings_with_types_without_msg_have_their_roles(bags, tmp_path, storage):
    events = bags.drive(8)
    path = tmp_path / f"bag.{storage}"
    if storage == "mcap":
        mcap(bags, path, events, spell=lambda kind: kind.replace("/msg/", "/"))
    else:
        shutil.copyfile(bags.write(tmp_path / "bag", events, "sqlite3") / "bag.db3", path)
        base = sqlite3.connect(path)
        base.execute("UPDATE topics SET type = replace(type, '/msg/', '/')")
        base.execute(
            "UPDATE message_definitions SET topic_type = replace(topic_type, '/msg/', '/')"
        )
        base.commit()
        base.close()
    with open_recording(path) as recording:
        assert set(recording.roles) == {"camera", "imu", "speed", "steering"}
        assert len(list(recording.samples())) == len(events) and recording.skipped == {}


@pytest.mark.parametrize("form, encoding", [("json", "jsonschema"), ("protobuf", "protobuf")])
def test_messages_that_are_not_of_ros_2_are_named(bags, tmp_path, form, encoding):
    path = mcap(bags, tmp_path / "bag.mcap", bags.drive(2), form=form, encoding=encoding)
    with pytest.raises(RecordingError, match=f"messages are {form}, expected cdr of ROS 2"):
        open_recording(path)


def test_topics_that_are_not_of_ros_2_are_left_out_and_named(bags, tmp_path):
    events = bags.drive(8)
    bags.write(tmp_path / "bag", events, "sqlite3")
    base = sqlite3.connect(tmp_path / "bag" / "bag.db3")
    base.execute("UPDATE topics SET serialization_format = 'json' WHERE name = '/imu/data'")
    base.commit()
    base.close()
    with open_recording(tmp_path / "bag") as recording:
        assert set(recording.roles) == {"camera", "speed", "steering"}
        assert "messages are json, expected cdr of ROS 2, in /imu/data" in str(recording.damage[0])
        (message,) = recording.reader.first("/imu/data", 1)
        with pytest.raises(MessageError, match="are json, expected cdr"):
            recording.reader.decode(message)


def test_a_recording_without_messages_is_called_empty(bags, tmp_path):
    for storage in ("mcap", "sqlite3"):
        with pytest.raises(RecordingError, match="holds no message"):
            open_recording(bags.write(tmp_path / storage, [], storage))


def test_files_of_macos_are_no_recording(bags, tmp_path):
    events = bags.drive(4)
    bag = bags.write(tmp_path / "bag", events)
    (bag / "metadata.yaml").unlink()
    (bag / "._bag.mcap").write_bytes(b"\x00\x05\x16\x07" + bytes(4092))
    (bag / "._metadata.yaml").write_bytes(b"\x00\x05\x16\x07" + bytes(100))
    with BagReader(bag) as reader:
        assert bags.contents(reader) == bags.expected(events) and reader.damage == []
    only = tmp_path / "only"
    only.mkdir()
    (only / "._bag.mcap").write_bytes(bytes(10))
    assert format_of(only) is None


@pytest.mark.parametrize("name", ["a.mcap", "a.db3", "a.mcap.zstd"])
def test_a_pointer_of_git_lfs_is_named(tmp_path, name):
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / name).write_text(text)
    with pytest.raises(RecordingError, match="a Git LFS pointer .* git lfs pull"):
        BagReader(tmp_path / name)


def test_the_same_messages_in_two_storages_are_read_once(bags, tmp_path):
    events = bags.drive(6)
    bag = bags.write(tmp_path / "bag", events)
    (bag / "metadata.yaml").unlink()
    shutil.copyfile(bags.write(tmp_path / "other", events, "sqlite3") / "other.db3", bag / "b.db3")
    with BagReader(bag) as reader:
        assert bags.contents(reader) == bags.expected(events)
        assert [damage.lost for damage in reader.damage] == ["nothing: they are read once"]


def test_an_empty_message_inside_another_takes_a_byte(bags):
    """As rosbags has it; a message of constants alone is empty, too."""
    kind, rule = "odd_msgs/msg/Thing", "\n" + "=" * 80 + "\nMSG: "
    text = (
        "std_msgs/Header header\nstd_msgs/Empty nothing\nuint8 a\nodd_msgs/Names[2] names\n"
        "uint8 b\nfloat32 angle\nodd_msgs/Names[] more\nuint8 c"
        f"{rule}odd_msgs/Names\nuint8 X=1\n{rule}std_msgs/Empty\n"
        f"{rule}std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"
        f"{rule}builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
    )
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg(text, kind))
    made = store.types
    nothing, names = made["std_msgs/msg/Empty"](), made["odd_msgs/msg/Names"]()
    values = {"a": 7, "b": 9, "angle": 0.25, "c": 5}
    stamp = made["builtin_interfaces/msg/Time"](sec=1, nanosec=2)
    header = made["std_msgs/msg/Header"](stamp=stamp, frame_id="abc")
    lists = {"names": [names] * 2, "more": [names] * 3}
    message = made[kind](header=header, nothing=nothing, **lists, **values)
    decoded = decoder_of(kind, "ros2msg", text)(bytes(store.serialize_cdr(message, kind)))
    assert {name: getattr(decoded, name) for name in values} == values
    assert (len(decoded.names), len(decoded.more)) == (2, 3)
