"""What is recorded on board: around marks or continuously, whole, within memory and disk."""

from __future__ import annotations

import errno
import math
from pathlib import Path

import pytest
import yaml
from mcap.reader import make_reader

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.onboard.folder import MARKS
from liquid_control.recordings.onboard.marks import read_marks
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.recordings.rosbag.reader import BagReader
from liquid_control.recordings.rosbag.writer import BagWriter

STATE = "/safety_node/state"


def numbers(path: Path) -> list[int]:
    """Those of the recorded IMU samples."""
    with BagReader(path) as reader:
        read = [reader.decode(message) for message in reader.messages(["/imu/data"])]
        assert path.suffix or not reader.damage
    return [round(message.angular_velocity.z) for message in read]


def recordings(driven) -> list[Path]:
    return sorted(driven.recorder.folder.path.iterdir(), key=lambda path: path.stat().st_mtime_ns)


def test_the_time_around_a_mark_is_recorded_and_no_other(drive):
    driven = drive()
    driven.on(5.0)
    assert driven.recorder.status().state == "waiting" and not driven.recorder.folder.path.exists()
    driven.recorder.mark("takeover", "engaged: taken over")
    driven.on(0.6)
    assert driven.recorder.status().state == "recording"
    driven.on(3.0)
    [path] = recordings(driven)
    assert path.name.endswith("_takeover"), "it is whole, and named by what began it"
    assert numbers(path) == list(range(299, 601)), "2 s before and 1 s after"
    assert [(mark.kind, mark.reason) for mark in read_marks(path)] == [
        ("takeover", "engaged: taken over")
    ]
    assert driven.recorder.status().recordings == 1


