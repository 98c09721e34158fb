"""Who drives, and what is commanded: every transition, and all limits through all of them."""

from __future__ import annotations

import math

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import EngagementConfig, Request, State
from liquid_control.control.guard import Guard, OperatorRequest
from liquid_control.control.loop import Loop
from liquid_control.signals import Action, SpeedSample, SteeringSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
PERIOD = 20 * MS


class Rig:
    """A guard with a healthy policy, speed and clock, each of which can be taken away. One call is
    20 ms."""

    def __init__(
        self, config: EngagementConfig | None = None, limits: GateConfig | None = None
    ) -> None:
        self.guard = Guard(limits, VehicleConfig(), config)
        self.now, self.steady = EPOCH, 0
        self.speed, self.curvature = 8.0, 0.01
        self.angle: float | None = None
        self.policy = self.odometry = self.clock = True
        self.decision = None

    def run(
        self,
        seconds: float,
        request: OperatorRequest = OperatorRequest(),  # noqa: B008
        until: State | None = None,
    ) -> State:
        """Stops early once `until` is reached; edges in `request` last one tick."""
        for _ in range(round(seconds * 1e9 / PERIOD)):
            self.steady += PERIOD
            self.now += PERIOD if self.clock else 0
            if self.policy:
                self.guard.push_proposal(
                    Action(self.now - 10 * MS, self.curvature, 9.0), self.now, self.steady
                )
            if self.odometry:
                self.guard.push_speed(SpeedSample(self.now, self.speed), self.now, self.steady)
            if self.angle is not None:
                angle = SteeringSample(self.now, self.angle, None)
                self.guard.push_steering_angle(angle, self.now, self.steady)
            self.decision = self.guard.tick(self.now, self.steady, request)
            if self.decision.state is until:
                break
        return self.decision.state


def engaged(**config) -> Rig:
    rig = Rig(EngagementConfig(**config))
    assert rig.run(3.0) is State.ENGAGED
    return rig


def test_it_engages_by_itself_once_inputs_are_healthy_for_long_enough_and_softly():
    rig = Rig()
    assert rig.run(1.0) is State.DISENGAGED and rig.decision.command is None
    assert rig.run(0.14) is State.ENGAGING
    assert rig.run(0.85) is State.ENGAGING and rig.decision.command is not None
    assert rig.run(0.2) is State.ENGAGED


def test_it_starts_from_the_measured_angle_and_speed():
    rig = Rig()
    rig.angle, rig.speed = 0.05, 6.0
    rig.run(2.0, until=State.ENGAGING)
    command = rig.decision.command
    assert (
        abs(command.steering_angle - 0.05) <= 0.8 * 0.5 * 0.02
        and abs(command.speed - 6.0) <= 3.0 * 0.02 + 1e-9
    )


def test_manual_waits_for_a_request_and_an_early_one_is_kept_until_inputs_are_healthy():
    rig = Rig(EngagementConfig(engage="manual"))
    assert rig.run(3.0) is State.DISENGAGED and rig.decision.reason == "waits for an engage request"
    assert rig.run(0.02, OperatorRequest(engage_requested=True)) is State.ENGAGING
    rig = Rig(EngagementConfig(engage="manual"))
    rig.run(0.1, OperatorRequest(engage_requested=True))
    assert rig.run(0.5) is State.DISENGAGED and rig.run(0.6) is State.ENGAGING


@pytest.mark.parametrize("state", [State.ENGAGING, State.ENGAGED, State.DEGRADED, State.STOPPED])
def test_a_takeover_wins_within_one_tick_in_every_state_and_stays_until_a_request(state):
    rig = Rig()
    rig.run(5.0, until=State.ENGAGING if state is State.ENGAGING else State.ENGAGED)
    if state in (State.DEGRADED, State.STOPPED):
        rig.policy, rig.speed = False, 0.0 if state is State.STOPPED else 8.0
        rig.run(5.0, until=state)
    assert rig.decision.state is state and rig.decision.command is not None
    assert (
        rig.run(0.02, OperatorRequest(takeover=True)) is State.DISENGAGED
        and rig.decision.command is None
    )
    rig.policy, rig.speed = True, 8.0
    assert rig.run(5.0) is State.DISENGAGED
    rig.run(0.02, OperatorRequest(engage_requested=True))
    assert rig.run(2.5) is State.ENGAGED


def test_a_dead_policy_degrades_within_its_deadline_and_comes_back_by_itself():
    rig = engaged()
    angle = rig.decision.command.steering_angle
    rig.policy = False
    assert rig.run(0.22) is State.DEGRADED and rig.decision.reason == "proposal stale"
    speed = rig.decision.command.speed
    rig.run(0.5)
    assert (
        rig.decision.command.speed == pytest.approx(speed - 1.5, abs=1e-6)
        and rig.decision.command.steering_angle == angle
    )
    rig.policy = True
    assert rig.run(0.02) is State.ENGAGED


