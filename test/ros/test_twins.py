"""Two nodes of one name: gates started twice, policies started twice, and a policy and a gate that
were replaced, over DDS."""

from __future__ import annotations

import signal
import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.node import Node
from std_srvs.srv import Trigger

from liquid_control.config import VehicleConfig
from liquid_control.ros import conversions, qos
from liquid_control.signals import Action

TWICE = "a second time (started twice, or left by a launch that crashed)"


@pytest.fixture
def gate(start, probe):
    """`gate()` starts a gate and waits for it; `gate.states` are all states that were heard, each
    with its reason."""

    def run():
        heard = len(states)
        process = start("safety_node")
        probe.until(lambda: len(states) > heard, "a gate")
        return process

    run.states = states = []
    probe.create_subscription(
        DiagnosticStatus,
        "safety_node/state",
        lambda message: states.append((message.message, message.values[0].value)),
        qos.LATCHED,
    )
    return run


def propose(publisher) -> None:
    action = Action(time.time_ns(), 0.007, 8.0)
    publisher.publish(conversions.action_message(action, TwistStamped, VehicleConfig()))


def test_two_gates_of_one_name_are_a_fault_for_both_and_a_replaced_one_is_none(gate, probe):
    first, fault = gate(), ("fault", f"others command the vehicle: /safety_node {TWICE}")
    first.send_signal(signal.SIGKILL)
    first.wait()
    gate.states.clear()
    gate()
    probe.spin(1.0)
    assert fault[0] not in dict(gate.states), "the gate before it is dead"
    second = gate()
    probe.until(lambda: gate.states.count(fault) == 2, "the fault of both")
    second.send_signal(signal.SIGINT)
    second.wait()
    probe.spin(0.6)  # the first looks for others twice a second
    gate.states.clear()
    assert probe.call(Trigger, "safety_node/acknowledge", Trigger.Request()).success
    probe.until(lambda: gate.states and gate.states[-1][0] == "disengaged", "the end of the fault")


def test_policies_of_one_name_are_a_fault_when_both_propose(gate, probe):
    gate()
    nodes = [Node("policy_node", namespace="robot") for _ in range(2)]
    publishers = [
        node.create_publisher(TwistStamped, "/proposal", qos.command_out(0.2, 0.2))
        for node in nodes
    ]
    try:
        for publisher in publishers:
            probe.until(lambda one=publisher: one.get_subscription_count() > 0, "the gate")
        for publisher in publishers:  # the first is silent from then on, as if it was killed
            for _ in range(10):
                propose(publisher)
                probe.spin(0.05)
        assert "fault" not in dict(gate.states)
        end = time.monotonic() + 15.0
        while "fault" not in dict(gate.states):
            assert time.monotonic() < end
            for publisher in publishers:
                propose(publisher)
                probe.spin(0.02)
        assert gate.states[-1] == (
            "fault",
            f"several nodes propose: /robot/policy_node, /robot/policy_node {TWICE}",
        )
    finally:
        for node in nodes:
            node.destroy_node()
