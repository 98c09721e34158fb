"""Driving by hand through the gate: whose proposals count, and that the gate limits both."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.errors import ConfigError
from liquid_control.ros import conversions, qos
from liquid_control.ros.proposal_source import Driver, ProposalSource

MANUAL = EngagementConfig(engage="manual")


class Made:
    """Stands in for a node: keeps the callbacks of what is made."""

    def __init__(self) -> None:
        self.callbacks = {}

    def create_subscription(self, kind, topic, callback, profile) -> None:
        self.callbacks[topic] = callback

    def create_service(self, kind, name, callback) -> None:
        self.callbacks[name] = callback

    def ask(self, by_hand: bool) -> SimpleNamespace:
        return self.callbacks["~/drive_by_hand"](
            SetBool.Request(data=by_hand), SimpleNamespace(success=None, message="")
        )


def test_only_the_proposals_of_who_drives_count_and_that_changes_only_while_disengaged():
    node, taken, state = Made(), [], [State.DISENGAGED]
    source = ProposalSource(
        node, TwistStamped, True, MANUAL, lambda: state[0], lambda message: taken.append(message)
    )
    sender = {"publisher_gid": {"data": b"one"}}

    def both() -> list:
        taken.clear()
        source.from_policy("policy's")
        node.callbacks["manual"]("hand's", sender)
        return list(taken)

    assert both() == ["policy's"]
    for state[0] in set(State) - {State.DISENGAGED}:
        answer = node.ask(True)
        assert not answer.success and answer.message == f"{state[0].value}: take over first"
        assert node.ask(False).success, "who drives already may be named at any time"
        assert both() == ["policy's"]
    state[0] = State.DISENGAGED
    assert node.ask(True).success and both() == ["hand's"]
    state[0] = State.ENGAGED
    assert not node.ask(False).success and both() == ["hand's"]
    state[0] = State.DISENGAGED
    assert node.ask(False).success and both() == ["policy's"]


def test_two_nodes_that_drive_by_hand_in_turns_are_a_conflict_one_that_was_replaced_is_none():
    node = Made()
    source = ProposalSource(
        node, TwistStamped, True, MANUAL, lambda: State.DISENGAGED, lambda message: None
    )

    def hear(gid: bytes) -> None:
        node.callbacks["manual"](None, {"publisher_gid": {"data": gid}})

    assert node.ask(True).success
    hear(b"one")
    hear(b"two")
    assert source.conflicts() == ()
    hear(b"one")
    assert source.conflicts() == ("several nodes drive by hand",)
    assert node.ask(False).success and source.conflicts() == (), "those of who does not drive"


def test_without_manual_there_is_neither_topic_nor_service_and_with_it_no_automatic_start():
    node = Made()
    source = ProposalSource(
        node,
        TwistStamped,
        False,
        EngagementConfig(),
        lambda: State.DISENGAGED,
        lambda message: None,
    )
    assert not node.callbacks and source.driver is Driver.POLICY
    with pytest.raises(ConfigError, match=r"engagement.engage: got 'automatic'.*manual"):
        ProposalSource(
            node,
            TwistStamped,
            True,
            EngagementConfig(),
            lambda: State.ENGAGED,
            lambda message: None,
        )


def test_a_person_drives_through_the_gate_and_the_policy_does_not_take_over(start, probe):
    """The real gate: a person's proposals are limited; when they end, the vehicle stops, although
    the policy's still come."""
    quick = {"engagement__healthy_for": 0.2, "engagement__soft_time": 0.1}
    start("safety_node", manual="true", engagement__engage="manual", gate__max_speed=5.0, **quick)
    states, commands = [], probe.listen(TwistStamped, "command")
    probe.create_subscription(DiagnosticStatus, "safety_node/state", states.append, qos.LATCHED)
    probe.until(lambda: states, "the gate")

    def say(seconds: float, hand: bool, until=lambda: False) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            now = conversions.header(time.time_ns())
            odometry = Odometry(header=now)
            odometry.twist.twist.linear.x = 2.0
            probe.send("odom", odometry)
            for topic, speed, yaw_rate in (("proposal", 1.0, -0.1), ("manual", 50.0, 0.2)):
                if topic == "proposal" or hand:
                    message = TwistStamped(header=now)
                    message.twist.linear.x, message.twist.angular.z = speed, yaw_rate
                    probe.send(topic, message)
            probe.spin(0.03)

    def latest() -> tuple[str, str]:
        values = {pair.key: pair.value for pair in states[-1].values}
        return states[-1].message, values["driver"]

    asked = SetBool.Request(data=True)
    assert probe.call(SetBool, "safety_node/drive_by_hand", asked).success
    probe.until(lambda: latest() == ("disengaged", "hand"), "the person's turn")
    say(0.7, hand=True)
    assert probe.call(Trigger, "safety_node/engage", Trigger.Request()).success
    say(15.0, hand=True, until=lambda: latest()[0] == "engaged")
    say(1.5, hand=True)
    assert latest() == ("engaged", "hand")
    last = commands[-1][0].twist
    assert last.linear.x == pytest.approx(5.0), "the gate's largest speed, of 50 asked"
    assert last.angular.z > 0, "the person's direction"
    asked = SetBool.Request(data=False)
    assert probe.call(SetBool, "safety_node/drive_by_hand", asked).success is False
    say(15.0, hand=False, until=lambda: latest()[0] == "degraded")
    say(0.5, hand=False)
    assert latest() == ("degraded", "hand"), "silence does not hand over to the policy"
    assert commands[-1][0].twist.linear.x < 4.0
    probe.send("takeover", Bool(data=True))
    say(5.0, hand=False, until=lambda: latest()[0] == "disengaged")
    assert probe.call(SetBool, "safety_node/drive_by_hand", asked).success
