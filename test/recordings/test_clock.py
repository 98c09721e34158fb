"""One time line for a recording: its stretches lie behind one another, its stamps are on the
recorder's clock where all sensors share another one, and else as they were."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.inspection.clocks import ClockTracks
from liquid_control.inspection.recording import inspect_source
from liquid_control.recordings.clock import GAP_NS
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.recordings.settings import RecordingSettings
from liquid_control.recordings.stretches import covered
from liquid_control.recordings.values import CLASS_OF_ROLE, Entry
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

BEGIN = 1_750_000_000_000_000_000
MS, SECOND = 10**6, 10**9
DAY, YEAR = 86_400 * SECOND, 365 * 86_400 * SECOND
PERIOD = {"camera": 50 * MS, "imu": 10 * MS, "speed": 20 * MS, "steering": 40 * MS}
LATENCY = {"camera": 8 * MS, "imu": 1 * MS, "speed": 2 * MS, "steering": 1 * MS}
TAI, BOOT = 37 * SECOND, 5_321 * SECOND - BEGIN


def sample(role: str, stamp_ns: int):
    seconds = (stamp_ns % (1000 * SECOND)) * 1e-9
    rate = 0.3 * np.sin(1.3 * seconds)
    if role == "camera":
        return Frame(stamp_ns, np.full((8, 8, 3), stamp_ns // (50 * MS) % 250, np.uint8))
    if role == "imu":
        return ImuSample(stamp_ns, (0.0, 0.0, rate), (0.0, 8.0 * rate, 9.81))
    if role == "speed":
        return SpeedSample(stamp_ns, 8.0)
    return SteeringSample(stamp_ns, float(np.arctan(2.7 * rate / 8.0)), None)


def drive(seconds: float = 4.0, begin_ns: int = BEGIN, roles=tuple(PERIOD)):
    """(receipt, role, sample) in received order; receipt and stamps are of one right clock."""
    rows = [
        (at + LATENCY[role], role, sample(role, at))
        for role in roles
        for at in range(begin_ns, begin_ns + round(seconds * SECOND), PERIOD[role])
    ]
    return sorted(rows, key=lambda row: row[0])


def restamped(rows, of_receipt=lambda ns: ns, **of_stamps):
    """The rows with other times: functions of the right time, for receipts and by role for
    stamps."""
    return [
        (
            of_receipt(received),
            dataclasses.replace(one, stamp_ns=of_stamps.get(role, of_receipt)(one.stamp_ns)),
        )
        for received, role, one in rows
    ]


def times(source) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Receipts and stamps by class of the sample."""
    found: dict[type, list] = {}
    for received, one in source.samples():
        found.setdefault(type(one), []).append((received, one.stamp_ns))
    return {kind.__name__: np.array(rows, np.int64) for kind, rows in found.items()}


def findings(source) -> dict[tuple[str, str], dict]:
    return {(one["code"], one["role"]): one for one in inspect_source(source).facts["findings"]}


def all_stamps(function):
    return dict.fromkeys(PERIOD, function)


@pytest.mark.parametrize("offset", [TAI, BOOT, -18 * SECOND, 3600 * SECOND])
@pytest.mark.parametrize("late", [(), ("camera",)], ids=["at once", "camera later"])
def test_a_clock_that_all_sensors_share_is_moved_onto_the_recorders(offset, late):
    rows = [row for row in drive() if row[1] not in late or row[0] > BEGIN + 3 * SECOND]
    right = times(InMemoryRecording(restamped(rows)))
    source = InMemoryRecording(restamped(rows, **all_stamps(lambda ns: ns + offset)))
    moved = times(source)
    assert moved.keys() == right.keys() and len(moved) == 4
    for kind, of_right in right.items():
        assert np.array_equal(moved[kind][:, 0], of_right[:, 0])
        # The same for all roles: the shortest way of a message, which cannot be told from a clock.
        assert set(of_right[:, 1] - moved[kind][:, 1]) == {-1 * MS}, kind
    (segment,) = source.clock.segments
    assert segment.common == pytest.approx(-offset * 1e-9 + 0.001)
    found = findings(source)
    assert found["other_clock", "clock"]["replay"] == "warning"
    assert found["other_clock", "clock"]["train"] == "warning"


