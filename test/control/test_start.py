"""The first command: from where the wheels are known to be, no further than the gate's rate; and
what forbids to engage."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.control.guard import Guard, OperatorRequest
from liquid_control.control.vehicle import steering_angle
from liquid_control.signals import Action, Command, SpeedSample, SteeringSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
VEHICLE, LIMITS = VehicleConfig(), GateConfig()
BEND = 0.12
"""Of a curve that 5 m/s just bears [1/m]: 0.3 rad at the wheels."""
STRAIGHT_ON = OperatorRequest()


class Rig:
    """A guard, a policy that proposes `curvature`, a vehicle at `speed` [m/s], and a driver whose
    wheels are measured at `angle` [rad], None: not measured. One tick is 20 ms."""

    def __init__(self, limits: GateConfig | None = None, **config) -> None:
        self.guard = Guard(limits, VEHICLE, EngagementConfig(**config))
        self.now, self.steady = EPOCH, 0
        self.speed, self.curvature, self.policy, self.odometry = 5.0, BEND, True, True
        self.angle: float | None = None
        self.decision = None

    def tick(self, request: OperatorRequest = STRAIGHT_ON, passed: int = 20 * MS) -> Command | None:
        self.now, self.steady = self.now + passed, self.steady + passed
        if self.policy:
            action = Action(self.now - 5 * MS, self.curvature, self.speed)
            self.guard.push_proposal(action, self.now, self.steady)
        if self.odometry:
            self.guard.push_speed(SpeedSample(self.now, self.speed), self.now, self.steady)
        self.measure(self.angle)
        self.decision = self.guard.tick(self.now, self.steady, request)
        return self.decision.command

    def measure(self, angle: float | None, age: int = 0) -> bool | None:
        sample = None if angle is None else SteeringSample(self.now - age, angle, None)
        return sample and self.guard.push_steering_angle(sample, self.now, self.steady)

    @property
    def problem(self) -> str:
        return self.guard.angle_problem(self.steady)

    def run(self, seconds: float, request: OperatorRequest = STRAIGHT_ON) -> State:
        for _ in range(round(seconds * 1e9 / (20 * MS))):
            self.tick(request)
        return self.decision.state

    def first(self, seconds: float = 3.0) -> Command | None:
        """The first command within some time."""
        for _ in range(round(seconds * 1e9 / (20 * MS))):
            if (command := self.tick()) is not None:
                return command
        return None


def angle_of(curvature: float) -> float:
    return steering_angle(curvature, VEHICLE)


@settings(max_examples=150, deadline=None)
@given(
    st.floats(-LIMITS.max_steering_angle, LIMITS.max_steering_angle),
    st.floats(0.0, 30.0),
    st.lists(st.tuples(st.integers(5, 150), st.floats(-1.0, 1.0)), min_size=80, max_size=80),
    st.floats(-0.1, 0.1),
    st.sampled_from(["proposal", "standstill"]),
)
def test_the_first_command_never_leaves_a_known_angle_faster_than_the_rate(
    angle, speed, ticks, turning, without_angle
):
    """Irregular ticks, proposals that jump anywhere, and a driver who turns the wheels at up to
    0.1 rad per 100 ms meanwhile."""
    rig = Rig(healthy_for=0.3, lowest_rate=0.0, without_angle=without_angle)
    rig.speed, rig.angle = speed, angle
    for ms, rig.curvature in ticks:
        turned = rig.angle + turning * ms / 100
        rig.angle = min(max(turned, -LIMITS.max_steering_angle), LIMITS.max_steering_angle)
        command = rig.tick(passed=ms * MS)
        if command is not None:
            step = LIMITS.max_steering_rate * EngagementConfig().soft_share * ms / 1e3
            assert abs(command.steering_angle - rig.angle) <= step + 1e-12
            return
    raise AssertionError(f"never engaged: {rig.decision.reason}")


def test_a_gate_that_starts_on_a_bend_without_a_measured_angle_begins_with_the_bend():
    command = Rig().first()
    assert command.steering_angle == pytest.approx(angle_of(BEND), abs=1e-3)
    assert math.tan(command.steering_angle) / VEHICLE.wheelbase == pytest.approx(BEND, abs=1e-3)


def test_after_a_takeover_it_begins_with_the_bend_that_is_driven_then():
    rig = Rig()
    rig.curvature = 0.0
    assert rig.run(3.0) is State.ENGAGED
    rig.run(1.0, OperatorRequest(takeover=True))
    rig.curvature = -BEND
    rig.run(1.0)
    command = rig.tick(OperatorRequest(engage_requested=True))
    assert command.steering_angle == pytest.approx(angle_of(-BEND), abs=1e-3)


@pytest.mark.parametrize("seconds", [1.0, 6.0])
def test_an_angle_that_is_not_measured_any_more_is_not_believed(seconds):
    rig = Rig(healthy_for=seconds)
    rig.curvature, rig.angle = 0.0, 0.38
    rig.run(0.1)
    rig.angle = None
    assert abs(rig.first(8.0).steering_angle) < 1e-9


@pytest.mark.parametrize("angle", [math.nan, math.inf, -math.inf, 5.0, -14.0, 0.7])
def test_an_impossible_angle_is_refused_and_driving_begins_as_without_one(angle):
    rig = Rig()
    rig.angle = angle
    assert rig.first().steering_angle == pytest.approx(angle_of(BEND), abs=1e-3)
    assert rig.guard.rejected["steering_angle"] > 50


def test_after_degrees_small_numbers_are_in_doubt_for_a_minute():
    rig = Rig()
    rig.policy = False
    rig.angle = 12.0
    rig.run(0.1)
    rig.angle = 0.4
    rig.run(59.0)
    assert rig.guard.known_angle(rig.steady) is None
    assert "12 rad was measured, the vehicle takes 0.55 at most" in rig.problem
    rig.run(2.0)
    assert rig.guard.known_angle(rig.steady) == 0.4 and rig.problem == ""


def test_angles_that_are_heard_and_not_believed_are_named_and_silence_is_not():
    rig = Rig()
    assert rig.problem == ""
    rig.angle = math.nan
    rig.run(0.5)
    assert rig.problem == "it is not believed: not finite, too old, or jumping"
    rig.angle = None
    rig.run(1.5)
    assert rig.problem == ""
    rig.measure(0.1, age=5000 * MS)
    assert "too old" in rig.problem, "by its stamp"


def test_a_single_reading_and_one_that_no_steering_reaches_are_no_evidence():
    rig = Rig()
    rig.tick()
    assert not rig.measure(0.1) and rig.measure(0.12)
    rig.tick()
    assert not rig.measure(-0.4), "0.5 rad within 20 ms"
    assert rig.guard.known_angle(rig.steady) == 0.12
    assert not rig.measure(0.1, age=300 * MS) and not rig.measure(0.1, age=-300 * MS)
    rig.run(0.22)
    assert rig.guard.known_angle(rig.steady) is None


def test_a_vehicle_that_needs_a_measured_angle_does_not_engage_without_one_but_at_standstill():
    rig = Rig(without_angle="standstill")
    assert rig.run(3.0) is State.DISENGAGED
    assert rig.decision.reason == "no steering angle while moving"
    rig.speed = 0.05
    assert rig.run(1.5) is State.ENGAGING
    rig = Rig(without_angle="standstill")
    rig.angle = 0.2
    assert abs(rig.first().steering_angle - 0.2) <= 0.4 * 0.02 + 1e-12
    rig = Rig(without_angle="standstill", needs_speed=False)
    rig.speed = math.nan
    assert rig.run(3.0) is State.DISENGAGED, "an unknown speed is no standstill"


def test_wheels_beyond_the_largest_angle_forbid_to_engage():
    rig = Rig()
    rig.angle = 0.53
    assert rig.run(3.0) is State.DISENGAGED
    assert rig.decision.reason == "wheels beyond the largest angle"
    rig.angle = 0.49
    assert rig.run(1.2) is State.ENGAGING


def test_one_wild_proposal_at_the_moment_of_engaging_moves_nothing():
    rig = Rig()
    rig.curvature = 0.0
    while rig.steady < 1020 * MS:
        assert rig.tick() is None
    rig.curvature = 5.0
    command = rig.first(0.1)
    assert abs(command.steering_angle) <= 1.5 * LIMITS.max_steering_rate * 0.04


def test_a_bend_too_tight_for_the_speed_is_begun_with_what_the_speed_bears():
    rig = Rig()
    rig.speed = 10.0
    angle = rig.first().steering_angle
    bearable = math.atan(VEHICLE.wheelbase * LIMITS.max_lateral_acceleration / 10.0**2)
    assert angle == pytest.approx(bearable, abs=1e-9)


@pytest.mark.parametrize("speed", [-3.0, -0.5, -0.15])
def test_a_vehicle_that_rolls_backwards_does_not_engage(speed):
    rig = Rig()
    rig.speed = speed
    assert rig.run(3.0) is State.DISENGAGED and rig.decision.reason == "rolling backwards"
    rig.speed = -0.05
    assert rig.run(1.2) is State.ENGAGING, "noise of a standing vehicle"


def test_rolling_backwards_while_engaged_brakes_and_driving_goes_on_after_it():
    rig = Rig()
    rig.speed = 0.0
    assert rig.run(3.0) is State.ENGAGED
    rig.speed = -0.4
    assert rig.run(0.5) is State.ENGAGED, "a start on a slope"
    rig.speed = -0.6
    assert rig.run(0.5) is State.DEGRADED and rig.decision.reason == "rolling backwards"
    assert rig.decision.command.speed == 0.0
    rig.speed = -0.2
    assert rig.run(0.1) is State.ENGAGED
    rig = Rig(standstill=1.0)
    rig.speed = -0.9
    assert rig.run(3.0) is State.ENGAGED, "what counts as standing does not brake"


def test_an_odometry_that_comes_back_backwards_is_the_reason_while_degraded_and_stopped():
    rig = Rig()
    rig.curvature = 0.0
    assert rig.run(3.0) is State.ENGAGED
    rig.odometry = False
    assert rig.run(0.8) is State.DEGRADED and rig.decision.reason == "no speed"
    rig.odometry, rig.speed = True, -3.0
    rig.tick()
    assert (rig.decision.state, rig.decision.reason) == (State.DEGRADED, "rolling backwards")
    assert rig.decision.command.speed == 0.0
    rig.odometry = False
    assert rig.run(6.0) is State.STOPPED and rig.decision.reason == "no speed"
    rig.odometry = True
    assert rig.run(1.0) is State.STOPPED and rig.decision.reason == "rolling backwards"
    rig.speed = 0.0
    assert rig.run(0.5) is State.STOPPED
    assert rig.decision.reason == "healthy for too short a time"
    assert rig.run(1.0) is State.ENGAGING


def test_an_emergency_stop_without_engaging_starts_from_the_measured_angle():
    rig = Rig()
    rig.angle = -0.2
    rig.run(0.2)
    command = rig.tick(OperatorRequest(faults=("emergency stop",)))
    assert command.steering_angle == -0.2 and command.speed == pytest.approx(5.0, abs=0.07)


@pytest.mark.parametrize("silence, expected", [(0.5, BEND), (5.0, 0.0)])
def test_an_emergency_stop_without_policy_holds_what_was_known_a_moment_ago(silence, expected):
    rig = Rig()
    rig.run(0.5)
    rig.policy = False
    rig.run(silence)
    command = rig.tick(OperatorRequest(faults=("emergency stop",)))
    assert command.steering_angle == pytest.approx(angle_of(expected), abs=1e-3)


@pytest.mark.parametrize("measured", [True, False])
def test_wheels_that_a_safe_stop_released_are_taken_over_from_where_they_are(measured):
    rig = Rig(GateConfig(safe_behaviour="release"))
    rig.curvature = 0.0
    assert rig.run(3.0) is State.ENGAGED
    rig.policy = False
    assert rig.run(0.5) is State.DEGRADED and rig.decision.command is None
    rig.angle = 0.2 if measured else None  # the driver turns in and speeds up
    rig.speed = 6.0
    rig.run(1.5)
    rig.policy, rig.curvature = True, 0.08
    command = rig.tick()
    assert rig.decision.state is State.ENGAGED and command.speed == pytest.approx(6.0, abs=0.1)
    expected = 0.2 if measured else angle_of(0.08)
    assert abs(command.steering_angle - expected) <= LIMITS.max_steering_rate * 0.02 + 1e-12


def test_a_safe_stop_does_not_follow_a_bend_of_an_earlier_drive():
    rig = Rig(GateConfig(safe_behaviour="follow"))
    assert rig.run(3.0) is State.ENGAGED
    rig.curvature = 0.0
    rig.run(2.0, OperatorRequest(takeover=True))
    rig.run(0.02, OperatorRequest(faults=("emergency stop",)))
    rig.run(0.5)
    assert rig.decision.state is State.FAULT
    assert abs(rig.decision.command.steering_angle) < 1e-9
