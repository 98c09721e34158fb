"""A recorded input that meets no frame is named with its reason; nothing is compared with it."""

from __future__ import annotations

import dataclasses
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay_source
from liquid_control.evaluate.replay.summary import summarize
from liquid_control.evaluate.replay.text import verdict
from liquid_control.recordings.in_memory import InMemoryRecording
from liquid_control.signals import NOT_MEASURED, Frame, ImuSample, SpeedSample, SteeringSample

START_NS = 1_767_225_600_000_000_000
LATE_NS = 4_000_000
SPEED, SECONDS = 9.0, 8.0
BOOT_NS = 5_321_000_000_000
FRAMES = int(SECONDS * 25)
CAR = VehicleConfig()


def bend(seconds: float) -> float:
    return 0.02 * math.sin(1.1 * seconds) + 0.01 * math.sin(2.9 * seconds + 1.0)


def samples(change=lambda sample: sample) -> list:
    """(received_ns, sample): a frame at 25 Hz, IMU at 100 Hz, speed and steering at 50 Hz."""
    found = []
    for tick in range(int(SECONDS * 100)):
        at, stamp = tick / 100, START_NS + tick * 10_000_000
        rate = SPEED * bend(at)
        row = [ImuSample(stamp, (0.0, 0.0, rate), (0.0, SPEED * rate, 9.81))]
        if tick % 2 == 0:
            row.append(SpeedSample(stamp, SPEED))
            row.append(SteeringSample(stamp, steering_angle(bend(at), CAR), SPEED))
        if tick % 4 == 0:
            row.append(Frame(stamp, np.full((16, 16, 3), tick // 4 % 200, np.uint8)))
        found += [(stamp + LATE_NS, change(sample)) for sample in row]
    return found


def shifted(kind: type, by_ns: int):
    def change(sample):
        stamp = sample.stamp_ns + by_ns if by_ns else 0
        return dataclasses.replace(sample, stamp_ns=stamp) if isinstance(sample, kind) else sample

    return change


def holding(kind: type, **values):
    def change(sample):
        return dataclasses.replace(sample, **values) if isinstance(sample, kind) else sample

    return change


@pytest.fixture(scope="module")
def replayed(scripted):
    """The function that replays samples with a policy that is 0.002 1/m off: (facts, log)."""

    def run(rows: list):
        models = {"policy": scripted(lambda seconds: bend(seconds) + 0.002)}
        logs = replay_source(models, InMemoryRecording(rows), OpenLoopSettings())
        info = SimpleNamespace(directory="", files={})
        return summarize([logs], {"policy": SimpleNamespace(info=info)})[0], logs[0]

    return run


def test_a_recording_in_order_has_no_warning_and_every_frame_meets_every_input(replayed):
    facts, log = replayed(samples())
    assert facts["warnings"] == facts["unmet"] == []
    assert {name: one.met for name, one in log.contributions.items()} == dict.fromkeys(
        ("yaw_rate", "lateral_acceleration", "speed", "steering"), FRAMES
    )
    assert facts["overall"]["policy"]["curvature"]["source"] == "gyro"


@pytest.mark.parametrize(
    "change, unmet, said",
    [
        (
            shifted(ImuSample, -BOOT_NS),
            ["yaw_rate", "lateral_acceleration"],
            "no imu: its samples are stamped 5321.0 s before the pictures",
        ),
        (
            shifted(SpeedSample, 37 * 10**9),
            ["speed"],
            "no speed: its samples are stamped 37.0 s after the pictures",
        ),
        (shifted(ImuSample, 0), ["yaw_rate", "lateral_acceleration"], "no imu: its stamps are 0"),
        (
            holding(SpeedSample, speed=math.nan),
            ["speed"],
            "no speed: 400 of 400 samples are not a number",
        ),
    ],
)
def test_a_sensor_that_meets_no_frame_is_named_with_its_reason(replayed, change, unmet, said):
    facts, log = replayed(samples(change))
    assert facts["unmet"] == [f"memory: {name}" for name in unmet]
    assert any(said in warning for warning in facts["warnings"])
    assert all(log.contributions[name].met == 0 for name in unmet)
    # What was driven is not taken from what was assumed.
    assert facts["overall"]["policy"]["curvature"]["source"] == "steering"
    assert facts["overall"]["policy"]["steering"]["bias"] == pytest.approx(0.0052, abs=1e-4)


@pytest.mark.parametrize(
    "change, said",
    [
        (holding(ImuSample, angular_velocity=NOT_MEASURED), "no yaw rate: 800 of 800 samples are"),
        (holding(ImuSample, angular_velocity=(0.0, 0.0, 0.0)), "no yaw rate: it is exactly 0"),
    ],
)
def test_a_gyro_that_is_not_there_is_no_gyro(replayed, change, said):
    """Neither marked as not measured nor never filled in: nothing is compared with its zeros."""
    facts, log = replayed(samples(change))
    assert any(said in warning for warning in facts["warnings"]) and not facts["unmet"]
    assert facts["overall"]["policy"]["curvature"]["source"] == "steering"
    assert log.contributions["lateral_acceleration"].reason == ""


def test_steering_without_stamps_is_compared_by_its_receipt(replayed):
    facts, log = replayed(samples(shifted(SteeringSample, 0)))
    assert any("400 messages of steering are stamped 0" in one for one in facts["warnings"])
    assert not facts["unmet"] and log.contributions["steering"].met == FRAMES
    found = facts["overall"]["policy"]["steering"]
    assert found["bias"] == pytest.approx(0.0052, abs=2e-4) and found["correlation"] > 0.999


@pytest.mark.parametrize(
    "change, unmet, said",
    [
        (shifted(SteeringSample, -BOOT_NS), ["steering"], "stamped 5321.0 s before the pictures"),
        (
            holding(SteeringSample, steering_angle=math.nan),
            ["steering"],
            "its steering angle is not a number",
        ),
        (holding(SteeringSample, stamp_ns=START_NS - 10**12), ["steering"], "the same stamp"),
        (holding(SteeringSample, steering_angle=0.0), [], "it is 0 rad throughout"),
        (holding(SpeedSample, speed=0.0), [], "below 0.5 m/s on 200 of 200 frames"),
        (shifted(Frame, 37 * 10**9), [], "no frame was used of 200 (200 future)"),
    ],
)
def test_where_nothing_can_be_compared_the_reason_is_given(replayed, change, unmet, said):
    facts, _ = replayed(samples(change))
    assert facts["unmet"] == [f"memory: {name}" for name in unmet] and not facts["overall"]
    (result,) = facts["results"]
    assert said in result["not_compared"]
    assert any(said in warning for warning in facts["warnings"])
    words, _ = verdict(None, facts["results"])
    assert words.startswith("No recorded steering to compare with: ") and said in words


def test_an_input_that_is_known_on_few_frames_is_named(replayed):
    rows = [
        (received, one)
        for received, one in samples()
        if not isinstance(one, SpeedSample) or one.stamp_ns < START_NS + 2 * 10**9
    ]
    facts, log = replayed(rows)
    known = log.contributions["speed"].met
    assert 50 <= known <= 76  # 2 s, and the second for which a speed lasts
    assert any(f"speed is known on {known} of 200 frames" in one for one in facts["warnings"])


def test_the_exit_code_tells_of_an_input_that_meets_no_frame(make_drive, tmp_path, capsys):
    bag = str(make_drive(tmp_path / "bag", seconds=4.0, size=(64, 128)))
    assert cli.main(["replay", "lane_keeper", bag, "--json", "--steering-delay", "5.0"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["unmet"] == ["bag: steering"]
    assert "no steering: its samples are stamped 5.0 s after the pictures" in err
    assert cli.main(["replay", "lane_keeper", bag, "--json"]) == 0
