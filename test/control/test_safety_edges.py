"""The safety gate exactly at its limits, and what it makes of arguments that no caller should give:
cases from mutation testing."""

from __future__ import annotations

import math

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.signals import Action, Command, Limit

MS = 1_000_000
NOW = 1_760_000_000_000_000_000
CAR = VehicleConfig()


def gate(**limits: float) -> SafetyGate:
    """Jerk and changes of speed are practically unlimited unless given."""
    loose = {
        "max_lateral_jerk": 1000.0,
        "max_lateral_acceleration": 3.0,
        "max_acceleration": 20.0,
        "max_deceleration": 20.0,
    }
    return SafetyGate(GateConfig(**(loose | limits)), CAR)


def before(angle: float = 0.0, speed: float = 0.0) -> Command:
    return Command(NOW - 100 * MS, NOW - 20 * MS, angle, speed)


def test_the_largest_angle_itself_is_allowed():
    angle = 0.3
    assert steering_angle(curvature(angle, CAR), CAR) == angle
    command, verdict = gate(max_steering_angle=angle).apply(
        Action(NOW, curvature(angle, CAR), 0.0), 0.0, NOW, before(angle)
    )
    assert command.steering_angle == angle and verdict.limits is Limit.NONE


def test_the_largest_lateral_acceleration_itself_is_allowed_at_the_measured_speed_and_in_the_pair():
    speed, bend = 8.0, 3.0 / 64.0
    angle = steering_angle(bend, CAR)
    assert angle == math.atan2(CAR.wheelbase * 3.0, speed**2)
    assert gate().apply(Action(NOW, bend, 0.0), speed, NOW, before(angle))[1].limits is Limit.NONE
    fastest = math.sqrt(3.0 / curvature(angle, CAR))
    command, verdict = gate().apply(Action(NOW, bend, fastest), 0.0, NOW, before(angle, fastest))
    assert command.speed == fastest and verdict.limits is Limit.NONE


@pytest.mark.parametrize(
    "over_ns, stale, future", [(0, Limit.NONE, Limit.NONE), (1, Limit.STALE, Limit.FUTURE)]
)
def test_freshness_is_judged_to_the_nanosecond(over_ns, stale, future):
    made = gate(stale_after=5.0, max_future=5.0)
    assert made.unusable(Action(NOW - 5 * 10**9 - over_ns, 0.0, 0.0), NOW) is stale
    assert made.unusable(Action(NOW + 5 * 10**9 + over_ns, 0.0, 0.0), NOW) is future


def test_time_is_counted_to_the_nanosecond():
    command, _ = gate().apply(Action(NOW, 0.2, 0.0), 0.0, NOW, before(0.1))
    assert command.steering_angle == 0.1 + 0.8 * 0.02


def test_every_limit_that_acts_is_named():
    everything = (
        Limit.SPEED_UNKNOWN
        | Limit.ANGLE
        | Limit.LATERAL_ACCELERATION
        | Limit.ANGLE_RATE
        | Limit.SPEED
        | Limit.ACCELERATION
    )
    assert (
        gate(max_acceleration=0.1)
        .apply(Action(NOW, 9.0, 99.0), None, NOW, before(0.0, 5.0))[1]
        .limits
        == everything
    )
    _, verdict = gate(max_lateral_jerk=0.1, max_deceleration=3.0).apply(
        Action(NOW, 9.0, -1.0), 10.0, NOW, before(0.0, 10.0)
    )
    everything = (
        Limit.ANGLE
        | Limit.LATERAL_ACCELERATION
        | Limit.ANGLE_RATE
        | Limit.LATERAL_JERK
        | Limit.SPEED
        | Limit.DECELERATION
    )
    assert verdict.limits == everything
    assert gate().apply(None, None, NOW, before())[1].limits == Limit.STALE | Limit.SPEED_UNKNOWN
    narrow = SafetyGate(GateConfig(max_steering_angle=1.2), VehicleConfig(max_steering_angle=0.1))
    assert narrow.apply(Action(NOW, 9.0, 0.0), 0.0, NOW, before(0.1))[1].limits is Limit.ANGLE, (
        "the vehicle's own limit is one too"
    )


