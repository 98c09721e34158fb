"""A few of the cuts, kills and full disks of `soak recorder`, and the judgement of `bench
recorder`."""

from __future__ import annotations

import random

import pytest

from liquid_control.bench import recorder as bench
from liquid_control.recordings.onboard.recorder import OnboardRecorder
from liquid_control.recordings.onboard.settings import RecordSettings
from liquid_control.stress.recorder import cuts, numbered


def test_recordings_that_end_at_any_byte_are_read_to_their_last_whole_chunk(tmp_path):
    assert list(cuts.check_cuts(tmp_path, 8, random.Random(1))) == [""] * 8


def test_a_reader_that_stops_early_would_be_found(tmp_path, monkeypatch):
    monkeypatch.setattr(cuts, "CUT_SECONDS", 2.0)
    read = cuts.BagReader.messages
    monkeypatch.setattr(cuts.BagReader, "messages", lambda reader: list(read(reader))[:10])
    found = list(cuts.check_cuts(tmp_path, 4, random.Random(1)))
    assert any("10 messages, expected" in wrong for wrong in found)


@pytest.mark.parametrize("check", [cuts.check_kill, cuts.check_full])
def test_a_killed_recorder_and_one_without_room_leave_all_but_the_last_second(check, tmp_path):
    assert check(tmp_path, 3) == ""


def test_what_is_missing_between_first_and_last_is_counted(tmp_path):
    assert numbered.missing([3, 4, 5]) == 0 and numbered.missing([1, 2, 6, 7]) == 3
    recorder = OnboardRecorder(RecordSettings(scope="continuous", keep_free=0.0), tmp_path)
    for number, item in zip(range(40), numbered.items(10**18, 0), strict=False):
        if number not in (7, 8):
            recorder.put([item])
    recorder.end()
    recorder.run()
    [path] = tmp_path.iterdir()
    found, last_ns = numbered.numbers(path)
    assert numbered.missing(found) >= 1 and last_ns > 10**18
    row = {"pictures": 5, "pictures_missing": 0, "samples": 9, "samples_missing": 0}
    row |= {"start_mb": 100.0, "peak_mb": 200.0}
    result = {"continuous": row, "events": row}
    assert bench.succeeded(result)
    for worse in ({"samples_missing": 1}, {"pictures": 0}, {"peak_mb": 400.0}):
        assert not bench.succeeded(result | {"events": row | worse})