def test_a_role_on_its_own_clock_is_left_as_it_is_and_named_with_what_helps():
    for role in PERIOD:
        source = InMemoryRecording(restamped(drive(), **{role: lambda ns: ns + TAI}))
        right, found = times(InMemoryRecording(restamped(drive()))), times(source)
        kind = type(sample(role, 0)).__name__
        assert np.array_equal(found[kind][:, 1], right[kind][:, 1] + TAI)
        assert source.clock.segments[0].common == 0.0
        of_role = findings(source)["other_clock", role]
        assert of_role["train"] == "fault" and "TAI" in of_role["text"]
        assert "--stamps receive" in of_role["remedy"]
        rows = restamped(drive(), **{role: lambda ns: ns + TAI})
        by_receipt = InMemoryRecording(rows, RecordingSettings(stamps="receive"))
        assert not [code for code, _ in findings(by_receipt) if "clock" in code or "stamps" in code]


def test_commands_without_a_header_go_with_the_clock_of_the_sensors():
    rows = restamped(drive(), **all_stamps(lambda ns: ns + BOOT))
    bare = [
        Entry(received, "steering", received, None, dataclasses.replace(one, stamp_ns=received))
        if isinstance(one, SteeringSample)
        else (received, one)
        for received, one in rows
    ]
    found = times(InMemoryRecording(bare))
    assert np.array_equal(found["SteeringSample"][:, 0], found["SteeringSample"][:, 1])
    assert np.abs(found["Frame"][0] - found["SteeringSample"][0]).max() < 10 * MS