def test_standing_after_that_it_engages_anew_only_as_from_the_start():
    rig = engaged()
    rig.policy, rig.speed = False, 0.0
    assert rig.run(5.0) is State.STOPPED and rig.decision.command.speed == 0.0
    rig.policy = True
    assert rig.run(0.9) is State.STOPPED and rig.run(0.3) is State.ENGAGING
    rig = Rig(EngagementConfig(engage="manual"))
    rig.run(1.5)
    rig.run(0.02, OperatorRequest(engage_requested=True))
    rig.policy, rig.speed = False, 0.0
    assert rig.run(5.0) is State.STOPPED
    rig.policy = True
    assert rig.run(5.0) is State.STOPPED


@pytest.mark.parametrize(
    "degrade, reason",
    [
        (lambda rig: setattr(rig, "odometry", False), "no speed"),
        (lambda rig: setattr(rig, "curvature", math.nan), "proposal not finite"),
        (lambda rig: setattr(rig, "clock", False), "clock stands still"),
    ],
)
def test_each_input_that_fails_degrades_with_its_reason_and_recovers(degrade, reason):
    rig = engaged()
    healthy = dict(vars(rig))
    degrade(rig)
    rig.run(1.0, until=State.DEGRADED)
    assert rig.decision.state is State.DEGRADED
    rig.run(0.5)
    assert reason in rig.decision.reason or reason in ", ".join(
        rig.guard._clock_problems(rig.now, rig.steady)
    )
    rig.odometry, rig.curvature, rig.clock = healthy["odometry"], healthy["curvature"], True
    rig.run(0.2)
    assert rig.decision.state is State.ENGAGED


def test_without_need_of_a_speed_its_loss_only_tightens_the_limits():
    rig = engaged(needs_speed=False)
    rig.odometry = False
    assert rig.run(2.0) is State.ENGAGED and "speed_unknown" in rig.decision.verdict.limits.names()


@pytest.mark.parametrize(
    "fault",
    [OperatorRequest(faults=("emergency stop",)), OperatorRequest(faults=("second publisher",))],
)
def test_a_fault_is_latched_until_acknowledged_without_cause(fault):
    rig = engaged()
    assert rig.run(0.02, fault) is State.FAULT and rig.decision.reason == fault.faults[0]
    speed = rig.decision.command.speed
    rig.run(0.5)
    assert rig.decision.state is State.FAULT and rig.decision.command.speed < speed
    assert rig.run(0.02, OperatorRequest(engage_requested=True)) is State.FAULT
    assert rig.run(0.02, OperatorRequest(acknowledged=True, faults=fault.faults)) is State.FAULT
    assert rig.run(0.02, OperatorRequest(acknowledged=True)) is State.DISENGAGED
    assert rig.run(5.0) is State.DISENGAGED
    rig.run(0.02, OperatorRequest(engage_requested=True))
    assert rig.run(2.5) is State.ENGAGED


def test_the_driver_wins_over_a_fault_too_and_the_fault_stays():
    rig = engaged()
    rig.run(0.02, OperatorRequest(faults=("emergency stop",)))
    assert (
        rig.run(0.02, OperatorRequest(takeover=True)) is State.FAULT
        and rig.decision.command is None
    )
    assert rig.run(0.02) is State.FAULT and rig.decision.command is not None


def test_the_dead_man_must_be_held():
    rig = Rig(EngagementConfig(dead_man=True))
    assert rig.run(3.0) is State.DISENGAGED and rig.decision.reason == "enable released"
    assert rig.run(3.0, OperatorRequest(enabled=True)) is State.ENGAGED
    assert rig.run(0.02) is State.DISENGAGED
    assert rig.run(3.0, OperatorRequest(enabled=True)) is State.DISENGAGED, "an edge is needed"


def test_old_and_repeated_proposals_are_refused_unless_the_clock_went_back():
    guard = Guard()
    assert guard.push_proposal(Action(EPOCH, 0.0, 1.0), EPOCH, 0)
    assert not guard.push_proposal(Action(EPOCH, 0.1, 1.0), EPOCH + MS, MS)
    assert not guard.push_proposal(Action(EPOCH - MS, 0.1, 1.0), EPOCH + MS, MS)
    assert guard.rejected == {"duplicate": 1, "older": 1}
    assert guard.push_proposal(Action(EPOCH - 9 * 10**9, 0.1, 1.0), EPOCH - 9 * 10**9 + MS, 2 * MS)


