"""Processed logs of openpilot (comma2k19): what segments hold, how their clocks are joined, and
what is read of damaged ones."""

from __future__ import annotations

import math
import shutil

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.errors import RecordingError, TopicError
from liquid_control.inspection.recording import inspect_recording
from liquid_control.recordings.formats import format_of, open_recording
from liquid_control.recordings.settings import RecordingSettings, TopicMap
from liquid_control.recordings.time_order import in_order
from liquid_control.signals import Frame, ImuSample, SpeedSample, SteeringSample

pytest.importorskip("av", reason="the bags extra is not installed")
SECONDS = 2.0  # of each segment written here


@pytest.fixture(scope="module")
def whole(comma, tmp_path_factory):
    """A route of two segments, not to be changed."""
    folder = tmp_path_factory.mktemp("chunk")
    for number in (3, 4):
        comma.write_segment(folder, number, SECONDS)
    return folder


@pytest.fixture
def route(whole, comma, tmp_path):
    """The same route, to be damaged."""
    shutil.copytree(whole, tmp_path / "Chunk_1")
    return tmp_path / "Chunk_1" / comma.ROUTE


def frames(path, comma) -> tuple[dict[int, int], dict[str, int], list[str]]:
    """({number in the picture: its stamp}, skipped, damage)."""
    with open_recording(path) as source:
        found = {comma.number_of(one.image): one.stamp_ns for _, one in source.samples([Frame])}
        return found, source.skipped, [str(one) for one in source.damage]


def expected_frames(comma, *numbers: int) -> dict[int, int]:
    """The stamps of the pictures of these segments."""
    found = {}
    for number in numbers:
        begin_s = comma.BOOT_S + SECONDS * number
        for place, time_s in enumerate(comma.times("frames", SECONDS, begin_s)):
            found[int(SECONDS * 20) * number + place] = round(time_s * 1e9)
    return found


def test_signals_of_three_rates_come_in_the_order_of_their_times(whole, comma):
    with open_recording(whole) as source:
        assert {role: one.name for role, one in source.roles.items()} == {
            "camera": "video.hevc",
            "camera_info": "comma2k19's camera",
            "imu": "IMU/gyro",
            "accelerometer": "IMU/accelerometer",
            "speed": "CAN/speed",
            "steering": "CAN/steering_angle",
        }
        rates = {role: round(one.rate) for role, one in source.roles.items() if one.rate}
        assert rates == {
            "camera": 20,
            "imu": 104,
            "accelerometer": 104,
            "speed": 83,
            "steering": 83,
        }
        assert source.seconds == pytest.approx(2 * SECONDS, abs=0.06)
        found = list(source.samples())
        assert source.skipped == {} and source.damage == []
        assert source.clock.breaks == []
    received = [received_ns for received_ns, _ in found]
    assert received == sorted(received) and all(
        received_ns == sample.stamp_ns for received_ns, sample in found
    )
    pictures = {comma.number_of(one.image): one.stamp_ns for _, one in found if type(one) is Frame}
    assert pictures == expected_frames(comma, 3, 4)


def test_values_are_in_the_vehicles_axes_and_the_ratio_of_the_steering_is_named(whole, comma):
    with open_recording(whole) as source:
        samples = [sample for _, sample in source.samples()]
        (remark,) = source.remarks
        assert source.camera.width == 1164
        vehicle = source.settings.vehicle
    assert "16.3 of a Toyota RAV4" in remark and "--steering-scale 0.00107" in remark
    assert vehicle.wheelbase == 2.65
    for sample in samples:
        time_s = sample.stamp_ns / 1e9
        if isinstance(sample, SteeringSample):
            expected = math.radians(comma.wheel(time_s)) / 16.3
            assert sample.steering_angle == pytest.approx(expected, abs=1e-6)
        elif isinstance(sample, SpeedSample):
            assert sample.speed == pytest.approx(comma.speed(time_s), abs=1e-6)
        elif (
            isinstance(sample, ImuSample)
            and sample.angular_velocity[2] == (sample.angular_velocity[2])
        ):
            assert sample.angular_velocity[2] == pytest.approx(comma.yaw_rate(time_s), abs=1e-6)
            assert math.isnan(sample.linear_acceleration[0])
        elif isinstance(sample, ImuSample):
            assert sample.linear_acceleration == pytest.approx((0.0, -0.25, 9.81))
    given = RecordingSettings(steering_scale=0.002, vehicle=VehicleConfig(wheelbase=3.0))
    with open_recording(whole, given) as source:
        (_, first), *_ = source.samples([SteeringSample])
        assert first.steering_angle == pytest.approx(0.002 * comma.wheel(first.stamp_ns / 1e9))
        assert source.remarks == [] and source.settings.vehicle.wheelbase == 3.0


