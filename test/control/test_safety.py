"""The safety gate, each limit by itself."""

from __future__ import annotations

import dataclasses
import math

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import curvature, steering_angle
from liquid_control.errors import ConfigError
from liquid_control.signals import Action, Command, Limit

MS = 1_000_000
NOW = 1_760_000_000_000_000_000
LOOSE = GateConfig(max_lateral_jerk=1000.0, max_acceleration=20.0, max_deceleration=20.0)
GATE = SafetyGate(LOOSE)
"""Only the limits of angle, rate, lateral acceleration and speed act."""
LIMITS, CAR = GATE.limits, GATE.vehicle


def gate(**limits: float) -> SafetyGate:
    return SafetyGate(dataclasses.replace(LOOSE, **limits))


def before(angle: float = 0.0, speed: float = 0.0, ms_ago: int = 20) -> Command:
    return Command(NOW - 100 * MS, NOW - ms_ago * MS, angle, speed)


def test_a_harmless_action_passes_untouched_with_the_stamp_of_its_frame():
    command, verdict = SafetyGate().apply(
        Action(NOW - 5 * MS, 0.0101, 10.01), 10.0, NOW, before(steering_angle(0.01, CAR), 10.0)
    )
    assert command == Command(NOW - 5 * MS, NOW, steering_angle(0.0101, CAR), 10.01)
    assert verdict.limits is Limit.NONE and not verdict.safe_stop and not verdict.released


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["curvature", "speed"])
def test_an_action_that_is_not_finite_holds_the_angle_and_takes_the_speed_away(bad, field):
    action = dataclasses.replace(Action(NOW, 0.0, 10.0), **{field: bad})
    command, verdict = GATE.apply(action, 5.0, NOW, before(0.1, 5.0))
    assert command.steering_angle == 0.1 and command.speed == pytest.approx(5.0 - 3.0 * 0.02)
    assert verdict.limits is Limit.NOT_FINITE and verdict.safe_stop


@pytest.mark.parametrize(
    "age_ms, limit",
    [(200, Limit.NONE), (201, Limit.STALE), (-100, Limit.NONE), (-101, Limit.FUTURE)],
)
def test_only_fresh_actions_are_used(age_ms, limit):
    command, verdict = GATE.apply(Action(NOW - age_ms * MS, 0.0, 5.0), 5.0, NOW, before(0.0, 5.0))
    assert verdict.limits is limit and (command.stamp_ns == NOW - age_ms * MS) == (
        limit is Limit.NONE
    )


def test_a_dead_policy_on_a_bend_keeps_the_bend_and_stops():
    command, speed = before(0.15, 7.0, ms_ago=0), 7.0
    for tick in range(1, 200):
        command, verdict = GATE.apply(None, speed, NOW + tick * 20 * MS, command)
        speed = max(speed - 2.0 * 0.02, command.speed)  # brakes weaker than commanded
        assert (
            command.steering_angle == 0.15
            and command.stamp_ns == NOW - 100 * MS
            and verdict.safe_stop
        )
    assert command.speed == 0.0 and verdict.limits is Limit.STALE


def test_follow_goes_on_to_where_the_last_action_wanted_but_believes_no_other():
    follow = gate(safe_behaviour="follow")
    for action, angle in (
        (Action(NOW - 300 * MS, 0.05, 9.0), 0.116),
        (Action(NOW + 300 * MS, 0.05, 9.0), 0.1),
        (Action(NOW - 300 * MS, math.nan, 9.0), 0.1),
        (None, 0.1),
    ):
        command, verdict = follow.apply(action, 5.0, NOW, before(0.1, 5.0))
        assert (
            command.steering_angle == pytest.approx(angle)
            and verdict.safe_stop
            and command.speed == pytest.approx(4.94)
        )


def test_release_says_so_only_in_a_safe_stop():
    release = gate(safe_behaviour="release")
    assert release.apply(None, 5.0, NOW, before(0.1, 5.0))[1].released
    assert not release.apply(Action(NOW, 0.0, 5.0), 5.0, NOW, before(0.0, 5.0))[1].released


def test_the_ramp_starts_from_the_slower_of_commanded_and_measured_speed():
    assert GATE.apply(None, 4.0, NOW, before(0.0, 9.0))[0].speed == pytest.approx(4.0 - 0.06)
    assert GATE.apply(None, 9.0, NOW, before(0.0, 4.0))[0].speed == pytest.approx(4.0 - 0.06)
    assert GATE.apply(None, None, NOW, before(0.0, 4.0))[0].speed == pytest.approx(4.0 - 0.06)


