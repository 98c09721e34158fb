"""Hours of driving under random faults: what is drawn, that nothing is missed, that a stopped soak goes on, one short drive."""

from __future__ import annotations

import json
import random

import pytest

from liquid_control.evaluate.faults.injection import KINDS, SOURCES
from liquid_control.evaluate.soak import drives
from liquid_control.evaluate.soak.drives import DRIVE, QUIET, SoakSettings, draw_faults, draw_wishes, run_drive, soak
from liquid_control.evaluate.soak.growth import footprint, growth


def test_every_fault_in_every_source_comes_and_the_end_of_a_drive_is_quiet():
    drawn = [fault for seed in range(200) for fault in draw_faults(random.Random(seed))]
    assert {(fault.source, fault.kind) for fault in drawn} == {(source, kind) for source in SOURCES for kind in KINDS}
    assert all(QUIET <= fault.begin < fault.end <= DRIVE - QUIET for fault in drawn)


def test_wishes_come_and_go_and_the_gate_is_asked_again():
    wishes = [draw_wishes(random.Random(seed)) for seed in range(60)]
    seen = [[wish(0.1 * tick) for tick in range(600)] for wish in wishes]
    assert any(w.takeover for row in seen for w in row) and any(w.complaints for row in seen for w in row)
    assert all(not row[-1].takeover and not row[-1].complaints for row in seen)
    assert all(row[-1].asked for row in seen if any(w.takeover or w.complaints for w in row))


def test_growth_is_told_from_noise_and_from_too_little():
    def rows(memory, files, pid=1, count=120):
        return [{"pid": pid, "index": i, "seconds": 60.0, "memory_bytes": memory(i), "files": files(i)} for i in range(count)]

    assert growth(rows(lambda i: 10**8 + (i % 3) * 10**5, lambda i: 9))["memory_growth_percent_an_hour"] == pytest.approx(0.0, abs=0.05)
    grown = growth(rows(lambda i: 10**8 + i * 10**5, lambda i: 9 + i // 60) + rows(lambda i: 10**8, lambda i: 9, pid=2))
    assert grown["memory_growth_percent_an_hour"] == pytest.approx(6.0, rel=0.03)
    assert grown["file_growth_an_hour"] == pytest.approx(0.75, abs=0.4)
    assert growth(rows(lambda i: 10**8, lambda i: 9, count=5)) == {"memory_growth_percent_an_hour": None, "file_growth_an_hour": None}
    assert footprint()["memory_bytes"] > 10**6


def test_an_error_is_counted_with_its_place_and_drives_that_were_done_are_not_driven_again(tmp_path, monkeypatch):
    def run(*arguments):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(drives, "run_course", run)
    settings = SoakSettings(hours=2 * DRIVE / 3600, workers=1, out=tmp_path)
    facts = soak(settings)
    assert facts["unhandled_errors"] == facts["drives"] == 2 and "a wheel came off" in facts["first_errors"][0]
    monkeypatch.setattr(drives, "run_drive", lambda job: pytest.fail("driven again"))
    again = soak(settings)
    assert again["drives_kept_from_before"] == 2 and again["unhandled_errors"] == 2
    assert json.loads((tmp_path / "soak.json").read_text()) == again and not list(tmp_path.rglob("*.part"))


def test_a_drive_with_faults_keeps_every_limit(monkeypatch):
    monkeypatch.setattr(drives, "DRIVE", 20.0)
    row = run_drive((str(drives.find_model("lane_keeper")), 3, 1, None))
    assert row["error"] is None and row["limit_violations"] == [] and row["commands"] > 200 and not row["stuck"]
