"""Stamps are judged by what causes them: batches, coarse clocks, clocks that stand; and rates by
what was measured, not by a hair."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.inspection.clocks import judge_clocks, judge_order, judge_stamps
from liquid_control.inspection.stamps import StampReport, StampTrack
from liquid_control.inspection.time_line import apart_from, judge_silences, silences

BEGIN = 1_750_000_000_000_000_000
SECOND = 10**9


def report(stamps, received=None) -> StampReport:
    """Of stamps [s] and receipts [s], 2 ms later if not given."""
    track = StampTrack(BEGIN)
    received = np.asarray(stamps) + 0.002 if received is None else received
    for stamp, receipt in zip(stamps, received, strict=True):
        stamp_ns = BEGIN + round(stamp * SECOND)
        track.push(stamp_ns, BEGIN + round(receipt * SECOND), stamp_ns)
    return track.report()


def codes(role: str, stamps: StampReport) -> dict[str, tuple[str, str]]:
    span = stamps.first, stamps.last
    return {one.code: (one.train, one.remedy) for one in judge_stamps(role, stamps, span)}


@pytest.mark.parametrize("rate, slow", [(20.0, False), (19.6, False), (18.5, True)])
def test_a_rate_as_low_as_allowed_is_allowed(rate, slow):
    found = codes("imu", report(np.arange(0, 30, 1 / rate)))
    assert ("slow" in found) == slow and len(found) == slow


@pytest.mark.parametrize("size", [2, 5, 10])
def test_batches_are_noted_with_the_rate_of_their_samples(size):
    at = np.arange(4000) * 0.005
    ends = (np.arange(4000) // size * size + size - 1) * 0.005
    together = ends + np.arange(4000) % size * 20e-6
    stamps = report(ends, together)
    assert stamps.rate == pytest.approx(200.0, rel=0.01) and stamps.dropped == 0
    assert stamps.seconds == pytest.approx(at[-1], abs=0.06)
    found = codes("imu", stamps)
    assert found == {"duplicate_stamps": ("ok", "all of them are used")}


def test_doubled_stamps_are_no_loss():
    at = np.arange(9000) * 0.0025
    doubled = np.where(np.arange(9000) % 3 == 2, at - 0.0025, at)
    stamps = report(doubled, at + 0.001)
    assert stamps.dropped == 0 and stamps.duplicates == 3000
    assert set(codes("imu", stamps)) == {"duplicate_stamps"}


@pytest.mark.parametrize("role, weight", [("camera", "fault"), ("imu", "warning")])
@pytest.mark.parametrize("rate", [20, 100])
@pytest.mark.parametrize("step", [1.0, 0.25])
def test_a_clock_of_whole_seconds_is_no_clock_that_stands(role, weight, rate, step):
    at = np.arange(0, 30, 1 / rate)
    stamps = report(np.floor(at / step + 1e-9) * step, at + 0.002)
    found = codes(role, stamps)
    assert found == {"coarse_stamps": (weight, "read it with --stamps receive")}
    (one,) = judge_order(role, stamps)
    assert f"{rate * step:.0f} messages share a stamp" in one.text
    assert ("whole seconds" in one.text) == (step == 1.0)


@pytest.mark.parametrize("each", [20, 25, 32])
def test_a_coarse_clock_is_found_whatever_share_of_the_messages_is_looked_at(each):
    """As many messages as make one in `each` the sample: all first ones of their stamp."""
    at = np.arange(64 * each) * 0.01
    found = codes("imu", report(np.arange(64 * each) // each * each * 0.01, at + 0.002))
    assert found == {"coarse_stamps": ("warning", "read it with --stamps receive")}


def test_a_clock_of_whole_seconds_neither_drifts_nor_jumps():
    """The second's first message comes later after every second."""
    at = np.arange(0, 20, 0.0101)
    stamps = report(np.floor(at), at + 0.003 * np.floor(at) + 0.002)
    assert abs(stamps.drift * (stamps.last - stamps.first)) > 0.05
    assert not list(judge_clocks({"imu": stamps}))


def test_commands_with_the_stamp_of_their_picture_are_in_order():
    """Several commands a picture, as the recorder of the simulation and older gates stamp them."""
    at = np.arange(0, 30, 0.018)
    stamps = report(np.floor(at / 0.04) * 0.04, at + 0.002)
    assert codes("steering", stamps) == {"duplicate_stamps": ("ok", "")}
    assert set(codes("imu", stamps)) == {"coarse_stamps"}
    seconds = report(np.floor(at), at + 0.002)
    assert set(codes("steering", seconds)) == {"coarse_stamps"}


def test_a_clock_that_stands_is_named_so():
    at = np.arange(0, 30, 0.05)
    found = codes("camera", report(np.zeros(600) + 5.0, at))
    assert found == {"constant_stamps": ("fault", "read it with --stamps receive")}


def test_stretches_have_no_gap_between_them():
    track = StampTrack(BEGIN)
    for begin in (0, 1000, 50_000):
        track.begin()
        for tick in range(400):
            stamp_ns = BEGIN + begin * SECOND + tick * SECOND // 20
            track.push(stamp_ns, stamp_ns + 10**6, stamp_ns)
    stamps = track.report()
    assert not stamps.gaps and stamps.dropped == 0 and stamps.gap_count == 0
    assert stamps.seconds == pytest.approx(3 * 19.95) and stamps.rate == pytest.approx(20, rel=0.01)


@pytest.mark.parametrize("leap", [-3600.0, -5.0, 5.0, 55 * 365 * 86_400.0])
def test_a_clock_that_leaps_is_no_silence(leap):
    """Of one role: its driver was restarted, or its clock was set, while receipts went on."""
    at = np.arange(0, 30, 0.01)
    stamps = report(np.where(at < 12.0, at, at + leap), at + 0.002)
    assert not stamps.gaps and stamps.dropped == 0
    assert stamps.rate == pytest.approx(100, rel=0.01)
    assert stamps.seconds == pytest.approx(30.0, abs=0.05)
    (jump,) = [one for one in judge_clocks({"imu": stamps}) if one.code == "clock_jump"]
    assert "--stamps receive" in jump.remedy and stamps.jump == pytest.approx(abs(leap))
    silent = report(np.where(at < 12.0, at, at + abs(leap)))
    assert len(silent.gaps) == 1 and silent.gaps[0][1] == pytest.approx(abs(leap) + 0.01)


def test_a_gap_of_all_roles_is_reported_once_and_not_for_each():
    roles = {"camera": 0.05, "imu": 0.01, "speed": 0.02, "steering": 0.04}

    def reports(skip):
        found = {}
        for role, period in roles.items():
            at = np.arange(0, 30, period)
            found[role] = report(at[~skip(role, at)])
        return found

    stamps = reports(lambda role, at: (at > 10.0) & (at < 15.0))
    ((start, length),) = silences(stamps)
    assert start == pytest.approx(10.0, abs=0.06) and length == pytest.approx(5.0, abs=0.1)
    for role, one in stamps.items():
        alone = apart_from(one, [(start, length)])
        assert not alone.gaps and alone.dropped <= 1 and codes(role, alone) == {}
    (told,) = judge_silences([(start, length)])
    assert "5.0 s at 10.0 s" in told.text or "5.1 s at 9.9 s" in told.text
    stamps = reports(lambda role, at: (at > 10.0) & (at < 15.0) & (role == "imu"))
    assert silences(stamps) == [] and "gaps" in codes("imu", stamps["imu"])
