"""Two servers of the page on one robot, over DDS."""

from __future__ import annotations

import subprocess
import sys

import pytest
from rclpy.parameter import Parameter

from liquid_control.ros.operator_node import OperatorNode


@pytest.fixture
def first():
    node = OperatorNode(parameter_overrides=[Parameter("port", value=0)])
    yield node
    node.destroy_node()


def test_a_second_server_does_not_start_and_while_two_are_there_no_page_begins_to_drive(
    first, probe
):
    words = [
        sys.executable,
        "-m",
        "liquid_control.ros.operator_node",
        "--ros-args",
        "-p",
        "port:=0",
    ]
    second = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    seen = set()

    def has_ended() -> bool:
        first._look_for_others()
        seen.add(first.server.objection)
        return second.poll() is not None

    probe.until(has_ended, "its end", patience=60.0)
    said = second.stderr.read()
    assert second.returncode == 1, said
    assert "another server of the page: /operator_node a second time" in said
    assert "which ends: one at a time" in said and "Traceback" not in said
    assert seen - {""} == {
        "another server of the page: /operator_node a second time (started twice, or left by a "
        "launch that crashed)"
    }
    probe.until(lambda: not first._other_servers(), "the way free", patience=60.0)
    first._look_for_others()
    assert not first.server.objection


def test_nodes_of_other_robots_are_none(first):
    other = OperatorNode(namespace="car1", parameter_overrides=[Parameter("port", value=0)])
    try:
        assert not other._other_servers() and not first._other_servers()
    finally:
        other.destroy_node()