STEPS = {
    "a day": ((0, DAY), 4),
    "from 1970 to today": ((3600 * SECOND - BEGIN, 0), 4),
    "set back": ((0, -1_013_700_000), 4),
    "three": ((0, -900 * MS, 60 * YEAR, 0), 2),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("stepping", ["all clocks", "the recorder's", "common boot clock"])
def test_stretches_lie_behind_one_another_whatever_steps(name, stepping):
    steps, seconds = STEPS[name]
    rows, first = [], restamped(drive(seconds))
    for number, step in enumerate(steps):
        part = drive(seconds, BEGIN + round(number * seconds) * SECOND)
        of_stamps = {
            "all clocks": lambda ns, step=step: ns + step,
            "the recorder's": lambda ns: ns,
            "common boot clock": lambda ns: ns + BOOT,
        }[stepping]
        rows += restamped(part, lambda ns, step=step: ns + step, **all_stamps(of_stamps))
    source = InMemoryRecording(rows)
    found, right = times(source), times(InMemoryRecording(first))
    for kind, of_right in right.items():
        received, stamps = found[kind].T
        assert np.all(np.diff(received) > 0) and np.all(np.diff(stamps) > 0)
        latency = received - stamps
        assert np.ptp(latency) <= 1 * MS and 0 <= latency.min() <= 8 * MS
        parts = np.split(received, np.flatnonzero(np.diff(received) > 10 * SECOND) + 1)
        assert len(parts) == len(steps)
        for part in parts:
            assert np.array_equal(part - part[0], of_right[:, 0] - of_right[0, 0])
    lasts = GAP_NS * (len(steps) - 1) + len(steps) * seconds * SECOND
    assert found["Frame"][-1, 0] - found["ImuSample"][0, 0] == pytest.approx(lasts, abs=0.1e9)
    facts = inspect_source(source).facts
    length = len(steps) * seconds
    assert facts["duration"] == pytest.approx(length, abs=0.05 * len(steps))
    assert not [one for one in facts["findings"] if one["code"] in ("gaps", "dropped", "slow")]
    said = [one for one in facts["findings"] if one["code"] in ("pause", "clock_set")]
    assert len(said) == len(steps) - 1
    assert facts["streams"]["camera"]["rate"] == pytest.approx(20.0, rel=0.01)
    assert facts["streams"]["camera"]["seconds"] == pytest.approx(length, abs=0.06 * len(steps))


def test_an_ordinary_recording_is_given_as_it_is_and_at_once():
    rows = restamped(drive(1.0))
    source = InMemoryRecording(rows)
    entries = list(source.records(PERIOD))
    taken = []

    def counted():
        for entry in entries:
            taken.append(entry)
            yield entry

    for number, entry in enumerate(source.clock.place(counted()), start=1):
        assert entry is entries[number - 1] and len(taken) == number


def test_one_bad_stamp_at_the_start_does_not_decide():
    for bad in (0, 7, BEGIN + YEAR):
        rows = restamped(drive(1.0))
        place = next(i for i, (_, one) in enumerate(rows) if isinstance(one, Frame))
        rows[place] = (rows[place][0], dataclasses.replace(rows[place][1], stamp_ns=bad))
        frames = times(InMemoryRecording(rows))["Frame"]
        assert frames[0, 1] == bad
        assert np.array_equal(frames[1:, 1], [BEGIN + 50 * MS * i for i in range(1, 20)])


def test_the_length_is_that_of_the_stretches():
    assert covered([]) == 0.0
    second = SECOND
    spans = [(0, 2 * second), (DAY, DAY + 3 * second), (second, 4 * second)]
    assert covered(spans) == 7.0
    assert covered([(0, second), (9 * second, 10 * second)]) == 10.0


@pytest.mark.parametrize("stamps", ["header", "receive"])
def test_a_receipt_of_zero_is_none_and_the_stamp_stands_for_it(stamps):
    rows = [(0, one) for _, one in restamped(drive(2.0))]
    source = InMemoryRecording(rows, RecordingSettings(stamps=stamps))
    for kind, of_kind in times(source).items():
        assert np.array_equal(of_kind[:, 0], of_kind[:, 1]), kind
    assert source.clock.breaks == [] and len(source.clock.segments) == 1
    rows = [(0 if number < 3 else at, one) for number, (at, one) in enumerate(restamped(drive()))]
    frames = times(InMemoryRecording(rows))["Frame"]
    assert np.array_equal(frames[:, 1], BEGIN + np.arange(80) * 50 * MS)


@pytest.mark.parametrize("speed", [0.01, 0.5, 2.0])
def test_a_recording_that_was_played_at_another_speed_is_reported(speed):
    rows = restamped(drive(), lambda ns: BEGIN + DAY + round((ns - BEGIN) * speed),
                     **all_stamps(lambda ns: ns))  # fmt: skip
    found = findings(InMemoryRecording(rows))
    assert found["other_speed", "clock"]["replay"] == "fault"
    assert not {"clock_drift", "clock_jump", "late", "from_the_future"} & {
        code for code, _ in found
    }


CLOCKS = {
    "in order": {},
    "tai": all_stamps(lambda ns: ns + TAI),
    "boot": all_stamps(lambda ns: ns + BOOT),
    "imu on its own": {"imu": lambda ns: ns + BOOT},
    "camera ahead": {"camera": lambda ns: ns + 18 * SECOND},
    "zero": {"speed": lambda ns: 0},
    "constant": {"camera": lambda ns: BEGIN},
    "whole seconds": {"speed": lambda ns: ns // SECOND * SECOND},
    "driver restarts": {"imu": lambda ns: ns if ns < BEGIN + 6 * SECOND else ns - BEGIN},
    "a little ahead": {"steering": lambda ns: ns + 100 * MS},
}


@pytest.mark.parametrize("name", CLOCKS)
def test_replay_and_inspection_say_the_same_of_every_clock(name):
    rows = restamped(drive(8.0), **CLOCKS[name])
    inspected = {
        (code, role): one["text"]
        for (code, role), one in findings(InMemoryRecording(rows)).items()
        if "clock" in code or "stamps" in code or code in ("from_the_future", "late")
    }
    clocks = ClockTracks()
    source = InMemoryRecording(rows)
    names = {kind: role for role, kind in CLASS_OF_ROLE.items()}
    for received, one in source.samples():
        clocks.push(names[type(one)], one, received)
    replayed = {(one.code, one.role): one.text for one in clocks.findings(source.clock)}
    assert replayed.keys() == inspected.keys() and bool(replayed) == (name != "in order")
    assert replayed == inspected


@pytest.mark.parametrize("receipt", [2**64 - 1, 2**62, 1, -5])
@pytest.mark.parametrize("stamp", [None, 2**63 - 1, 1 - 2**63])
@pytest.mark.parametrize("place", ["in the middle", "in order"])
def test_one_impossible_time_costs_one_message(receipt, stamp, place):
    rows = restamped(drive(1.0))
    at = next(i for i in range(50, 100) if isinstance(rows[i][1], ImuSample))
    one = rows[at][1]
    one = one if stamp is None else dataclasses.replace(one, stamp_ns=stamp)
    rows[at] = receipt, one
    if place == "in order":
        rows.sort(key=lambda row: row[0])
    source = InMemoryRecording(rows)
    found = times(source)
    frames = found["Frame"]
    assert np.array_equal(np.unique(np.diff(frames[:, 1])), np.unique(np.diff(frames[:, 0])))
    assert len(frames) == 20 and (frames[:, 0] - frames[:, 1] == 8 * MS).all()
    if place == "in order":
        assert inspect_source(InMemoryRecording(rows)).facts["duration"] < 2.0
