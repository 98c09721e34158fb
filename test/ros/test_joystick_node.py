"""Driving with a joystick through the real gate: real processes, the pad's messages on `joy`."""

from __future__ import annotations

import contextlib
import signal
import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from sensor_msgs.msg import Joy

from liquid_control.ros import conversions, qos
from liquid_control.ros.pads.presets import find_preset

PRESET = find_preset("xbox")
QUICK = {"engagement__healthy_for": 0.2, "engagement__soft_time": 0.1, "gate__max_speed": 5.0}
PATIENT = {"engagement__proposal_stale_after": 0.9, "gate__stale_after": 1.0}
"""A busy machine keeps messages waiting; what is tested is what follows, not when."""
OPERATED = {
    "manual": "true",
    "engagement__engage": "manual",
    "engagement__dead_man": "true",
    "engagement__enable_stale_after": 1.0,
}


class Drive:
    """The gate, the joystick's node and a person with a pad."""

    def __init__(self, start, probe) -> None:
        self.probe, self.states, self.turn = probe, [], 0
        self._start, self.node = start, None
        start("safety_node", **OPERATED, **QUICK, **PATIENT)
        self.commands = probe.listen(TwistStamped, "command")
        self.proposed = probe.listen(TwistStamped, "manual")
        probe.create_subscription(
            DiagnosticStatus, "safety_node/state", self._hear_state, qos.LATCHED
        )

    def begin(self) -> None:
        """With the node running, and the gate disengaged."""
        if self.node is None or self.node.poll() is not None:
            given = {"source": "topic", "preset": "xbox", "hand_speed": 4.0}
            given["stick__still_after"] = 1.0
            self.node = self._start("joystick_node", **given)
            self.probe.until(
                lambda: "joystick_node" in dict(self.probe.get_node_names_and_namespaces()), "it"
            )
        self.probe.until(lambda: self.states, "the gate")
        self.probe.until(lambda: self.probe.count_subscribers("joy") > 1, "the joystick's node")
        self.hold(seconds=0.3)

    def _hear_state(self, message) -> None:
        values = {pair.key: pair.value for pair in message.values}
        self.states.append((message.message, values["driver"], time.monotonic()))

    def hold(
        self,
        *roles: str,
        steering=0.0,
        speed=0.0,
        seconds=0.0,
        until=None,
        alive=True,
        patience=20.0,
    ):
        """The person's hand; `alive`: it trembles, as a hand does."""
        end = time.monotonic() + (seconds or patience)
        while not (until and until()):
            if time.monotonic() >= end:
                assert until is None, f"waited in vain, {self.states[-2:]}"
                return
            self.turn += alive
            axes, buttons = [0.0] * PRESET.shape[0], [0] * PRESET.shape[1]
            for role, way in (("steering", steering), ("speed", speed)):
                index, sign = PRESET.axis(role)
                axes[index] = sign * way
            axes[2] = 0.01 * (self.turn % 2)
            for role in roles:
                buttons[PRESET.button(role)] = 1
            self.probe.send("joy", Joy(axes=axes, buttons=buttons))
            self.odometry()

    def odometry(self, seconds: float = 0.02) -> None:
        odometry = Odometry(header=conversions.header(time.time_ns()))
        odometry.twist.twist.linear.x = 2.0
        self.probe.send("odom", odometry)
        self.probe.spin(seconds)

    def engaged(self) -> bool:
        return self.states[-1][:2] == ("engaged", "hand")

    def ended(self) -> bool:
        return self.states[-1][0] == "disengaged"

    def take_the_wheel(self) -> None:
        for _ in range(4):
            self.hold(seconds=0.3)
            with contextlib.suppress(AssertionError):
                self.hold("hold", until=self.engaged, patience=5.0)
                return
        assert self.engaged(), self.states[-3:]


@pytest.fixture(scope="module")
def shared(start_for_all, probe_for_all):
    return Drive(start_for_all, probe_for_all)


@pytest.fixture
def drive(shared):
    shared.begin()
    return shared


def test_the_sticks_drive_through_the_gate_while_the_button_is_held(drive):
    drive.hold(steering=1.0, speed=0.0, seconds=1.0)
    assert drive.ended() and not drive.commands, "not without the button"
    drive.take_the_wheel()
    drive.hold("hold", steering=0.4, speed=1.0, seconds=2.5)
    last = drive.commands[-1][0].twist
    assert last.linear.x == pytest.approx(4.0), "hand_speed, at the stick's end"
    assert last.angular.z > 0.0, "to the left"
    drive.hold("hold", steering=-1.0, speed=0.5, seconds=1.5)
    assert drive.commands[-1][0].twist.angular.z < 0.0
    assert 0.0 < drive.commands[-1][0].twist.linear.x < 4.0
    drive.hold(steering=-1.0, speed=0.5, until=drive.ended)
    speeds = [message.twist.linear.x for message, _ in drive.proposed[-20:]]
    assert speeds[-1] == 0.0 < max(speeds), "a last proposal to stand"
    count = len(drive.commands)
    drive.hold(steering=-1.0, speed=0.5, seconds=0.5)
    assert len(drive.commands) <= count + 1 and drive.commands[-1][0].twist.linear.x == 0.0
    drive.take_the_wheel()
    drive.hold(until=drive.ended)


@pytest.mark.parametrize("how", ["repeated", "silent", "killed", "ended"])
def test_a_pad_that_is_gone_is_a_takeover_and_stays_one(drive, how):
    """joystick_drivers#92, osr-rover-code#70, turtlebot_apps#55, f1tenth_system#8: no last command
    for ever, and no sudden autonomy."""
    drive.take_the_wheel()
    drive.hold("hold", speed=1.0, seconds=1.0)
    assert drive.engaged() and drive.commands[-1][0].twist.linear.x > 1.0
    if how in ("killed", "ended"):
        drive.node.send_signal(signal.SIGKILL if how == "killed" else signal.SIGINT)
    if how == "repeated":
        drive.hold("hold", speed=1.0, until=drive.ended, alive=False)
        drive.hold("hold", speed=1.0, seconds=1.0, alive=False)
    else:
        drive.probe.until(lambda: drive.odometry() or drive.ended(), "the takeover")
        for _ in range(20):
            drive.odometry(0.05)
    assert drive.ended() and drive.commands[-1][0].twist.linear.x == 0.0
    if how in ("repeated", "silent"):
        drive.hold("hold", speed=0.0, seconds=0.7)
        assert drive.ended(), "back, with the button still held"
        drive.take_the_wheel()
        drive.hold(until=drive.ended)
    else:
        drive.node.wait()


def test_buttons_take_over_and_stop_whoever_drives(drive):
    drive.take_the_wheel()
    drive.hold("hold", "takeover", seconds=0.5)
    assert drive.ended()
    drive.take_the_wheel()
    drive.hold("hold", "emergency_stop", until=lambda: drive.states[-1][0] == "fault")
