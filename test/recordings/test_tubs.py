"""DonkeyCar tubs: what they hold, which records count, and what is read of damaged ones."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from liquid_control.errors import RecordingError, TopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import open_recording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

START_MS, STEP_MS = 1_700_000_000_000, 50  # of the written tubs
CURVED = RecordingSettings(largest_curvature=2.0)


def angles(path, settings=CURVED) -> dict[int, float]:
    """The commands [-1..1, positive to the right] by stamp in steps from the start."""
    with open_recording(path, settings) as source:
        wheelbase = source.settings.vehicle.wheelbase
        return {
            round(entry.stamp_ns / 1e6 - START_MS) // STEP_MS: round(
                -math.tan(entry.sample.steering_angle) / wheelbase / 2.0, 3
            )
            for entry in source.as_recorded(["steering"])
        }


def frames(path, settings=CURVED) -> tuple[list[int], dict[str, int]]:
    """Brightness of the right half of each picture, and what was skipped."""
    with open_recording(path, settings) as source:
        shades = [int(sample.image[:, 20:].mean().round()) for _, sample in source.samples([Frame])]
        return shades, source.skipped


@pytest.fixture
def expected(tables):
    """(indexes) → the commands written, as `angles` gives them."""
    return lambda *indexes: {index: tables.record(index)["user/angle"] for index in indexes}


def test_a_tub_gives_pictures_and_curvature_to_the_left_at_the_recorded_times(
    tables, expected, tmp_path
):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(40)))
    with open_recording(tub, CURVED) as source:
        assert {role: one.name for role, one in source.roles.items()} == {
            "camera": "cam/image_array",
            "steering": "user/angle",
        }
        assert [one.name for one in source.streams if not one.roles] == [
            "user/mode",
            "user/throttle",
        ]
        assert source.roles["camera"].count == source.roles["steering"].count == 40
        assert source.roles["camera"].rate == pytest.approx(20.0)
        assert source.start_ns == START_MS * 10**6 and source.seconds == pytest.approx(1.95)
        found = list(source.samples())
    assert angles(tub) == expected(*range(40))
    assert frames(tub) == (pytest.approx(list(range(40)), abs=2), {})
    for (received_ns, sample), (_, picture) in zip(found[::2], found[1::2], strict=True):
        assert isinstance(sample, SteeringSample) and isinstance(picture, Frame)
        assert received_ns == sample.stamp_ns == picture.stamp_ns
        assert sample.speed is None
    right = next(sample for _, sample in found[10:] if isinstance(sample, SteeringSample))
    assert right.steering_angle < 0.0  # user/angle is positive to the right


def test_a_tub_is_found_by_itself_its_data_folder_and_its_manifest(tables, expected, tmp_path):
    tub = tables.write_tub(tmp_path / "car" / "data", map(tables.record, range(3)))
    for path in (tub, tmp_path / "car", tub / "manifest.json", tub / "catalog_0.catalog"):
        assert angles(path) == expected(0, 1, 2)


def test_catalogs_are_read_by_their_numbers_and_only_those_of_the_manifest(
    tables, expected, tmp_path
):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(12)), per_catalog=1)
    stale = json.dumps(tables.record(5, user__angle=0.9)) + "\n"
    (tub / "catalog_12.catalog").write_text(stale)
    assert list(angles(tub)) == list(range(12))
    assert angles(tub) == expected(*range(12))
    assert frames(tub)[1] == {"catalogs that manifest.json does not list: of an earlier tub": 1}


def test_deleted_records_are_left_out_and_counted(tables, expected, tmp_path):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(10)), deleted=[0, 3, 4, 99])
    assert angles(tub) == expected(1, 2, 5, 6, 7, 8, 9)
    shades, skipped = frames(tub)
    assert len(shades) == 7 and skipped == {"deleted in the tub (deleted_indexes)": 3}
    noted = [one for one in inspect_recording(tub).facts["findings"] if one["code"] == "left_out"]
    assert noted[0]["text"] == "3 left out: deleted in the tub (deleted_indexes)"
    assert noted[0]["replay"] == noted[0]["train"] == "ok"


def test_a_tub_of_which_all_is_deleted_is_refused_by_that_reason(tables, tmp_path):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(3)), deleted=[0, 1, 2])
    with pytest.raises(RecordingError, match=r"3 deleted in the tub.*Restore"):
        open_recording(tub, CURVED)


def test_the_last_line_of_an_index_counts_and_those_beyond_the_manifest_do_not(tables, tmp_path):
    old = [tables.record(index, user__angle=-0.5) for index in range(8)]
    new = [
        tables.record(index, user__angle=0.25, _timestamp_ms=START_MS + 10**6 + 50 * index)
        for index in range(5)
    ]
    tub = tables.write_tub(tmp_path / "tub", [*old, *new], current_index=5)
    assert list(angles(tub).values()) == [0.25] * 5
    skipped = frames(tub)[1]
    assert sorted(skipped.values()) == [3, 5]
    # A new line that is lost gives no old label to the new picture.
    lines = (tub / "catalog_0.catalog").read_text().splitlines(keepends=True)
    lines[10] = "\0" * len(lines[10]) + "\n"
    (tub / "catalog_0.catalog").write_text("".join(lines))
    assert list(angles(tub).values()) == [0.25] * 4


def test_repeated_indexes_at_the_end_replace_their_first_lines_alone(tables, expected, tmp_path):
    again = [tables.record(index, user__angle=0.125) for index in (3, 4, 5)]
    tub = tables.write_tub(tmp_path / "tub", [*map(tables.record, range(10)), *again])
    assert angles(tub) == expected(*range(10)) | {3: 0.125, 4: 0.125, 5: 0.125}


def test_damaged_lines_cost_themselves_and_records_in_one_line_are_both_read(
    tables, expected, tmp_path
):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(8)))
    lines = (tub / "catalog_0.catalog").read_bytes().splitlines(keepends=True)
    lines[1] = b"\0" * 100 + b"\n"
    lines[3] = lines[3].rstrip()  # runs together with the next
    lines[5] = lines[5][:40] + b"\n"
    lines[7] = b"\xff{broken" + lines[7]
    (tub / "catalog_0.catalog").write_bytes(b"".join(lines))
    assert angles(tub) == expected(0, 2, 3, 4, 6, 7)
    with open_recording(tub, CURVED) as source:
        problems = [str(one) for one in source.damage]
    assert len(problems) == 3
    assert "catalog_0.catalog at byte" in problems[0] and "NUL" in problems[0]
    assert all("not JSON" in one for one in problems[1:])


def test_a_missing_catalog_and_missing_or_empty_pictures_are_named_and_the_rest_is_read(
    tables, expected, tmp_path
):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(9)), per_catalog=3)
    (tub / "catalog_1.catalog").unlink()
    (tub / "images" / "0_cam_image_array_.jpg").unlink()
    (tub / "images" / "1_cam_image_array_.jpg").write_bytes(b"")
    (tub / "images" / "6_cam_image_array_.jpg").write_text("version https://git-lfs.github.com")
    (tub / "images" / "7_cam_image_array_.jpg").write_bytes(tables.jpeg(7)[:-40])
    assert angles(tub) == expected(0, 1, 2, 6, 7, 8)
    shades, skipped = frames(tub)
    assert len(shades) == 2 and sum(skipped.values()) == 4
    for words in ("missing", "empty", "LFS", "end marker"):
        assert any(words in reason for reason in skipped), (words, skipped)
    with open_recording(tub, CURVED) as source:
        assert [str(one) for one in source.damage] == [
            "catalog_1.catalog: missing; lost: its records"
        ]


def test_without_its_manifest_a_tub_is_read_and_says_so(tables, expected, tmp_path):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(4)))
    (tub / "manifest.json").unlink()
    with open_recording(tub, CURVED) as source:
        assert "which records are deleted" in str(source.damage[0])
    assert angles(tub) == expected(0, 1, 2, 3)


def test_only_the_drivers_own_steering_within_its_range_counts(tables, expected, tmp_path):
    records = [tables.record(index) for index in range(6)]
    records[1] = tables.record(1, user__mode="local_angle", user__angle=0.0)
    records[2] = tables.record(2, user__angle=None)
    records[3] = tables.record(3, user__angle=-3.0)
    tub = tables.write_tub(tmp_path / "tub", records)
    assert angles(tub) == expected(0, 4, 5)
    shades, skipped = frames(tub)
    assert len(shades) == 6  # their pictures are in order
    assert sorted(skipped.values()) == [1, 1, 1]
    tub = tables.write_tub(tmp_path / "other", [tables.record(0, user__angle=None, steering=0.5)])
    assert list(angles(tub).values()) == [0.5]


def test_the_pilots_steering_is_read_where_it_is_asked_for(tables, tmp_path):
    records = [tables.record(index, user__mode="local", pilot__angle=0.375) for index in range(3)]
    tub = tables.write_tub(tmp_path / "tub", records)
    asked = RecordingSettings(largest_curvature=2.0, topics=TopicMap(steering="pilot/angle"))
    assert list(angles(tub, asked).values()) == [0.375] * 3
    wrong = RecordingSettings(largest_curvature=2.0, topics=TopicMap(steering="/command"))
    with pytest.raises(TopicError, match="user/angle"):
        open_recording(tub, wrong)


@pytest.mark.parametrize("forward", [1.0, -1.0])
def test_steering_while_braking_or_standing_is_left_out(tables, forward, tmp_path):
    throttle = [0.4] * 30 + [-0.3] * 4 + [0.0] * 16 + [0.4] * 10
    records = [
        tables.record(index, user__throttle=forward * value) for index, value in enumerate(throttle)
    ]
    tub = tables.write_tub(tmp_path / "tub", records)
    # A car without throttle rolls on for half a second.
    assert list(angles(tub)) == [*range(30), *range(34, 41), *range(50, 60)]
    assert sorted(frames(tub)[1].values()) == [4, 9]


def test_times_are_those_recorded_whatever_the_clock_did(tables, tmp_path):
    steps = [50] * 5 + [-3_202_000] + [50] * 5 + [74_160_000] + [2] * 3
    times = START_MS + np.cumsum([0, *steps])
    records = [tables.record(index, _timestamp_ms=int(time)) for index, time in enumerate(times)]
    tub = tables.write_tub(tmp_path / "tub", records)
    with open_recording(tub, CURVED) as source:
        recorded = [entry.stamp_ns for entry in source.as_recorded(["steering"])]
        placed = [entry.stamp_ns for entry in source.entries(["steering"])]
        assert len(source.clock.breaks) == 2
    assert recorded == [int(time) * 10**6 for time in times]
    assert np.diff(recorded)[:5].tolist() == np.diff(placed)[:5].tolist() == [50_000_000] * 5
    assert min(np.diff(placed)) > 0


def begins(path) -> list[int]:
    """Places of the frames with which a sequence of training begins."""
    with open_recording(path, CURVED) as source:
        stamps = [sample.stamp_ns for _, sample in source.samples([Frame])]
        steering = [sample.stamp_ns for _, sample in source.samples([SteeringSample])]
    assert steering == stamps
    return [0, *(1 + np.flatnonzero(np.diff(stamps) > 10**10)).tolist()]


def test_no_sequence_goes_across_deleted_records_another_session_or_a_pause(tables, tmp_path):
    sessions = {"_session_id": "23-11-14_1"}
    records = [tables.record(index, **(sessions if index >= 30 else {})) for index in range(40)]
    tub = tables.write_tub(tmp_path / "tub", records, deleted=[7, 12, 13, 39])
    # A lost line is a lost picture, no cut.
    lines = (tub / "catalog_0.catalog").read_text().splitlines(keepends=True)
    lines[20] = "\0" * len(lines[20]) + "\n"
    (tub / "catalog_0.catalog").write_text("".join(lines))
    kept = [index for index in range(39) if index not in (7, 12, 13, 20)]
    assert [kept[place] for place in begins(tub)] == [0, 8, 14, 30]
    steps = [50] * 5 + [499] + [50] * 5 + [501] + [50] * 5 + [-5] + [50] * 3
    times = START_MS + np.cumsum([0, *steps])
    records = [tables.record(index, _timestamp_ms=int(time)) for index, time in enumerate(times)]
    assert begins(tables.write_tub(tmp_path / "other", records)) == [0, 12, 18]
    slow = [tables.record(index, _timestamp_ms=START_MS + 1000 * index) for index in range(9)]
    assert begins(tables.write_tub(tmp_path / "slow", slow)) == [0]
    facts = inspect_recording(tub).facts
    (cuts,) = [one for one in facts["findings"] if one["code"] == "cut"][:1]
    assert "begins anew at 0.3 s" in cuts["text"] and cuts["train"] == "ok"
    first = {index: first_version(index) for index in range(1, 11)}
    tub = tables.write_tub1(tmp_path / "first", first)
    (tub / "exclude.json").write_text("[4]")
    assert begins(tub) == [0, 3]


def test_an_imu_and_an_encoder_are_read_in_si_units(tables, tmp_path):
    imu = {"imu__gyr_z": 90.0, "imu__gyr_x": 0.0, "imu__gyr_y": 0.0}
    imu |= {"imu__acl_x": 0.0, "imu__acl_y": 1.5, "imu__acl_z": 10.3}
    tub = tables.write_tub(
        tmp_path / "tub", [tables.record(index, **imu, enc__speed=1.25) for index in range(3)]
    )
    with open_recording(tub, CURVED) as source:
        assert list(source.roles) == ["camera", "imu", "speed", "steering"]
        samples = [sample for _, sample in source.samples([ImuSample, SpeedSample])]
    assert samples[0].angular_velocity == pytest.approx((0.0, 0.0, math.pi / 2))
    assert samples[0].linear_acceleration == (0.0, 1.5, 10.3)
    assert samples[1].speed == 1.25 and len(samples) == 6


def test_without_a_scale_a_tub_is_refused_with_what_to_write_and_can_be_inspected(
    tables, expected, tmp_path
):
    tub = tables.write_tub(tmp_path / "tub", map(tables.record, range(60)))
    with pytest.raises(RecordingError, match=r"vehicle.yaml.*largest_curvature: 1.0"):
        open_recording(tub)
    for quick in (True, False):
        facts = inspect_recording(tub, quick=quick).facts
        assert {use: one["state"] for use, one in facts["verdict"].items()} == {
            "replay": "usable with warnings",
            "train": "usable with warnings",
        }
        assert any("no file says what curvature 1 is" in one["text"] for one in facts["findings"])
    (tub / "vehicle.yaml").write_text("largest_curvature: 2.0\n")
    assert angles(tub, RecordingSettings()) == expected(*range(60))
    facts = inspect_recording(tub).facts
    assert not any("what curvature" in one["text"] for one in facts["findings"])
    assert "fault" not in {one[use] for one in facts["findings"] for use in ("replay", "train")}


# Version 1


def first_version(number: int, **changes) -> dict:
    values = {
        "cam/image_array": f"{number}_cam-image_array_.jpg",
        "user/angle": round(0.8 * math.sin(number / 5), 3),
        "user/throttle": 0.3,
        "user/mode": "user",
        "milliseconds": 50 * number,
    }
    return values | changes


def test_a_tub_of_version_1_is_read_by_the_numbers_of_its_records(tables, tmp_path):
    tub = tables.write_tub1(
        tmp_path / "tub", {number: first_version(number) for number in range(1, 13)}
    )
    (tub / "exclude.json").write_text("[2, 3]")
    (tub / "record_5.json").write_text("")
    (tub / "record_6.json").write_text('{"cam/ima')
    with open_recording(tub, CURVED) as source:
        entries = list(source.as_recorded(["steering"]))
        assert [one.stamp_ns for one in entries] == [
            1_600_000_000_000_000_000 + 50_000_000 * number for number in (1, 4, *range(7, 13))
        ]
        assert len(list(source.samples([Frame]))) == 8
        assert source.skipped == {"deleted in the tub (exclude.json)": 2}
        assert [one.file for one in source.damage] == ["record_5.json", "record_6.json"]


def test_a_tub_of_version_1_without_times_is_refused(tables, tmp_path):
    records = {number: first_version(number) for number in range(1, 4)}
    for one in records.values():
        del one["milliseconds"]
    tub = tables.write_tub1(tmp_path / "tub", records)
    with pytest.raises(RecordingError, match="3 records without a time"):
        open_recording(tub, CURVED)
    tub = tables.write_tub1(tmp_path / "started", {1: first_version(1)}, start=None)
    with open_recording(tub, CURVED) as source:
        assert any("no start" in remark for remark in source.remarks)
        assert source.start_ns > 0
