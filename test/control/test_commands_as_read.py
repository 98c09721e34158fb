"""Commands as a vehicle's interface reads them: by the time of issue that is their stamp, and what
the last one before silence leaves it with."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.control.guard import Guard, OperatorRequest
from liquid_control.signals import Action, Command, SpeedSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000
TICK = 20 * MS
NONE = OperatorRequest()


@dataclasses.dataclass
class Consumer:
    """The speed that a controller of ros2_control refers to at each cycle: that of the last command
    whose stamp is not older than `timeout`, then 0. `timeout` None: without one, as small vehicles
    have it."""

    timeout: float | None
    command: Command | None = None
    ignored: int = 0

    def take(self, command: Command, now: int) -> None:
        if self.timeout is not None and now - command.issued_ns > self.timeout * 1e9:
            self.ignored += 1
        else:
            self.command = command

    def speed(self, now: int) -> float:
        if self.command is None:
            return 0.0
        stale = self.timeout is not None and now - self.command.issued_ns > self.timeout * 1e9
        return 0.0 if stale else self.command.speed


class Drive:
    """A guard at 12 m/s, a vehicle that follows the consumer's speed, and what it was at every
    tick."""

    def __init__(self, timeout: float | None, limits: GateConfig | None = None, **config) -> None:
        self.guard = Guard(limits, VehicleConfig(), EngagementConfig(**config))
        self.consumer = Consumer(timeout)
        self.now, self.speed = EPOCH, 12.0
        self.decisions, self.speeds = [], []

    def run(self, seconds: float, request: OperatorRequest = NONE, policy: bool = True) -> State:
        for _ in range(round(seconds * 1e9 / TICK)):
            self.now += TICK
            if policy:
                self.guard.push_proposal(Action(self.now - MS, 0.001, 12.0), self.now, self.now)
            self.guard.push_speed(SpeedSample(self.now, self.speed), self.now, self.now)
            decision = self.guard.tick(self.now, self.now, request)
            sent = decision.command or decision.closing
            if sent is not None:
                self.consumer.take(sent, self.now)
                self.speed = self.consumer.speed(self.now)
            self.decisions.append(decision)
            self.speeds.append(self.consumer.speed(self.now))
        return self.decisions[-1].state


@pytest.mark.parametrize("timeout", [0.1, 0.5, 1.0])
def test_the_ramp_of_a_safe_stop_arrives_at_a_consumer_that_ignores_old_stamps(timeout):
    drive = Drive(timeout)
    assert drive.run(3.0) is State.ENGAGED
    before = len(drive.speeds)
    drive.run(6.0, policy=False)
    assert drive.consumer.ignored == 0 and drive.speeds[-1] == 0.0
    falls = [a - b for a, b in itertools.pairwise(drive.speeds[before - 1 :])]
    assert max(falls) == pytest.approx(GateConfig().deceleration * 0.02, abs=1e-9)
    assert drive.decisions[-1].command.issued_ns == drive.now
    assert drive.now - drive.decisions[-1].command.stamp_ns > 5 * 10**9, "the frame's own stamp"


def test_an_emergency_stop_before_any_proposal_is_obeyed_by_stamps():
    drive = Drive(0.5)
    drive.run(0.1, policy=False)
    drive.run(1.0, OperatorRequest(faults=("emergency stop",)), policy=False)
    assert drive.consumer.ignored == 0 and drive.speed < 10.0


@pytest.mark.parametrize(
    "request_, state",
    [
        (OperatorRequest(takeover=True), State.DISENGAGED),
        (OperatorRequest(takeover=True, faults=("emergency stop",)), State.FAULT),
    ],
)
def test_the_last_command_before_silence_is_standstill_at_the_angle_held(request_, state):
    drive = Drive(None)
    drive.run(3.0)
    angle = drive.decisions[-1].command.steering_angle
    assert drive.run(0.02, request_) is state
    decision = drive.decisions[-1]
    assert decision.command is None
    assert decision.closing == Command(drive.now - MS, drive.now, angle, 0.0)
    assert angle != 0.0
    drive.run(1.0, request_)
    assert all(later.closing is None for later in drive.decisions[-50:]), "once"
    assert drive.speeds[-1] == 0.0


def test_a_released_dead_man_and_an_acknowledged_fault_end_with_standstill_too():
    drive = Drive(None, dead_man=True)
    drive.run(3.0, OperatorRequest(enabled=True))
    drive.run(0.02)
    assert drive.decisions[-1].closing.speed == 0.0
    drive = Drive(None)
    drive.run(3.0)
    drive.run(0.2, OperatorRequest(faults=("emergency stop",)))
    drive.run(0.02, OperatorRequest(acknowledged=True))
    assert drive.decisions[-1].state is State.DISENGAGED
    assert drive.decisions[-1].closing.speed == 0.0


def test_no_last_command_where_none_is_wanted_none_was_issued_or_the_vehicle_has_its_own():
    drive = Drive(None, last_command="none")
    drive.run(3.0)
    drive.run(0.1, OperatorRequest(takeover=True))
    assert all(decision.closing is None for decision in drive.decisions)
    drive = Drive(None)
    drive.run(3.0, OperatorRequest(takeover=True))
    assert all(decision.closing is None for decision in drive.decisions), "it never commanded"
    drive = Drive(0.5, GateConfig(safe_behaviour="release"))
    drive.run(3.0)
    drive.run(1.0, policy=False)
    drive.run(0.1, OperatorRequest(takeover=True), policy=False)
    assert all(decision.closing is None for decision in drive.decisions[-60:])


def test_a_gate_that_ends_while_it_commands_has_a_last_command():
    drive = Drive(None)
    assert drive.guard.closing_command(drive.now) is None
    drive.run(3.0)
    assert drive.guard.closing_command(drive.now).speed == 0.0
