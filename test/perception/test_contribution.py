"""What an input contributes: parts that are not measured, clocks that differ, values that are never
filled in."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.perception.contribution import LEAST_FRAMES
from liquid_control.perception.timeline import Timeline
from liquid_control.signals import NOT_MEASURED, Frame, ImuSample, Reason, Rejected, SpeedSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
IMAGE = np.zeros((4, 6, 3), np.uint8)
FRAMES = 2 * LEAST_FRAMES


def drive(make_imu, make_speed) -> tuple[Timeline, np.ndarray]:
    """A drive of FRAMES frames, 40 ms apart, an IMU sample and a speed 5 ms before each."""
    timeline, given = Timeline(), []
    for k in range(FRAMES):
        stamp = EPOCH + 40 * MS * k
        for sample in (make_imu(stamp - 5 * MS, k), make_speed(stamp - 5 * MS, k)):
            if isinstance(sample, ImuSample):
                timeline.push_imu(sample)
            elif sample is not None:
                timeline.push_speed(sample)
        given.append(timeline.push_frame(Frame(stamp, IMAGE)).measurements)
    return timeline, np.array(given)


def imu(stamp: int, k: int) -> ImuSample:
    return ImuSample(stamp, (0.0, 0.0, 0.01 * (k + 1)), (0.0, -0.1 * (k + 1), 9.81))


def speed(stamp: int, k: int) -> SpeedSample:
    return SpeedSample(stamp, 5.0)


def without(part: str):
    return lambda stamp, k: dataclasses.replace(imu(stamp, k), **{part: NOT_MEASURED})


def test_sensors_that_are_in_order_contribute_to_every_frame():
    timeline, given = drive(imu, speed)
    for found in timeline.contributions.values():
        assert (found.samples, found.frames, found.met, found.reason) == (
            FRAMES,
            FRAMES,
            FRAMES,
            "",
        )
    assert timeline.assumed == () and (given[:, 2] == 5.0).all()


@pytest.mark.parametrize("halves", [False, True])
def test_a_part_that_is_not_measured_is_missing_and_the_other_is_used(halves):
    """`halves`: gyro and accelerometer on messages of their own, with the same stamps."""
    whole = drive(imu, speed)[1]
    for part, lost, kept in (("angular_velocity", 0, 1), ("linear_acceleration", 1, 0)):
        timeline, given = drive(without(part), speed)
        assert not given[:, lost].any()
        assert np.array_equal(given[:, kept], whole[:, kept])
        name = ("yaw_rate", "lateral_acceleration")[lost]
        assert timeline.assumed == (name,) and timeline.measurements_rejected == 0
        assert timeline.contributions[name].met == 0
        assert "not measured" in timeline.contributions[name].reason
    if halves:
        timeline = Timeline()
        for k in range(FRAMES):
            stamp = EPOCH + 40 * MS * k
            for make in (without("angular_velocity"), without("linear_acceleration")):
                assert timeline.push_imu(make(stamp - 5 * MS, k)) is None
            seen = timeline.push_frame(Frame(stamp, IMAGE)).measurements
            assert np.array_equal(seen[:2], whole[k, :2])
        assert timeline.assumed == ("speed",)


def test_an_imu_that_measures_nothing_is_refused():
    timeline = Timeline()
    nothing = ImuSample(EPOCH, NOT_MEASURED, NOT_MEASURED)
    assert timeline.push_imu(nothing) == Rejected(EPOCH, Reason.NOT_MEASURED)
    assert timeline.measurements_rejected == 1


@pytest.mark.parametrize(
    "apart_ns, said",
    [
        (-5_321 * 10**9, "stamped 5321.0 s before the pictures"),
        (37 * 10**9, "stamped 37.0 s after the pictures"),
        (-EPOCH, "stamped 1760000000.0 s before"),
        (-1_500 * MS, "stamped 1.5 s before the pictures"),
    ],
)
def test_samples_of_another_clock_meet_no_frame_and_the_reason_is_the_clock(apart_ns, said):
    timeline, given = drive(
        lambda stamp, k: imu(stamp + apart_ns, k), lambda stamp, k: speed(stamp + apart_ns, k)
    )
    assert (given == [0.0, 0.0, 10.0]).all()
    for found in timeline.contributions.values():
        assert (found.samples, found.met) == (FRAMES, 0) and said in found.reason


def test_samples_that_come_too_late_are_named_with_their_age():
    timeline, _ = drive(lambda stamp, k: imu(stamp - 400 * MS, k), speed)
    assert timeline.contributions["yaw_rate"].met == 0
    assert "the last one is 0.41 s before it" in timeline.contributions["yaw_rate"].reason


def test_stamps_of_zero_are_named():
    timeline, _ = drive(lambda stamp, k: imu(0, k), lambda stamp, k: speed(0, k))
    for found in timeline.contributions.values():
        assert found.met == 0 and "header is not filled in" in found.reason


def test_a_gyro_of_exact_zeros_while_the_vehicle_moves_contributes_nothing():
    def silent(stamp: int, k: int) -> ImuSample:
        return ImuSample(stamp, (0.0, 0.0, 0.0), (0.0, 0.1, 9.81))

    moving, _ = drive(silent, speed)
    assert "exactly 0" in moving.contributions["yaw_rate"].reason
    assert moving.contributions["lateral_acceleration"].reason == ""
    standing, _ = drive(silent, lambda stamp, k: SpeedSample(stamp, 0.0))
    assert standing.contributions["yaw_rate"].reason == ""


def test_an_input_that_never_comes_says_so():
    timeline, _ = drive(imu, lambda stamp, k: None)
    assert timeline.contributions["speed"].reason == "no sample arrived"
    assert timeline.assumed == ("speed",)
    timeline, _ = drive(imu, lambda stamp, k: SpeedSample(stamp, float("nan")))
    assert "not a number" in timeline.contributions["speed"].reason