def test_a_segment_a_route_and_a_chunk_are_found_by_looking(whole, comma):
    route = whole / comma.ROUTE
    for path, numbers in (
        (whole, (3, 4)),
        (route, (3, 4)),
        (route / "4", (4,)),
        (route / "4" / "processed_log", (4,)),
        (route / "3" / "video.hevc", (3,)),
    ):
        assert format_of(path).name == "processed logs of openpilot"
        assert frames(path, comma)[0] == expected_frames(comma, *numbers)


def test_routes_of_a_chunk_begin_when_their_names_say(comma, tmp_path):
    for name in ("b0c9d2329ad1606b_2018-08-02--08-34-47", "b0c9d2329ad1606b_2018-08-01--10-00-00"):
        comma.write_segment(tmp_path / "Chunk_1", 0, 1.0, begin_s=200.0, route=name, video=False)
    with open_recording(tmp_path) as source:
        stamps = [entry.stamp_ns for entry in source.as_recorded(["speed"])]
        assert source.seconds == pytest.approx(2.0, abs=0.05)
        assert "camera" not in source.roles
        list(source.entries())
        assert len(source.clock.breaks) == 1
    assert stamps == sorted(stamps)
    assert stamps[-1] - stamps[0] == pytest.approx((22 * 3600 + 34 * 60 + 48) * 1e9, abs=1e8)


def test_a_missing_segment_is_a_pause_and_a_route_is_read_by_its_numbers(comma, tmp_path):
    for number in (10, 9, 30):
        comma.write_segment(tmp_path, number, 1.0, video=False)
    with open_recording(tmp_path) as source:
        stamps = [entry.stamp_ns for entry in source.entries(["speed"])]
        assert stamps == sorted(stamps) and len(source.clock.breaks) == 1


def test_objects_are_never_unpickled(route, comma, tmp_path):
    class Opened:
        def __reduce__(self):
            return (tmp_path.joinpath("executed").mkdir, ())

    values = np.array([Opened()], dtype=object)
    comma.save(route / "3" / "processed_log" / "CAN" / "speed" / "value", values)
    with open_recording(route) as source:
        speeds = [entry for entry in source.entries(["speed"])]
        (problem,) = map(str, source.damage)
    assert "pickle" in problem and "could execute code" in problem
    assert len(speeds) == int(SECONDS * 83) and not (tmp_path / "executed").exists()


def test_arrays_that_are_cut_or_of_other_lengths_are_used_as_far_as_they_go(route, comma):
    log = route / "3" / "processed_log"
    for name, keep in (("CAN/speed/value", 128 + 8 * 50), ("IMU/gyro/value", 400)):
        (log / name).write_bytes((log / name).read_bytes()[:keep])
    (log / "CAN" / "steering_angle" / "t").write_bytes(b"\x93NUMPY\x01\x00")
    with open_recording(route) as source:
        counts = {role: 0 for role in ("imu", "speed", "steering")}
        for entry in source.entries():
            counts[entry.role] = counts.get(entry.role, 0) + (not entry.problem)
        problems = [str(one) for one in source.damage]
    assert counts["speed"] == 50 + int(SECONDS * 83)
    assert counts["steering"] == int(SECONDS * 83)  # of the other segment
    assert any("50 values for 166 times" in one for one in problems)
    assert any("steering_angle/t: no array" in one for one in problems)
    assert any("gyro/value: cut, and stored by columns" in one for one in problems)


def test_times_that_are_wrong_cost_their_values_and_shuffled_ones_are_sorted(route, comma):
    file = route / "3" / "processed_log" / "CAN" / "speed" / "t"
    times = np.load(file)
    changed = times.copy()
    changed[[5, 9, 20, 40]] = math.nan, 1e12, changed[20] + 1.0, -1.0
    comma.save(file, changed)
    with open_recording(route / "3") as source:
        stamps = [one.stamp_ns for _, one in source.samples([SpeedSample])]
        assert source.skipped == {
            "CAN/speed: a time that is none of its segment": 3,
            "CAN/speed: a time that is out of order": 1,
        }
    kept = np.delete(times, [5, 9, 20, 40])
    assert stamps == np.rint(kept * 1e9).astype(int).tolist()
    order = np.random.default_rng(0).permutation(len(times))
    for name in ("t", "value"):
        comma.save(file.with_name(name), np.load(file.with_name(name))[order] * 1.0)
    comma.save(file, times[order])
    with open_recording(route / "3") as source:
        samples = [one for _, one in source.samples([SpeedSample])]
    assert [one.speed for one in samples] == pytest.approx(
        comma.speed(np.array([one.stamp_ns for one in samples]) / 1e9).tolist(), abs=1e-6
    )


