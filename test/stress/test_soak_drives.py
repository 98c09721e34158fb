"""Hours of driving under random faults: what is drawn, that nothing is missed, that a stopped soak
goes on, one short drive."""

from __future__ import annotations

import json
import mmap
import random

import pytest

from liquid_control.errors import ConfigError, DrawingError
from liquid_control.stress.faults.injection import KINDS, SOURCES
from liquid_control.stress.growth import footprint, growth, slope
from liquid_control.stress.soak import drives
from liquid_control.stress.soak.drives import (
    DRIVE,
    QUIET,
    SoakSettings,
    draw_faults,
    draw_requests,
    run_drive,
    soak,
)


def test_every_fault_in_every_source_comes_and_the_end_of_a_drive_is_quiet():
    drawn = [fault for seed in range(200) for fault in draw_faults(random.Random(seed))]
    assert {(fault.source, fault.kind) for fault in drawn} == {
        (source, kind) for source in SOURCES for kind in KINDS
    }
    assert all(QUIET <= fault.begin < fault.end <= DRIVE - QUIET for fault in drawn)


def test_requests_come_and_go_and_the_gate_is_engaged_again():
    request = [draw_requests(random.Random(seed)) for seed in range(60)]
    seen = [[request(0.1 * tick) for tick in range(600)] for request in request]
    assert any(w.takeover for row in seen for w in row) and any(
        w.faults for row in seen for w in row
    )
    assert all(not row[-1].takeover and not row[-1].faults for row in seen)
    assert all(row[-1].engage_requested for row in seen if any(w.takeover or w.faults for w in row))


def rows(memory, files=lambda i: 9, pid=1, count=150):
    return [
        {"pid": pid, "index": i, "seconds": 60.0, "memory_bytes": memory(i), "files": files(i)}
        for i in range(count)
    ]


def percent(*processes):
    facts = growth(sum(processes, []))
    return facts["memory_growth_percent_an_hour"], facts["file_growth_percent_an_hour"]


def test_growth_is_distinguished_from_noise_steps_warm_up_and_too_little():
    rng = random.Random(1)
    assert percent(rows(lambda i: 10**8 + (i % 3) * 10**6))[0] == pytest.approx(0.0, abs=0.05)
    assert abs(percent(rows(lambda i: 10**8 + int(rng.gauss(0.0, 2e6))))[0]) < 0.5
    assert percent(rows(lambda i: 10**8 + 5 * 10**7 * (i > 120)))[0] == 0.0, (
        "one block that is kept is no growth"
    )
    assert percent(rows(lambda i: 10**8 + 10**6 * min(i, 25)))[0] == 0.0, (
        "what is loaded in the beginning is none"
    )
    leak, leaking_files = percent(
        rows(lambda i: 10**8 + i * 20_000 + (i % 2) * 7 * 10**6),
        rows(lambda i: 10**8, lambda i: 9 + i // 60, 2),
    )
    assert leak == pytest.approx(1.2, rel=0.1) and leaking_files == pytest.approx(10.0, abs=5.0)
    assert percent(rows(lambda i: 10**8, count=89)) == (None, None)


def test_the_slope_of_many_points_is_that_of_few():
    assert slope(list(range(5000)), [3.0 * x for x in range(5000)]) == pytest.approx(3.0)


def test_a_footprint_counts_what_is_kept_and_what_is_open(tmp_path):
    before = footprint()
    with (
        mmap.mmap(-1, 60_000_000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as kept,
        open(tmp_path / "file", "wb"),
    ):
        for start in range(0, len(kept), mmap.PAGESIZE):
            kept[start] = 1
        after = footprint()
    assert (
        45e6 < after["memory_bytes"] - before["memory_bytes"] < 80e6
        and after["files"] == before["files"] + 1
    )


@pytest.mark.parametrize(
    "changed, good",
    [
        ({}, True),
        ({"memory_growth_percent_an_hour": None}, True),
        ({"memory_growth_percent_an_hour": 1.0}, False),
        ({"file_growth_percent_an_hour": 2.0}, False),
        ({"limit_violations": 1}, False),
        ({"unhandled_errors": 1}, False),
        ({"stuck": 1}, False),
    ],
)
def test_a_soak_passes_only_when_nothing_is_broken_and_nothing_grows(changed, good):
    counts = {"limit_violations": 0, "unhandled_errors": 0, "stuck": 0}
    assert (
        drives.passed(
            counts
            | {"memory_growth_percent_an_hour": 0.9, "file_growth_percent_an_hour": 0.0}
            | changed
        )
        is good
    )


def test_an_error_is_counted_with_its_place_and_drives_that_were_done_are_not_driven_again(
    tmp_path, monkeypatch
):
    def run(*arguments):
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr(drives, "run_course", run)
    settings = SoakSettings(hours=2 * DRIVE / 3600, workers=1, out=tmp_path)
    facts = soak(settings)
    assert (
        facts["unhandled_errors"] == facts["drives"] == 2
        and "a wheel came off" in facts["first_errors"][0]
    )
    monkeypatch.setattr(drives, "run_drive", lambda job: pytest.fail("driven again"))
    again = soak(settings)
    assert again["drives_kept_from_before"] == 2 and again["unhandled_errors"] == 2
    assert json.loads((tmp_path / "soak.json").read_text()) == again
    assert not list(tmp_path.rglob("*.part*"))
    other = json.loads((tmp_path / "drives" / "drive_0_000001.json").read_text())
    (tmp_path / "drives" / "drive_0_000007.json").write_text(json.dumps(other | {"sha256": "0"}))
    soak(settings)
    assert len(list((tmp_path / "drives").iterdir())) == 2
    (tmp_path / "drives" / "drive_0_000001.json").write_text('{"index": 1')
    with pytest.raises(ConfigError, match="drive_0_000001.json: got 'a damaged file'"):
        soak(settings)


def test_a_machine_that_cannot_draw_is_no_error_of_a_drive(monkeypatch):
    def run(*arguments):
        raise DrawingError("osmesa", "no library")

    monkeypatch.setattr(drives, "run_course", run)
    with pytest.raises(DrawingError, match="MUJOCO_GL=osmesa"):
        soak(SoakSettings(hours=DRIVE / 3600, workers=1))


def test_a_drive_with_faults_keeps_every_limit(monkeypatch):
    monkeypatch.setattr(drives, "DRIVE", 20.0)
    row = run_drive((drives.pack_model(drives.find_model("lane_keeper")), 3, 1))
    assert (
        row["error"] is None
        and row["limit_violations"] == []
        and row["commands"] > 200
        and not row["stuck"]
    )