def test_the_first_command_starts_from_straight_wheels_and_the_measured_speed():
    command, verdict = GATE.apply(Action(NOW, 0.1, 14.0), 4.0, NOW, None)
    assert (command.steering_angle, command.speed, verdict.limits) == (
        0.0,
        4.0,
        Limit.ANGLE_RATE | Limit.ACCELERATION,
    )
    assert GATE.apply(Action(NOW, 0.0, 4.0), None, NOW, None)[0].speed == 0.0
    assert GATE.apply(Action(NOW, 0.0, 4.0), -3.0, NOW, None)[0].speed == 0.0
    assert GATE.apply(None, 3.0, NOW, None)[0] == Command(0, NOW, 0.0, 3.0)


@pytest.mark.parametrize(
    "ms, change", [(-20, 0.0), (0, 0.0), (7, 0.0056), (20, 0.016), (200, 0.16), (60_000, 0.16)]
)
def test_the_rate_counts_real_time_and_silence_does_not_save_up(ms, change):
    command, verdict = GATE.apply(Action(NOW, -0.2, 4.0), 1.0, NOW, before(0.1, 4.0, ms_ago=ms))
    assert (
        command.steering_angle == pytest.approx(0.1 - change) and Limit.ANGLE_RATE in verdict.limits
    )


@pytest.mark.parametrize("ms, share", [(-20, 0.0), (0, 0.0), (20, 0.02), (200, 0.2), (60_000, 0.2)])
def test_lateral_jerk_counts_real_time_and_silence_does_not_save_up(ms, share):
    for way in (1.0, -1.0):
        previous = before(way * steering_angle(0.01, CAR), 10.0, ms_ago=ms)
        command, verdict = gate(max_lateral_jerk=4.0, max_steering_rate=5.0).apply(
            Action(NOW, way * 0.02, 10.0), 10.0, NOW, previous
        )
        jerked = 10.0**2 * (curvature(command.steering_angle, CAR) - way * 0.01)
        assert jerked == pytest.approx(way * 4.0 * share)
        assert verdict.limits is (Limit.LATERAL_JERK if share else Limit.ANGLE_RATE)


def test_lateral_jerk_is_judged_at_the_measured_speed_and_never_at_standstill():
    for speed, acted in ((0.0, False), (-10.0, True), (10.0, True)):
        _, verdict = gate(max_lateral_jerk=4.0).apply(
            Action(NOW, 0.002, 0.0), speed, NOW, before(0.0, 0.0)
        )
        assert (Limit.LATERAL_JERK in verdict.limits) == acted


def test_the_angle_limit_is_the_smaller_of_gate_and_vehicle():
    for gate_angle, car_angle in ((0.3, 0.5), (0.5, 0.3)):
        made = SafetyGate(
            dataclasses.replace(LOOSE, max_steering_angle=gate_angle),
            VehicleConfig(max_steering_angle=car_angle),
        )
        command, verdict = made.apply(Action(NOW, 9.0, 0.0), 0.0, NOW, before(0.29))
        assert command.steering_angle == 0.3 and verdict.limits is Limit.ANGLE


def test_a_faster_vehicle_may_steer_less():
    for speed in (5.0, 10.0, 20.0):
        command, verdict = GATE.apply(
            Action(NOW, 0.2, 0.0), speed, NOW, before(steering_angle(3.0 / speed**2, CAR))
        )
        assert speed**2 * curvature(command.steering_angle, CAR) == pytest.approx(3.0)
        assert verdict.limits is Limit.LATERAL_ACCELERATION


def test_a_speed_that_jumps_up_turns_the_wheel_back_at_its_rate_and_takes_the_speed_away():
    action = Action(NOW, curvature(0.2, CAR), 20.0)
    command, verdict = GATE.apply(action, 20.0, NOW, before(0.2, 5.0))
    assert command.steering_angle == pytest.approx(0.2 - 0.016)
    assert command.speed == pytest.approx(5.4), "the speed rises at its own rate"
    assert verdict.limits == Limit.LATERAL_ACCELERATION | Limit.ANGLE_RATE | Limit.ACCELERATION


def test_an_unknown_speed_is_judged_as_the_largest():
    command, verdict = GATE.apply(
        Action(NOW, 0.1, 2.0), math.nan, NOW, before(steering_angle(0.0075, CAR))
    )
    assert (
        20.0**2 * curvature(command.steering_angle, CAR) == pytest.approx(3.0)
        and Limit.SPEED_UNKNOWN in verdict.limits
    )


def test_a_safe_stop_holds_the_angle_of_a_bend_also_when_the_speed_goes_unknown():
    """Policy and odometry die together: the wheels stay where they were while the speed is taken
    away."""
    previous = before(angle=0.05, speed=8.0)
    for tick in range(1, 150):
        command, verdict = GATE.apply(None, None, NOW + 20 * MS * tick, previous)
        assert verdict.safe_stop and command.steering_angle == 0.05
        assert command.speed < previous.speed or command.speed == 0.0
        previous = command
    assert previous.speed == 0.0


