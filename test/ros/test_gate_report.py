"""What the gate's node says of itself on /diagnostics, without any other node."""

from __future__ import annotations

import time

import pytest
from rclpy.parameter import Parameter

from liquid_control.control.engagement import State
from liquid_control.ros import diagnostics
from liquid_control.ros.safety_node import SafetyNode
from liquid_control.signals import SteeringSample


@pytest.fixture
def gate():
    """`gate(name=value)`: a gate in this process that has decided once."""
    made = []

    def make(**overrides) -> SafetyNode:
        given = {"state_folder": "none", **overrides}
        parameters = [Parameter(name, value=value) for name, value in given.items()]
        made.append(SafetyNode(namespace="report", parameter_overrides=parameters))
        made[-1]._tick()
        return made[-1]

    yield make
    for node in made:
        node.destroy_node()


def rows(node: SafetyNode) -> dict[str, str]:
    """What is wrong, by part."""
    return {part.name: part.message for part in node._report().parts if part.problems}


def test_a_gate_that_waits_for_inputs_is_a_warning_by_itself(gate):
    node = gate()
    report = node._report()
    assert node.guard.engagement.state is State.DISENGAGED
    assert report.level == diagnostics.WARN
    assert report.message.startswith("disengaged: no proposal, no speed")
    assert rows(node) == {"command": "nothing listens to /report/command"}
    node.guard.engagement.state = State.ENGAGED
    assert rows(node)["command"].endswith("although engaged")


def test_what_keeps_the_operator_from_being_heard_or_remembered_is_a_row(gate, tmp_path):
    (tmp_path / "file").touch()
    node = gate(**{"joystick.takeover_button": 2, "state_folder": str(tmp_path / "file" / "x")})
    said = rows(node)["operator"]
    assert "no node publishes joy" in said and "x cannot be written" in said
    assert "operator: " in node._report().whole_message
    assert "operator" not in rows(gate())


def test_an_angle_in_degrees_is_a_row(gate):
    node = gate()
    now, steady = node.get_clock().now().nanoseconds, time.monotonic_ns()
    node.guard.push_steering_angle(SteeringSample(now, 12.0, None), now, steady)
    assert rows(node)["steering_angle"].startswith("12 rad was measured, the vehicle takes 0.55")
