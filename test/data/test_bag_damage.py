"""Damaged recordings: what precedes the damage is read, what was lost is told, and no lie costs memory or another exception."""

from __future__ import annotations

import random
import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from liquid_control.data.bag.reader import BagReader
from liquid_control.data.bag.recording import Recording
from liquid_control.errors import BagError
from liquid_control.signals import SteeringSample

ROOT = Path(__file__).resolve().parents[2]
OFFSETS = 500


@pytest.fixture(scope="module")
def whole(bags, tmp_path_factory):
    """By kind of file: (the file, its messages, the byte behind each message's data)."""
    made = {}
    events = bags.drive(10)
    kinds = ("plain.mcap", "mcap", "none"), ("packed.mcap", "mcap", "storage"), ("plain.db3", "sqlite3", "none")
    for name, storage, compression in kinds:
        folder = tmp_path_factory.mktemp("whole") / name.partition(".")[0]
        path = bags.write(folder, events, storage, compression, chunk=12 if storage == "mcap" else 0) / f"{folder.name}{Path(name).suffix}"
        data, messages = path.read_bytes(), bags.expected(events)
        made[name] = path, messages, [data.find(message[2]) + len(message[2]) for message in messages] if compression == "none" else None
    return made


def read(path: Path, bags):
    """(messages, damage), nothing where nothing can be read."""
    try:
        with BagReader(path) as reader:
            return bags.contents(reader), reader.damage
    except BagError as error:
        return [], [error]


@pytest.mark.parametrize("name", ["plain.mcap", "packed.mcap", "plain.db3"])
def test_cut_anywhere_all_messages_before_the_cut_arrive(bags, whole, tmp_path, name):
    path, messages, ends = whole[name]
    data = path.read_bytes()
    cut_file = tmp_path / path.name
    arrived = []
    for k in range(OFFSETS):
        cut = len(data) * k // OFFSETS
        cut_file.write_bytes(data[:cut])
        found, damage = read(cut_file, bags)
        assert damage, f"cut at {cut}: no word of it"
        assert set(found) <= set(messages)
        arrived.append(len(found))
        if ends is None:
            continue
        if path.suffix == ".mcap":
            assert found == messages[: len(found)]
            assert len(found) == sum(end <= cut for end in ends)
        elif cut > 40 * 4096:
            missing = [end for end, message in zip(ends, messages, strict=True) if end <= cut and message not in found]
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
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_changed_anywhere_nothing_but_a_bag_error_and_only_what_was_recorded(bags, whole, tmp_path, name, seed):
    path, messages, _ = whole[name]
    changed = tmp_path / path.name
    changed.write_bytes(flipped(path.read_bytes(), seed))
    before = changed.read_bytes()
    try:
        with Recording(changed) as recording:
            samples = list(recording.samples())
            assert len(samples) <= len(messages)
    except BagError:
        pass
    assert changed.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_spoiled_chunk_costs_itself_and_no_other(bags, whole, tmp_path):
    path, messages, _ = whole["packed.mcap"]
    data = bytearray(path.read_bytes())
    at = [k for k in range(len(data)) if data.startswith(b"\x28\xb5\x2f\xfd", k)][2]
    data[at : at + 200] = bytes(200)
    spoiled = tmp_path / "spoiled.mcap"
    spoiled.write_bytes(data)
    found, damage = read(spoiled, bags)
    assert found == messages[:24] + messages[36:]
    assert damage[0].offset is not None and "zstd data are damaged" in damage[0].problem
    assert sum(int(d.lost.split()[0]) for d in damage[1:]) == 12  # told for each topic


def test_a_hole_in_a_database_costs_the_rows_in_it(bags, tmp_path):
    events = bags.drive(60)
    path = bags.write(tmp_path / "bag", events, "sqlite3") / "bag.db3"
    data = bytearray(path.read_bytes())
    middle = len(data) // 2 // 4096 * 4096
    data[middle : middle + 4096] = bytes(4096)
    path.write_bytes(data)
    found, damage = read(path, bags)
    assert damage and len(events) - 40 <= len(found) < len(events)
    assert set(found) <= set(bags.expected(events))
    assert [stamp for _, stamp, _ in found] == sorted(stamp for _, stamp, _ in found)


METADATA = """rosbag2_bagfile_information:
  version: 9
  storage_identifier: mcap
  relative_file_paths: {}
  message_count: 1000000000000
"""