def test_an_unknown_speed_counts_as_the_last_commanded_one_above_a_lowered_limit():
    command, _ = GATE.apply(Action(NOW, 0.1, 2.0), None, NOW, before(0.0, 30.0))
    assert 30.0**2 * curvature(command.steering_angle, CAR) == pytest.approx(3.0)


def test_a_command_never_asks_for_more_lateral_acceleration_than_allowed_even_from_standstill():
    bearable = math.sqrt(3.0 / 0.05)
    command, verdict = GATE.apply(
        Action(NOW, 0.05, 1.005 * bearable),
        0.0,
        NOW,
        before(steering_angle(0.05, CAR), 0.999 * bearable),
    )
    assert command.speed == pytest.approx(bearable) and verdict.limits is Limit.LATERAL_ACCELERATION


def test_the_wheels_turn_no_further_than_the_speed_can_be_taken_away_for():
    """The measured speed says standstill, so that only the commanded pair bounds the angle."""
    made = gate(max_deceleration=3.0)
    previous = before(steering_angle(0.03, CAR), 10.0)
    command, verdict = made.apply(Action(NOW, 0.2, 10.0), 10.0, NOW, dataclasses.replace(previous))
    assert 10.0**2 * curvature(command.steering_angle, CAR) == pytest.approx(3.0)
    command, verdict = made.apply(Action(NOW, 0.2, 10.0), None, NOW, previous)
    assert (10.0 - 0.06) ** 2 * curvature(command.steering_angle, CAR) <= 3.0 + 1e-9


@pytest.mark.parametrize("proposed, given_speed", [(25.0, 20.0), (-1.0, 0.0)])
def test_the_speed_stays_between_standstill_and_its_limit(proposed, given_speed):
    command, verdict = GATE.apply(
        Action(NOW, 0.0, proposed), given_speed, NOW, before(0.0, given_speed)
    )
    assert (command.speed, verdict.limits) == (given_speed, Limit.SPEED)


@pytest.mark.parametrize(
    "ms, change", [(-20, 0.0), (0, 0.0), (20, 0.04), (200, 0.4), (60_000, 0.4)]
)
def test_the_speed_rises_and_falls_no_faster_than_allowed(ms, change):
    made = gate(max_acceleration=2.0, max_deceleration=5.0)
    command, verdict = made.apply(Action(NOW, 0.0, 20.0), 10.0, NOW, before(0.0, 10.0, ms_ago=ms))
    assert command.speed == pytest.approx(10.0 + change) and verdict.limits is Limit.ACCELERATION
    command, verdict = made.apply(Action(NOW, 0.0, 0.0), 10.0, NOW, before(0.0, 10.0, ms_ago=ms))
    assert (
        command.speed == pytest.approx(10.0 - 2.5 * change) and verdict.limits is Limit.DECELERATION
    )


def test_the_fall_of_the_speed_counts_from_the_measured_one_where_that_is_lower():
    command, _ = gate(max_deceleration=5.0).apply(
        Action(NOW, 0.0, 0.0), 4.0, NOW, before(0.0, 10.0)
    )
    assert command.speed == pytest.approx(3.9)


def test_limits_that_contradict_each_other_are_refused():
    with pytest.raises(
        ConfigError, match="deceleration: got 7.0, expected at most max_deceleration = 6.0"
    ):
        GateConfig(deceleration=7.0)


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(GateConfig) if field.type == "float"]
)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, "1"])
def test_limits_that_are_no_limits_are_refused(name, value):
    with pytest.raises(ConfigError, match=f"GateConfig.{name}"):
        GateConfig(**{name: value})


def test_the_gate_is_frozen_and_forgets():
    with pytest.raises(dataclasses.FrozenInstanceError):
        GATE.limits = GateConfig()
    arguments = Action(NOW, 0.05, 9.0), 9.0, NOW, before(0.1, 9.0)
    assert GATE.apply(*arguments) == GATE.apply(*arguments)


def test_the_angle_that_a_bend_may_have_for_any_time():
    gate = SafetyGate(GateConfig(max_speed=10.0), VehicleConfig(max_steering_angle=0.4))
    assert gate.largest_angle == 0.4
    assert SafetyGate(GateConfig(max_steering_angle=0.3)).largest_angle == 0.3
    for sign in (-1.0, 1.0):
        assert gate.lasting_angle(sign * 0.02, 8.0) == sign * math.atan(2.6 * 0.02)
        assert gate.lasting_angle(sign * 9.0, 0.0) == sign * 0.4
        assert gate.lasting_angle(sign * 0.2, 8.0) == pytest.approx(
            sign * math.atan(2.6 * 3.0 / 64.0), abs=1e-12
        )
        assert gate.lasting_angle(sign * 0.2, None) == gate.lasting_angle(sign * 0.2, 10.0)
