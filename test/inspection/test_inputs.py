"""Inspection says which input contributes nothing, why, and what that leaves to train on."""

from __future__ import annotations

import dataclasses
import math

import pytest

from liquid_control.inspection.recording import inspect_recording
from liquid_control.inspection.text import as_text
from liquid_control.signals import NOT_MEASURED, ImuSample, SpeedSample, SteeringSample

INPUTS = ("yaw_rate", "lateral_acceleration", "speed", "steering")


def holding(kind: type, **values):
    return lambda sample: (
        dataclasses.replace(sample, **values) if isinstance(sample, kind) else sample
    )


@pytest.fixture
def inspect(drives, tmp_path):
    """The function that writes a drive and inspects it: its facts."""

    def run(change=lambda sample: sample, **options) -> dict:
        path = drives.write_drive(tmp_path / "drive", 1, seconds=12.0, change=change, **options)
        facts = inspect_recording(path).facts
        assert "usable" in as_text(facts) or "ready" in as_text(facts)
        return facts

    return run


def found(facts: dict, code: str) -> list[dict]:
    return [one for one in facts["findings"] if one["code"] == code]


def test_every_input_of_a_drive_in_order_is_known_on_its_pictures(inspect):
    facts = inspect()
    for name in INPUTS:
        one = facts["contributions"][name]
        assert one["frames"] > 200 and one["met"] >= one["frames"] - 1 and one["reason"] == ""
    assert not found(facts, "contributes_nothing") and not found(facts, "receipt_used")


@pytest.mark.parametrize(
    "values, names, said",
    [
        ({"angular_velocity": NOT_MEASURED}, "yaw rate", "marked as not measured"),
        ({"linear_acceleration": NOT_MEASURED}, "lateral acceleration", "marked as not measured"),
        ({"angular_velocity": (0.0, 0.0, 0.0)}, "yaw rate", "exactly 0 while the vehicle moves"),
        (
            {"linear_acceleration": (0.0, 0.0, 0.0)},
            "lateral acceleration",
            "exactly 0 while the vehicle moves",
        ),
    ],
)
@pytest.mark.parametrize("steering", [True, False])
def test_half_an_imu_is_named_and_judged_by_what_is_left_to_train_on(
    inspect, values, names, said, steering
):
    facts = inspect(holding(ImuSample, **values), steering=steering)
    (one,) = found(facts, "contributes_nothing")
    assert one["role"] == "imu" and f"no {names}: " in one["text"] and said in one["text"]
    lost = "angular_velocity" in values and not steering
    assert one["replay"] == "warning" and one["train"] == ("fault" if lost else "warning")
    assert ("to train on" in one["text"]) == lost
    if not steering:
        (no_steering,) = found(facts, "no_steering")
        assert no_steering["train"] == ("fault" if lost else "warning")
        assert ("takes its target from gyro and speed" in no_steering["text"]) != lost
    assert not found(facts, "no_gravity") and not found(facts, "constant")


def test_commands_without_stamps_are_read_by_receipt_and_that_is_said(inspect):
    facts = inspect(holding(SteeringSample, stamp_ns=0))
    (one,) = found(facts, "receipt_used")
    assert one["role"] == "steering" and "stamped 0" in one["text"]
    steering = facts["contributions"]["steering"]
    assert steering["met"] >= steering["frames"] - 1
    assert facts["streams"]["steering"]["zeros"] == 0


def test_a_speed_that_is_no_number_is_named(inspect):
    facts = inspect(holding(SpeedSample, speed=math.nan))
    (one,) = found(facts, "contributes_nothing")
    assert one["role"] == "speed" and "not a number" in one["text"]
    assert "10 m/s" in one["text"] and one["train"] == "warning"


def test_a_reason_is_given_once(inspect):
    """What the clocks' findings say of a role is not repeated."""
    facts = inspect(
        lambda one: (
            dataclasses.replace(one, stamp_ns=one.stamp_ns - 10**14)
            if isinstance(one, SteeringSample)
            else one
        )
    )
    assert not found(facts, "contributes_nothing")
    (clock,) = [one for one in found(facts, "other_clock") if one["role"] == "steering"]
    assert clock["train"] == "fault" and not found(facts, "not_covered")
    assert "100000.0 s before the pictures" in facts["contributions"]["steering"]["reason"]


def test_a_speed_beyond_any_sensor_is_blamed_on_its_unit_alone(inspect):
    facts = inspect(
        lambda one: (
            dataclasses.replace(one, speed=1000.0 * one.speed)
            if isinstance(one, SpeedSample)
            else one
        )
    )
    (unit,) = found(facts, "speed_unit")
    assert unit["remedy"] == "--speed-scale 0.001" and unit["train"] == "fault"
    assert not found(facts, "contributes_nothing")


def test_an_imu_of_whole_seconds_is_not_held_against_the_other_signals(inspect):
    facts = inspect(
        lambda one: (
            dataclasses.replace(one, stamp_ns=one.stamp_ns // 10**9 * 10**9)
            if isinstance(one, ImuSample)
            else one
        )
    )
    (coarse,) = found(facts, "coarse_stamps")
    assert coarse["role"] == "imu" and "--stamps receive" in coarse["remedy"]
    codes = {one["code"] for one in facts["findings"] if one["role"] != "imu"}
    assert codes == {"steering_unchecked"} and not found(facts, "signals_disagree")
    assert "there is no gyro to compare with" in found(facts, "steering_unchecked")[0]["text"]