def test_a_pair_and_a_speed_too_fast_are_both_named():
    bend = 0.05
    angle, fastest = steering_angle(bend, CAR), math.sqrt(3.0 / bend)
    _, verdict = gate().apply(Action(NOW, bend, 99.0), 0.0, NOW, before(angle, fastest))
    assert verdict.limits == Limit.SPEED | Limit.LATERAL_ACCELERATION
    _, verdict = gate(max_acceleration=0.1).apply(
        Action(NOW, bend, 99.0), 0.0, NOW, before(angle, 1.0)
    )
    assert verdict.limits == Limit.SPEED | Limit.LATERAL_ACCELERATION | Limit.ACCELERATION


def test_after_a_foreign_command_only_the_fall_of_speed_may_be_faster():
    command, verdict = gate().apply(Action(NOW, 0.0, 5.0), 30.0, NOW, before(0.0, 30.0))
    assert command.speed == GateConfig().max_speed and Limit.DECELERATION in verdict.limits
    command, _ = gate().apply(Action(NOW, 0.2, 5.0), 15.0, NOW, before(0.3, 15.0))
    assert command.speed == pytest.approx(math.sqrt(3.0 / curvature(command.steering_angle, CAR)))
    assert command.speed < 15.0 - 20.0 * 0.02
    command, verdict = gate().apply(Action(NOW, 0.0, 0.0), 0.0, NOW, before(0.9))
    assert command.steering_angle == 0.5, "wheels beyond the largest angle come back at once"


def test_the_speed_measured_last_is_where_it_is_taken_away_from_while_none_is_known():
    assert gate().apply(None, None, NOW, before(0.0, 9.0), last_speed=4.0)[
        0
    ].speed == pytest.approx(4.0 - 0.06)
    assert gate().apply(None, 6.0, NOW, before(0.0, 9.0), last_speed=4.0)[0].speed == pytest.approx(
        6.0 - 0.06
    )
    for useless in (math.nan, None, "fast"):
        assert gate().apply(None, None, NOW, before(0.0, 9.0), last_speed=useless)[
            0
        ].speed == pytest.approx(9.0 - 0.06)


@pytest.mark.parametrize(
    "now, issued", [(None, NOW), (NOW, None), (math.nan, NOW), (NOW, math.inf), (None, None)]
)
def test_time_that_is_no_time_lets_nothing_change(now, issued):
    previous = Command(NOW, issued, 0.1, 5.0)
    command, _ = gate().apply(Action(NOW, 0.3, 0.0), 5.0, now, previous)
    assert (command.steering_angle, command.speed) == (0.1, 5.0)


@pytest.mark.parametrize("stamp, now", [(None, NOW), (NOW, None), (math.nan, NOW), (None, None)])
def test_stamps_that_are_no_stamps_make_an_action_unusable_and_are_zero_in_the_command(stamp, now):
    command, verdict = gate().apply(Action(stamp, 0.0, 0.0), 0.0, now, Command(None, NOW, 0.0, 0.0))
    assert (
        verdict.limits is Limit.NOT_FINITE
        and command.stamp_ns == 0
        and command.issued_ns == (now or 0)
    )


def test_a_time_too_large_for_a_float_is_a_long_time():
    command, _ = gate().apply(None, 5.0, 10**400, Command(0, 0, 0.1, 5.0))
    assert command.steering_angle == 0.1 and command.speed == pytest.approx(5.0 - 20.0 * 0.2)


def test_following_a_bend_that_is_too_tight_names_the_limits_too():
    follow = gate(max_steering_angle=0.3, safe_behaviour="follow")
    command, verdict = follow.apply(Action(NOW - 300 * MS, 0.5, 9.0), 10.0, NOW, before(0.05, 9.0))
    assert (
        verdict.limits == Limit.STALE | Limit.ANGLE | Limit.LATERAL_ACCELERATION | Limit.ANGLE_RATE
    )
    assert command.steering_angle == pytest.approx(0.05 + 0.8 * 0.02)