def test_values_that_are_no_numbers_and_repeated_times_are_kept_apart(route, comma):
    folder = route / "3" / "processed_log" / "CAN" / "steering_angle"
    values, times = np.load(folder / "value"), np.load(folder / "t")
    values[7], times[30] = math.inf, times[29]
    comma.save(folder / "value", values)
    comma.save(folder / "t", times)
    with open_recording(route / "3") as source:
        found = [one for _, one in source.samples([SteeringSample])]
        assert source.skipped == {"CAN/steering_angle: a value that is no number": 1}
    assert len(found) == len(times) - 1 and found[28].stamp_ns == found[29].stamp_ns


@pytest.mark.parametrize("damage", ["missing", "cut", "pointer", "empty"])
def test_a_video_that_is_damaged_costs_its_pictures_alone(damage, route, comma):
    file = route / "3" / "video.hevc"
    data = file.read_bytes()
    file.unlink()
    if damage != "missing":
        pointer = b"version https://git-lfs.github.com/spec/v1\n"
        file.write_bytes({"cut": data[: len(data) // 2], "pointer": pointer}.get(damage, b""))
    found, skipped, problems = frames(route, comma)
    first, second = expected_frames(comma, 3), expected_frames(comma, 4)
    assert found.items() <= (first | second).items() and found.items() >= second.items()
    assert (len(second) + 5 < len(found)) == (damage == "cut")
    words = {"cut": "pictures for 40 times", "pointer": "LFS"}.get(damage, damage)
    assert any(words in one for one in problems)
    with open_recording(route) as source:
        assert sum(1 for _ in source.samples([SpeedSample])) == int(2 * SECONDS * 83)


def test_no_picture_gets_the_time_of_another_whatever_is_lost_of_a_video(route, comma):
    file = route / "3" / "video.hevc"
    data, rng = file.read_bytes(), np.random.default_rng(1)
    expected = expected_frames(comma, 3)
    lost = 0
    for _ in range(12):
        damaged = bytearray(data)
        begin = int(rng.integers(300, len(data)))
        del damaged[begin : begin + int(rng.integers(1, 400))]
        file.write_bytes(damaged)
        found, skipped, problems = frames(route / "3", comma)
        wrong = {number for number in found if found[number] != expected.get(number)}
        # One that is damaged and shown may look like another; a shift makes all behind it wrong.
        assert len(wrong) <= 2
        lost += len(found) < len(expected) and bool(skipped or problems)
    assert lost > 6


def test_pictures_without_times_are_left_out_and_named(route, comma):
    times = np.load(route / "3" / "global_pose" / "frame_times")
    times[[4, 10]] = math.nan, times[3]
    comma.save(route / "3" / "global_pose" / "frame_times", times)
    (route / "4" / "global_pose" / "frame_times").unlink()
    found, skipped, problems = frames(route, comma)
    expected = expected_frames(comma, 3)
    assert found.items() < expected.items() and len(found) == 38
    assert list(skipped.values()) == [2] and "out of order" in next(iter(skipped))
    assert any("4/video.hevc: no global_pose/frame_times" in one for one in problems)


def test_signals_are_chosen_by_name_and_by_what_is_there(route, comma):
    with pytest.raises(TopicError, match=r"CAN/speed, global_pose/frame_velocities"):
        open_recording(route, RecordingSettings(topics=TopicMap(speed="/odom")))
    asked = RecordingSettings(topics=TopicMap(speed="global_pose/frame_velocities"))
    for settings in (asked, RecordingSettings()):
        with open_recording(route, settings) as source:
            assert source.roles["speed"].name == "global_pose/frame_velocities"
            speeds = [one.speed for _, one in source.samples([SpeedSample])]
        assert speeds == pytest.approx([math.sqrt(75.0)] * int(2 * SECONDS * 20))
        for number in "34":
            shutil.rmtree(route / number / "processed_log" / "CAN" / "speed", ignore_errors=True)


def test_a_log_without_any_readable_signal_is_refused(tmp_path, comma):
    segment = comma.write_segment(tmp_path, 0, 1.0, video=False)
    for file in segment.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(RecordingError, match=r"no signal with times.*no array"):
        open_recording(segment)


def test_an_inspection_finds_the_steering_and_the_gyro_in_agreement(comma, tmp_path):
    comma.write_segment(tmp_path, 0, 12.0, begin_s=100.0)
    facts = inspect_recording(tmp_path).facts
    assert {use: one["state"] for use, one in facts["verdict"].items()} == {
        "replay": "usable with warnings",
        "train": "usable with warnings",
    }, facts["findings"]
    warned = [one["text"] for one in facts["findings"] if one["train"] == "warning"]
    assert len(warned) == 1 and "degrees of the steering wheel" in warned[0], warned


def test_the_largest_part_in_order_is_kept():
    assert in_order(np.array([1, 2, 9, 3, 4, 4, 0, 5])).tolist() == [0, 1, 3, 4, 5, 7]
    assert in_order(np.array([])).tolist() == [] and in_order(np.arange(4)).tolist() == [0, 1, 2, 3]
    assert len(in_order(np.array([3, 2, 1]))) == 1
