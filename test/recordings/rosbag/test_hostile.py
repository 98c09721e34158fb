"""Hostile recordings: metadata that lead elsewhere or execute, types that change, sizes that lie.
None of it costs more than itself."""

from __future__ import annotations

import shutil
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from backports import zstd

from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.signals import SteeringSample

ROOT = Path(__file__).resolve().parents[3]

METADATA = """rosbag2_bagfile_information:
  version: 9
  storage_identifier: mcap
  relative_file_paths: {}
  message_count: 1000000000000
"""


@pytest.mark.parametrize(
    "text, problem",
    [
        ("!!python/object/apply:os.system ['touch gone']", "ConstructorError"),
        (
            "a: &a [x, x]\n"
            + "".join(
                f"{c}: &{c} [{','.join(['*' + p] * 9)}]\n"
                for p, c in zip("abcdefg", "bcdefgh", strict=True)
            ),
            "KeyError",
        ),
        ("[" * 5000, "cannot be read"),
        ("\0\1\2", "cannot be read"),
        ("", "TypeError"),
        (METADATA.format("3"), "TypeError"),
        (
            METADATA.format("['../other/secret.mcap', '/etc/passwd', bag.mcap]"),
            "a place outside of the recording",
        ),
        (METADATA.format("[gone.mcap, bag.mcap]"), "listed in metadata.yaml, but not here"),
        (METADATA.format("[]"), None),
        (METADATA.format("[bag.mcap]"), None),
    ],
)
def test_metadata_is_never_trusted_and_never_followed(bags, tmp_path, text, problem):
    events = bags.drive(2)
    bag = bags.write(tmp_path / "bag", events)
    bags.write(tmp_path / "other", bags.drive(1))
    shutil.copyfile(tmp_path / "other" / "other.mcap", tmp_path / "other" / "secret.mcap")
    (bag / "metadata.yaml").write_text(text)
    found, damage = bags.read(bag)
    assert found == bags.expected(events)
    assert [d for d in damage if problem in d.problem] if problem else damage == []
    assert not (Path.cwd() / "gone").exists()


def test_a_topic_that_changes_its_type_between_files_is_read_in_both_types(bags, tmp_path):
    stamp = bags.START_NS
    ackermann = "ackermann_msgs/msg/AckermannDriveStamped"
    drive = bags.make("ackermann_msgs/msg/AckermannDrive", steering_angle=0.25, speed=3.0)
    bag = bags.write(
        tmp_path / "bag",
        [
            (
                stamp,
                "/steer",
                ackermann,
                bags.make(ackermann, header=bags.header(stamp), drive=drive),
            )
        ],
    )
    number = "std_msgs/msg/Float64"
    later = bags.write(
        tmp_path / "later", [(stamp + 10**9, "/steer", number, bags.make(number, data=-0.5))]
    )
    (bag / "metadata.yaml").unlink()
    shutil.move(later / "later.mcap", bag / "bag_1.mcap")
    with RosbagRecording(bag) as recording:
        assert [sample.steering_angle for _, sample in recording.samples([SteeringSample])] == [
            0.25,
            -0.5,
        ]
        assert [d for d in recording.damage if "changes its type" in d.problem]


LIES = """
import resource, sys
from pathlib import Path
import numpy, cv2, rosbags.typesys
from liquid_control.recordings.rosbag.recording import RosbagRecording
from liquid_control.errors import RecordingError
from liquid_control.signals import SteeringSample
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
before = peak()
for path in sys.argv[1:]:
    try:
        with RosbagRecording(path) as recording:
            for _ in recording.samples(): pass
            reported = recording.damage or recording.skipped
    except RecordingError as error:
        reported = error
    assert reported, path
print(peak() - before)
"""


def test_no_false_size_costs_memory(bags, whole, tmp_path):
    """Sizes of records, chunks, strings, sequences, rows and pictures are set to gigabytes; a few
    kilobytes unpack to gigabytes."""
    lies = []

    def lie(name: str, data: bytes) -> None:
        lies.append(tmp_path / name)
        lies[-1].write_bytes(data)

    data = whole["plain.mcap"][0].read_bytes()
    for k, value in enumerate((2**31, 2**40, 2**63)):
        lie(f"record{k}.mcap", data[:44] + struct.pack("<Q", value) + data[52:-40])
        lie(f"chunk{k}.mcap", data[:68] + struct.pack("<Q", value) + data[76:])
    zeros = zstd.compress(bytes(2**20)) * 4096
    chunk = (
        struct.pack("<QQQI", 0, 1, 2**32, 0)
        + struct.pack("<I", 4)
        + b"zstd"
        + struct.pack("<Q", len(zeros))
        + zeros
    )
    lie("bomb.mcap", data[:43] + b"\x06" + struct.pack("<Q", len(chunk)) + chunk)
    kinds = {
        bags.IMAGE: bags.make(
            bags.IMAGE, height=2**31, width=2**31, encoding="rgb8", step=2**32 - 1
        ),
        bags.COMPRESSED: bags.make(bags.COMPRESSED, format="png", data=_huge_png(bags)),
        bags.IMU: bags.make(bags.IMU),
    }
    for k, (kind, message) in enumerate(kinds.items()):
        raw = bytearray(bags.TYPES.serialize_cdr(message, kind))
        lying = [("text", raw[:12] + b"\xff\xff\xff\x7f" + raw[16:])] + [("picture", raw)] * (
            kind != bags.IMU
        )
        for name, changed in lying:
            path = bags.write(tmp_path / f"message{k}{name}", [(1, "/topic", kind, message)])
            file = next(path.glob("*.mcap"))
            file.write_bytes(file.read_bytes().replace(bytes(raw), bytes(changed)))
            lies.append(file)
    base_file = tmp_path / "rows.db3"
    shutil.copyfile(whole["plain.db3"][0], base_file)
    base = sqlite3.connect(base_file)
    base.execute("DROP TABLE messages")
    base.execute(
        "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER, timestamp INTEGER,"
        " data BLOB GENERATED ALWAYS AS (zeroblob(900000000)) VIRTUAL)"
    )
    base.execute("INSERT INTO messages (topic_id, timestamp) VALUES (1, 1), (1, 2)")
    base.commit()
    base.close()
    lies.append(base_file)
    done = subprocess.run(
        [sys.executable, "-c", LIES, *map(str, lies)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 350, f"{done.stdout} MB"


def _huge_png(bags):
    data = bags.png(0).reshape(-1).copy()
    data[16:24] = list(struct.pack(">II", 2**31 - 1, 2**31 - 1))
    return data