def test_a_second_mark_prolongs_the_recording_and_a_later_one_begins_another(drive):
    driven = drive()
    driven.on(2.5)
    driven.recorder.mark("engage", "engage requested")
    driven.on(0.8)
    driven.recorder.mark("button", "operator")
    driven.on(4.0)
    driven.recorder.mark("fault", "emergency stop")
    driven.on(2.0)
    first, second = recordings(driven)
    assert numbers(first) == list(range(49, 431)) and numbers(second) == list(range(529, 831))
    assert [mark.kind for mark in read_marks(first)] == ["engage", "button"]
    facts = yaml.safe_load((first / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert facts["custom_data"]["marks"] == "button 1, engage 1"


def test_a_kind_that_is_not_chosen_is_noted_and_starts_nothing(drive):
    driven = drive(kinds="takeover button")
    driven.on(1.0)
    driven.recorder.mark("gate", "speed")
    driven.on(1.0)
    assert not driven.recorder.folder.path.exists()
    driven.recorder.mark("takeover", "taken over")
    driven.on(2.0)
    [path] = recordings(driven)
    assert [mark.kind for mark in read_marks(path)] == ["gate", "takeover"]


def test_continuous_recording_is_split_without_a_gap_and_marks_reach_back(drive):
    driven = drive(scope="continuous", split=10.0)
    driven.on(11.0)
    driven.recorder.mark("takeover", "taken over")  # 1 s into the second: 2 s before are kept
    driven.on(15.0)
    driven.recorder.end()
    driven.recorder.run()
    paths = recordings(driven)
    assert [number for path in sorted(paths, key=numbers) for number in numbers(path)] == list(
        range(2600)
    )
    marked = [(path / MARKS).exists() for path in sorted(paths, key=numbers)]
    assert marked == [True, True, False]


def test_recording_by_hand_begins_with_the_ring_and_ends_at_once(drive):
    driven = drive()
    driven.on(3.0)
    driven.recorder.record(True)
    driven.on(30.0)
    driven.recorder.record(False)
    driven.on(1.0)
    [path] = recordings(driven)
    assert path.name.endswith("_manual") and numbers(path) == list(range(99, 3301))
    driven = drive(path.parent / "other", scope="continuous")
    driven.recorder.record(False)
    driven.now_ns += 1
    driven.on(1.0)
    driven.recorder.mark("takeover", "taken over")
    driven.on(1.0)
    assert driven.recorder.status().state == "off" and not driven.recorder.folder.path.exists()


def test_a_recording_begins_with_the_last_state_before_it(drive):
    driven = drive()
    driven.recorder.put([driven.item(STATE)])
    driven.on(5.0)
    for _ in range(2):  # the second recording has it, too
        driven.recorder.mark("button", "operator")
        driven.on(4.0)
    for path in recordings(driven):
        with BagReader(path) as reader:
            [state] = reader.messages([STATE])
            assert state.receive_ns == reader.start_ns


def test_attachments_are_in_the_file_and_the_vehicle_is_read_back(drive):
    driven = drive(scope="continuous", split=10.0)
    driven.recorder.attach("model.json", "application/json", b"{}")
    driven.on(0.5)
    driven.recorder.attach("vehicle.yaml", "application/yaml", b"wheelbase: 0.33\n")
    driven.on(12.0)
    driven.recorder.end()
    driven.recorder.run()
    for path in recordings(driven):
        with next(path.glob("*.mcap")).open("rb") as file:
            attached = {one.name: one.data for one in make_reader(file).iter_attachments()}
        assert attached == {"model.json": b"{}", "vehicle.yaml": b"wheelbase: 0.33\n"}
        with open_recording(path) as recording:
            assert recording.settings.vehicle.wheelbase == 0.33


def test_a_vehicle_like_the_default_one_is_read_back_as_it_is(drive):
    driven = drive(scope="continuous")
    described = b"wheelbase: 2.6\nlargest_angle: 0.55\n"
    driven.recorder.attach("vehicle.yaml", "application/yaml", described)
    driven.on(1.0)
    driven.recorder.end()
    driven.recorder.run()
    with open_recording(recordings(driven)[0]) as recording:
        assert recording.settings.vehicle == VehicleConfig(2.6, 0.55)


def test_marks_are_in_the_metadata_of_the_file(drive):
    driven = drive()
    driven.on(0.1)
    mark = driven.recorder.mark("takeover", "taken over")
    driven.on(2.0)
    with next(recordings(driven)[0].glob("*.mcap")).open("rb") as file:
        found = [one.metadata for one in make_reader(file).iter_metadata() if one.name == "mark"]
    assert found == [{"time_ns": str(mark.time_ns), "kind": "takeover", "reason": "taken over"}]


def test_memory_stays_below_its_cap_and_what_it_costs_is_counted(drive, monkeypatch):
    driven = drive(before=600.0)
    backlog = driven.recorder.backlog
    backlog.largest = 200_000
    driven.on(10.0)
    status = driven.recorder.status()
    assert 0.19 < status.waiting_mb <= 0.2 and status.dropped == 0
    assert status.shortened == 1000 - len(backlog._items), "the oldest gave way"
    driven.recorder.record(True)
    driven.on(10.0, write=False)  # a disk that takes nothing
    status = driven.recorder.status()
    assert status.waiting_mb <= 0.2 and status.dropped == pytest.approx(1000, abs=2)
    assert backlog.dropped == {"/imu/data": status.dropped}
    driven.on(0.5)
    driven.recorder.end()
    driven.recorder.run()
    kept = numbers(recordings(driven)[0])
    assert len(kept) > 300 and kept[0] > 700, "the newest were dropped, and the rest is whole"
    assert kept[-49:] == list(range(2001, 2050))


def test_a_full_disk_ends_the_recording_and_the_next_begins_when_there_is_room(drive, monkeypatch):
    driven = drive(scope="continuous")
    full, flush = [False], BagWriter.flush

    def flush_or_fail(writer) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        flush(writer)

    monkeypatch.setattr(BagWriter, "flush", flush_or_fail)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    driven.on(3.0)
    full[0] = True
    driven.on(0.7)
    status = driven.recorder.status()
    assert (status.state, status.problem) == ("failed", "No space left on device")
    driven.on(5.0)
    status = driven.recorder.status()
    assert status.disk_errors >= 3 and status.dropped == 0, "it tries again, and nothing waits long"
    full[0] = False
    driven.on(2.0)
    assert driven.recorder.status().state == "recording"
    driven.recorder.end()
    driven.recorder.run()
    read = sorted({number for path in recordings(driven) for number in numbers(path)})
    assert read == list(range(1070))
    assert any(path.suffix for path in recordings(driven)), "what was broken off says so"


def test_a_message_that_cannot_be_written_ends_nothing(drive):
    driven = drive(scope="continuous")
    driven.on(0.5)
    driven.recorder.put([driven.item()._replace(topic="/odd", kind="odd_msgs/msg/Odd")])
    driven.recorder.put([driven.item()._replace(receive_ns=-1)])
    driven.on(0.5)
    driven.recorder.end()
    driven.recorder.run()
    assert "odd_msgs" in driven.recorder.refused["/odd"]
    assert driven.recorder.status().dropped >= 1
    assert numbers(recordings(driven)[0]) == list(range(100))


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="kinds: got 'crash', expected of takeover"):
        RecordSettings(kinds="takeover crash")
    for wrong in ({"before": -1.0}, {"memory": math.nan}, {"scope": "always"}, {"quota": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            RecordSettings(**wrong)