def test_a_wild_speed_is_refused_and_two_that_agree_are_believed():
    guard = Guard()

    def push(speed: float, ms: int) -> bool:
        return guard.push_speed(SpeedSample(EPOCH + ms * MS, speed), EPOCH + ms * MS, ms * MS)

    assert not push(8.0, 0) and push(8.1, 20), "one reading alone is no evidence"
    assert (
        not push(60.0, 40)
        and not push(-40.0, 60)
        and not push(math.nan, 80)
        and not push(math.inf, 100)
        and not push(1e9, 120)
    )
    assert guard.known_speed(120 * MS) == 8.1 and not push(8.2, 140) and push(8.2, 160)
    assert not push(30.0, 180) and push(30.1, 200), (
        "a vehicle that was lifted onto another road, say"
    )
    assert (
        not guard.push_speed(SpeedSample(EPOCH, 30.0), EPOCH + 800 * MS, 800 * MS)
        and guard.known_speed(800 * MS) is None
    )


def test_a_clock_that_jumps_back_is_counted_and_driving_goes_on():
    rig = engaged()
    rig.now -= 30 * 10**9
    assert rig.run(1.0) is State.ENGAGED and rig.guard.clock_jumps == 1


def test_a_proposal_grows_old_by_the_steady_clock_when_the_other_stands_still():
    rig = engaged()
    rig.clock = rig.policy = False
    assert rig.run(0.22) is State.DEGRADED


def test_a_slow_policy_may_go_on_but_not_start():
    rig = Rig(EngagementConfig(lowest_rate=60.0))
    assert rig.run(5.0) is State.DISENGAGED
    assert rig.decision.reason == "proposals too slow: below 60 Hz"


def test_a_proposal_from_the_future_is_trouble():
    rig = engaged()
    rig.policy = False
    rig.guard.push_proposal(Action(rig.now + 300 * MS, 0.0, 9.0), rig.now, rig.steady)
    assert rig.run(0.02) is State.DEGRADED and rig.decision.reason == "frame in the future"


def test_a_follower_without_anything_obeyed_holds_its_angle():
    rig = Rig(limits=GateConfig(safe_behaviour="follow"))
    rig.angle = 0.1
    rig.run(0.5)
    assert rig.run(0.02, OperatorRequest(faults=("emergency stop",))) is State.FAULT
    assert rig.decision.command.steering_angle == 0.1 and rig.decision.verdict.safe_stop


def test_a_policy_that_never_spoke_is_named():
    rig = Rig()
    rig.policy = False
    assert (
        rig.run(1.0) is State.DISENGAGED
        and rig.decision.reason == "no proposal, proposals too slow: below 5.88 Hz"
    )


def test_a_request_is_answered_by_the_state_of_the_last_tick():
    rig = engaged()
    assert rig.guard.answer(Request.ENGAGE) == (True, "already engaged")
    rig.run(0.02, OperatorRequest(faults=("emergency stop",)))
    assert not rig.guard.answer(Request.ENGAGE).accepted


def test_what_is_found_outside_prevents_a_start_and_not_driving_on():
    objection = OperatorRequest(unready=("imu: stamps 0.5 s behind ours",))
    rig = Rig()
    assert rig.run(5.0, objection) is State.DISENGAGED
    assert rig.decision.reason == "imu: stamps 0.5 s behind ours"
    rig = engaged()
    assert rig.run(2.0, objection) is State.ENGAGED


@pytest.mark.parametrize("asleep", [5.0, 86_400.0, 55 * 365 * 86_400.0])
def test_a_computer_that_was_suspended_decides_once_and_begins_anew(asleep):
    """Both clocks leap: a steady one that counts the time of sleep."""
    rig, loop = engaged(), Loop(silence=0.17)
    before = rig.decision.command
    loop.wake(rig.steady, proposed=True)
    rig.now, rig.steady = (clock + round(asleep * 1e9) for clock in (rig.now, rig.steady))
    rig.policy = rig.odometry = False
    assert loop.wake(rig.steady) and rig.steady < loop.next_ns <= rig.steady + 50 * MS
    assert not loop.wake(rig.steady) and list(loop.due_before(rig.steady)) == []
    assert rig.run(0.02) is State.DEGRADED
    command, limits = rig.decision.command, GateConfig()
    longest = limits.stale_after * (1 + 1e-9)
    assert abs(command.steering_angle - before.steering_angle) <= (
        limits.max_steering_rate * longest
    )
    lost = min(before.speed, rig.speed) - command.speed  # counted from the measured one
    assert 0.0 <= lost <= limits.max_deceleration * longest
    waiting = Rig()
    assert waiting.run(0.5) is State.DISENGAGED
    waiting.now, waiting.steady = (
        clock + round(asleep * 1e9) for clock in (waiting.now, waiting.steady)
    )
    assert waiting.run(0.95) is State.DISENGAGED, "healthy before the sleep does not count"
    assert waiting.run(0.5) is not State.DISENGAGED
