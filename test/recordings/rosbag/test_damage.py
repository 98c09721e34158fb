"""Damaged recordings: what precedes the damage is read, what was lost is reported, and no false
size costs memory or another exception."""

from __future__ import annotations

import random
import shutil
import struct

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.writer import CompressionType, Writer

from liquid_control.errors import RecordingError
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.recording import RosbagRecording

OFFSETS = 500


@pytest.mark.parametrize("name", ["plain.mcap", "packed.mcap", "plain.db3"])
def test_cut_anywhere_all_messages_before_the_cut_arrive(bags, whole, tmp_path, name):
    path, messages, ends = whole[name]
    data = path.read_bytes()
    cut_file = tmp_path / path.name
    arrived = []
    for k in range(OFFSETS):
        cut = len(data) * k // OFFSETS
        cut_file.write_bytes(data[:cut])
        found, damage = bags.read(cut_file)
        assert damage, f"cut at {cut}: no word of it"
        assert set(found) <= set(messages)
        arrived.append(len(found))
        if ends is None:
            continue
        if path.suffix == ".mcap":
            assert found == messages[: len(found)]
            assert len(found) == sum(end <= cut for end in ends)
        elif cut > 40 * 4096:
            missing = [
                end
                for end, message in zip(ends, messages, strict=True)
                if end <= cut and message not in found
            ]
            assert len(missing) <= 24  # rows of pages that only a later page points to
    assert arrived[0] == 0
    if path.suffix == ".mcap":
        assert arrived == sorted(arrived) and arrived[-1] == len(messages)
    else:
        assert arrived[-1] > len(messages) - 12  # those of the last page


def flipped(data: bytes, seed: int) -> bytes:
    """A few bytes changed, or a stretch zeroed, doubled or taken out."""
    rng = random.Random(seed)
    out, way = bytearray(data), rng.randrange(5)
    at = rng.randrange(len(out))
    if way <= 1:
        for _ in range(rng.randrange(1, 5)):
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    elif way == 2:
        out[at : at + rng.randrange(1, 5000)] = bytes(rng.randrange(1, 5000))
    elif way == 3:
        del out[at : at + rng.randrange(1, 5000)]
    else:
        out[at : at + 8] = struct.pack("<Q", rng.choice([0, 1, 2**31, 2**32 - 1, 2**62, 2**64 - 1]))
    return bytes(out)


@pytest.mark.parametrize("name", ["plain.mcap", "packed.mcap", "plain.db3"])
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32))
def test_changed_anywhere_nothing_but_a_bag_error_and_only_what_was_recorded(
    bags, whole, tmp_path, name, seed
):
    path, messages, _ = whole[name]
    changed = tmp_path / path.name
    changed.write_bytes(flipped(path.read_bytes(), seed))
    before = changed.read_bytes()
    try:
        with RosbagRecording(changed) as recording:
            samples = list(recording.samples())
            assert len(samples) <= len(messages)
    except RecordingError:
        pass
    assert changed.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_corrupt_chunk_is_lost_and_no_other(bags, whole, tmp_path):
    path, messages, _ = whole["packed.mcap"]
    data = bytearray(path.read_bytes())
    at = [k for k in range(len(data)) if data.startswith(b"\x28\xb5\x2f\xfd", k)][2]
    data[at : at + 200] = bytes(200)
    corrupt = tmp_path / "corrupt.mcap"
    corrupt.write_bytes(data)
    found, damage = bags.read(corrupt)
    assert found == messages[:24] + messages[36:]
    assert damage[0].offset is not None and "zstd data are damaged" in damage[0].problem
    assert sum(int(d.lost.split()[0]) for d in damage[1:]) == 12  # reported for each topic


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
@pytest.mark.parametrize("storage, suffix", [("mcap", ".mcap"), ("sqlite3", ".db3")])
def test_a_packed_file_that_is_cut_gives_what_was_packed_before(
    bags, tmp_path, storage, suffix, share
):
    events = bags.drive(200)
    path = (
        bags.write(tmp_path / "bag", events, storage, chunk=50 if storage == "mcap" else 0)
        / f"bag{suffix}"
    )
    data = zstd.compress(path.read_bytes())
    packed = tmp_path / f"bag{suffix}.zstd"
    packed.write_bytes(data[: int(len(data) * share)])
    found, damage = bags.read(packed)
    assert "zstd data are damaged or cut" in damage[0].problem
    assert (share - 0.15) * len(events) < len(found) < len(events) and set(found) <= set(
        bags.expected(events)
    )


def test_a_packed_file_that_does_not_fit_on_the_disk_is_refused_with_what_to_do(
    bags, tmp_path, monkeypatch
):
    packed = tmp_path / "bag.mcap.zst"
    packed.write_bytes(zstd.compress(bytes(10_000_000)))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6)
    )
    with pytest.raises(RecordingError, match="cannot be unpacked into .*0.0 GB free.*TMPDIR"):
        BagReader(packed)


def test_a_wrong_checksum_is_reported_and_the_chunk_used(bags, tmp_path):
    events = bags.drive(3)
    with (tmp_path / "bag.mcap").open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.NONE)
        writer.start("ros2", "with checksums")
        schema = writer.register_schema(
            bags.IMU, "ros2msg", bags.TYPES.generate_msgdef(bags.IMU, ros_version=2)[0].encode()
        )
        channel = writer.register_channel("/imu", "cdr", schema)
        for receive_ns, _, kind, message in events:
            if kind == bags.IMU:
                writer.add_message(
                    channel, receive_ns, bytes(bags.TYPES.serialize_cdr(message, kind)), receive_ns
                )
        writer.finish()
    whole = (tmp_path / "bag.mcap").read_bytes()
    (tmp_path / "bag.mcap").write_bytes(
        whole.replace(struct.pack("<d", 9.81), struct.pack("<d", 9.82), 1)
    )
    found, damage = bags.read(tmp_path / "bag.mcap")
    assert len(found) == 12
    assert [d.problem for d in damage] == ["its checksum is wrong"]


def test_a_hole_in_a_database_costs_the_rows_in_it(bags, tmp_path):
    events = bags.drive(60)
    path = bags.write(tmp_path / "bag", events, "sqlite3") / "bag.db3"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    found, damage = bags.read(path)
    assert damage and len(events) - 40 <= len(found) < len(events)
    assert set(found) <= set(bags.expected(events))
    assert [stamp for _, stamp, _ in found] == sorted(stamp for _, stamp, _ in found)