@pytest.mark.parametrize("text, told", [
    ("!!python/object/apply:os.system ['touch gone']", "ConstructorError"),
    ("a: &a [x, x]\n" + "".join(f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n" for p, c in zip("abcdefg", "bcdefgh", strict=True)), "KeyError"),
    ("[" * 5000, "cannot be read"),
    ("\0\1\2", "cannot be read"),
    ("", "TypeError"),
    (METADATA.format("3"), "TypeError"),
    (METADATA.format("['../other/secret.mcap', '/etc/passwd', bag.mcap]"), "a place outside of the recording"),
    (METADATA.format("[gone.mcap, bag.mcap]"), "listed in metadata.yaml, but not here"),
    (METADATA.format("[]"), None),
    (METADATA.format("[bag.mcap]"), None),
])
def test_metadata_is_never_believed_and_never_followed(bags, tmp_path, text, told):
    events = bags.drive(2)
    bag = bags.write(tmp_path / "bag", events)
    bags.write(tmp_path / "other", bags.drive(1))
    shutil.copyfile(tmp_path / "other" / "other.mcap", tmp_path / "other" / "secret.mcap")
    (bag / "metadata.yaml").write_text(text)
    found, damage = read(bag, bags)
    assert found == bags.expected(events)
    assert [d for d in damage if told in d.problem] if told else damage == []
    assert not (Path.cwd() / "gone").exists()


def test_a_topic_that_changes_its_type_between_files_is_read_in_both_types(bags, tmp_path):
    stamp = bags.START_NS
    ackermann = "ackermann_msgs/msg/AckermannDriveStamped"
    drive = bags.make("ackermann_msgs/msg/AckermannDrive", steering_angle=0.25, speed=3.0)
    bag = bags.write(tmp_path / "bag", [(stamp, "/steer", ackermann, bags.make(ackermann, header=bags.header(stamp), drive=drive))])
    number = "std_msgs/msg/Float64"
    later = bags.write(tmp_path / "later", [(stamp + 10**9, "/steer", number, bags.make(number, data=-0.5))])
    (bag / "metadata.yaml").unlink()
    shutil.move(later / "later.mcap", bag / "bag_1.mcap")
    with Recording(bag) as recording:
        assert [sample.steering_angle for _, sample in recording.samples([SteeringSample])] == [0.25, -0.5]
        assert [d for d in recording.damage if "changes its type" in d.problem]


LIES = """
import resource, sys
from pathlib import Path
import numpy, cv2, rosbags.typesys
from liquid_control.data.bag.recording import Recording
from liquid_control.errors import BagError
from liquid_control.signals import SteeringSample
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for path in sys.argv[1:]:
    try:
        with Recording(path) as recording:
            for _ in recording.samples(): pass
            told = recording.damage or recording.skipped
    except BagError as error:
        told = error
    assert told, path
print(peak() - before)
"""


def test_no_lie_about_a_size_costs_memory(bags, whole, tmp_path):
    """Sizes of records, chunks, strings, sequences, rows and pictures are set to gigabytes; a few kilobytes unpack to gigabytes."""
    from backports import zstd

    lies = []

    def lie(name: str, data: bytes) -> None:
        lies.append(tmp_path / name)
        lies[-1].write_bytes(data)

    data = whole["plain.mcap"][0].read_bytes()
    for k, value in enumerate((2**31, 2**40, 2**63)):
        lie(f"record{k}.mcap", data[:44] + struct.pack("<Q", value) + data[52:-40])
        lie(f"chunk{k}.mcap", data[:68] + struct.pack("<Q", value) + data[76:])
    zeros = zstd.compress(bytes(2**20)) * 4096
    chunk = struct.pack("<QQQI", 0, 1, 2**32, 0) + struct.pack("<I", 4) + b"zstd" + struct.pack("<Q", len(zeros)) + zeros
    lie("bomb.mcap", data[:43] + b"\x06" + struct.pack("<Q", len(chunk)) + chunk)
    kinds = {bags.IMAGE: bags.make(bags.IMAGE, height=2**31, width=2**31, encoding="rgb8", step=2**32 - 1),
             bags.COMPRESSED: bags.make(bags.COMPRESSED, format="png", data=_huge_png(bags)),
             bags.IMU: bags.make(bags.IMU)}
    for k, (kind, message) in enumerate(kinds.items()):
        raw = bytearray(bags.TYPES.serialize_cdr(message, kind))
        lying = [("text", raw[:12] + b"\xff\xff\xff\x7f" + raw[16:])] + [("picture", raw)] * (kind != bags.IMU)
        for name, changed in lying:
            path = bags.write(tmp_path / f"message{k}{name}", [(1, "/topic", kind, message)])
            file = next(path.glob("*.mcap"))
            file.write_bytes(file.read_bytes().replace(bytes(raw), bytes(changed)))
            lies.append(file)
    base_file = tmp_path / "rows.db3"
    shutil.copyfile(whole["plain.db3"][0], base_file)
    base = sqlite3.connect(base_file)
    base.execute("DROP TABLE messages")
    base.execute("CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
                 " data BLOB GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL)")
    base.execute("INSERT INTO messages (topic_id, timestamp) VALUES (1, 1), (1, 2)")
    base.commit()
    base.close()
    lies.append(base_file)
    done = subprocess.run([sys.executable, "-c", LIES, *map(str, lies)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 350, f"{done.stdout} MB"


def _huge_png(bags):
    data = bags.png(0).reshape(-1).copy()
    data[16:24] = list(struct.pack(">II", 2**31 - 1, 2**31 - 1))
    return data
