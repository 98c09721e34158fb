"""Steering in messages that have no wheel, over real DDS: types as apt brings them, generated."""

from __future__ import annotations

import contextlib
import importlib.util
import math
import sys
import time
from pathlib import Path

import pytest
from geometry_msgs.msg import Twist, TwistStamped
from rclpy.context import Context
from rclpy.node import Node

from liquid_control.config import VehicleConfig
from liquid_control.recordings.rosbag.definitions import KNOWN
from liquid_control.ros import conversions, qos
from liquid_control.ros.health import graph
from liquid_control.ros.steering_types import OPTIONAL_PACKAGES, STEERING
from liquid_control.signals import Action
from test.helpers import built_messages

KINDS = tuple(kind for kind in KNOWN if kind.startswith(OPTIONAL_PACKAGES))
NAMES = tuple(name for name, kind in STEERING.items() if kind in KINDS)
VEHICLE, ANGLE, SPEED = VehicleConfig(), 0.1, 3.0


@pytest.fixture(scope="module", autouse=True)
def packages(tmp_path_factory):
    """ackermann_msgs and autoware_control_msgs: those of the ROS installation, or built here."""
    with contextlib.ExitStack() as stack:
        if not all(map(importlib.util.find_spec, OPTIONAL_PACKAGES)):
            absent = built_messages.absent_tools()
            if absent:
                pytest.skip(f"needs {', '.join(absent)} to build {', '.join(OPTIONAL_PACKAGES)}")
            own = sys.prefix != sys.base_prefix
            cache = Path(sys.prefix) if own else tmp_path_factory.getbasetemp()
            stack.enter_context(built_messages.importable(KINDS, cache / "built_messages"))
        yield
        for name in [name for name in sys.modules if name.startswith(OPTIONAL_PACKAGES)]:
            del sys.modules[name]


@pytest.fixture
def base():
    """A node with a participant of its own: one participant has one type for each topic."""
    context = Context()
    context.init(args=[])
    node = Node("base", context=context, enable_rosout=False, start_parameter_services=False)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_a_command_that_nothing_listens_to_is_told_where_its_type_is_awaited(probe, base):
    """racecar#12: which topic of the mux is mine?"""
    base.create_subscription(TwistStamped, "mux/auto", lambda message: None, qos.COMMAND_IN)
    base.create_subscription(Twist, "mux/joy", lambda message: None, qos.COMMAND_IN)
    command = probe.create_publisher(TwistStamped, "unheard", qos.STATUS)
    probe.create_subscription(TwistStamped, "own_input", lambda message: None, qos.COMMAND_IN)
    probe.until(lambda: probe.count_subscribers("mux/auto"), "the mux")
    assert graph.listeners(probe, command).elsewhere == ("/mux/auto",)
    base.create_subscription(TwistStamped, "unheard", lambda message: None, qos.COMMAND_IN)
    probe.until(lambda: probe.count_subscribers("unheard"), "the mux")
    assert graph.listeners(probe, command).elsewhere == ()
    probe.destroy_publisher(command)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_the_type_is_one_that_is_written_and_read_back(name):
    kind = conversions.steering_type(name)
    assert conversions.type_name(kind) == STEERING[name]
    action = Action(1_700_000_000_123_456_789, math.tan(ANGLE) / VEHICLE.wheelbase, SPEED)
    message = conversions.action_message(action, kind, VEHICLE)
    back = conversions.action_from_message(message, VEHICLE, received_ns=5)
    assert (back.stamp_ns, back.speed) == (action.stamp_ns, SPEED)
    assert back.curvature == pytest.approx(action.curvature, abs=1e-7), "float32"
    if name == "autoware":
        assert message.stamp == message.lateral.stamp == message.longitudinal.stamp
        assert not message.lateral.is_defined_steering_tire_rotation_rate
        assert not message.longitudinal.is_defined_acceleration


@pytest.mark.parametrize("name", NAMES)
def test_the_gate_takes_and_gives_the_type_over_dds_and_names_a_listener_of_another(
    name, start, probe, base
):
    start(
        "safety_node",
        proposal_type=name,
        command_type=name,
        engagement__needs_speed=False,
        engagement__healthy_for=0.0,
        engagement__lowest_rate=0.0,
        gate__max_speed=SPEED,
    )
    kind = conversions.steering_type(name)
    commands = probe.listen(kind, "command")
    base.create_subscription(Twist, "command", lambda message: None, qos.COMMAND_IN)
    sent = math.tan(ANGLE) / VEHICLE.wheelbase

    def said() -> bool:
        now = time.time_ns()
        probe.send("proposal", conversions.action_message(Action(now, sent, SPEED), kind, VEHICLE))
        probe.spin(0.04)
        part = probe.diagnostics.get("safety_node", {}).get("command", "")
        return bool(commands) and "/base listens" in part

    probe.until(said, "the start-up check")
    part = probe.diagnostics["safety_node"]
    found = f"/base listens for geometry_msgs/msg/Twist on /command, published is {STEERING[name]}"
    assert part["command"] == f"ERROR: {found}"
    assert "set command_type: twist," in part["command: remedy type /base"]

    def arrived() -> bool:
        said()
        command = conversions.command_from_message(commands[-1][0], VEHICLE, 0)
        return abs(command.steering_angle - ANGLE) < 1e-6 and abs(command.speed - SPEED) < 1e-6

    probe.until(arrived, "the proposal as a command")
    latest, arrival = commands[-1]
    issued = conversions.command_from_message(latest, VEHICLE, 0).issued_ns
    assert 0 <= arrival - issued < 5e9, "its stamp is the time of issue"
    assert probe.count("safety_node", "refused_proposal") == 0
