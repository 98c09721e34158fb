"""The start-up check of topics and settings, what a strict gate holds against engaging, and how it
is shown and sent. Pure: no node runs."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import SimpleNamespace

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.duration import Duration
from rclpy.qos import QoSProfile

from liquid_control.cli import main as cli
from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.ros import qos
from liquid_control.ros.diagnostics import ERROR, OK, WARN, Report, status
from liquid_control.ros.health import live
from liquid_control.ros.health.announcer import Announcer
from liquid_control.ros.health.gate import GateHealth, Known
from liquid_control.ros.health.graph import refusal
from liquid_control.ros.health.live import NodeReport
from liquid_control.ros.health.messages import HARDWARE, part_values, parts_in, statuses
from liquid_control.ros.health.part import Level, Part, Problem, table
from liquid_control.ros.health.settings import (
    DrivingSettings,
    judge_settings,
    parameter_parts,
    settings_part,
)
from liquid_control.ros.health.topics import Endpoint, Topic, judge_listeners, judge_sources

NOW = 1_796_000_000 * 10**9
VEHICLE, LIMITS = VehicleConfig(), GateConfig()


def endpoint(node="/camera", kind="K", process=b"1", refused="") -> Endpoint:
    return Endpoint(node, kind, "reliable", process, refused)


def topic(*others: Endpoint, kind="K", elsewhere=()) -> Topic:
    return Topic("/topic", kind, "best effort", others, elsewhere)


def codes(problems) -> list[str]:
    return [problem.code for problem in problems]


def test_a_publisher_of_another_type_is_named_with_both_types():
    image, compressed = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    (problem,) = judge_sources(topic(endpoint(kind=compressed), kind=image), Level.ERROR)
    assert problem.level is Level.ERROR and "image_transport: compressed" in problem.remedy
    assert problem.text == f"/camera publishes {compressed} on /topic, subscribed is {image}"
    (problem,) = judge_sources(topic(endpoint(kind=image), kind=compressed), Level.ERROR)
    assert problem.remedy == "set image_transport: raw"
    twist = "geometry_msgs/msg/Twist"
    problem, unheard = judge_listeners(topic(endpoint("/base", twist)), driving=True)
    assert "/base listens for geometry_msgs/msg/Twist" in problem.text
    assert "command_type" in problem.remedy and "although engaged" in unheard.text
    tool, base = endpoint("/_ros2cli_77"), endpoint("/base")
    assert codes(judge_listeners(topic(tool, endpoint("/rosbag2_recorder")), True)) == ["unheard"]
    assert not codes(judge_listeners(topic(tool, base), True))
    (unheard,) = judge_listeners(topic(kind=twist, elsewhere=("/cmd_vel", "/mux/auto")), False)
    assert unheard.remedy == f"{twist} is listened to on /cmd_vel, /mux/auto: remap to it"


@pytest.mark.parametrize(
    "ours, theirs, remedy",
    [
        (
            "nav_msgs/msg/Odometry",
            "geometry_msgs/msg/TwistStamped",
            "set measured_speed.type: geometry_msgs/msg/TwistStamped",
        ),
        (
            "nav_msgs/msg/Odometry",
            "my_msgs/msg/Wheels",
            "set measured_speed.type: my_msgs/msg/Wheels with the number in measured_speed.field",
        ),
        (
            "std_msgs/msg/Float64",
            "sensor_msgs/msg/JointState",
            "set measured_angle.type: sensor_msgs/msg/JointState",
        ),
    ],
)
def test_another_type_of_speed_or_angle_names_the_parameter_that_reads_it(ours, theirs, remedy):
    (problem,) = judge_sources(topic(endpoint(kind=theirs), kind=ours), Level.WARN)
    assert problem.level is Level.ERROR and problem.remedy == remedy


def test_publishers_that_are_missing_refused_or_several():
    (problem,) = judge_sources(topic(elsewhere=("/zed/imu",)), Level.WARN)
    assert problem.level is Level.WARN and "/zed/imu" in problem.remedy
    assert not list(judge_sources(topic(), None))
    assert codes(judge_sources(topic(endpoint(refused="why")), Level.WARN)) == ["qos /camera"]
    assert codes(judge_sources(topic(endpoint(), endpoint("/b")), Level.WARN)) == ["several"]
    assert not codes(judge_sources(topic(endpoint(), endpoint()), Level.WARN)), "one process"
    nameless = endpoint("a node without a name", process=b"2")
    assert not codes(judge_sources(topic(endpoint(), nameless), Level.WARN))
    twin = topic(endpoint(), endpoint(process=b"2"))
    assert not codes(judge_sources(twin, Level.WARN, several_for=20.0)), "it may have been killed"
    assert codes(judge_sources(twin, Level.WARN, several_for=26.0)) == ["several"]


@pytest.mark.parametrize(
    ("publisher", "subscription", "words"),
    [
        (qos.CAMERA, qos.CAMERA, ""),
        (qos.STATUS, qos.INERTIAL, ""),
        (qos.LATCHED, qos.STATUS, ""),
        (qos.CAMERA, qos.COMMAND_IN, "the publisher is best effort"),
        (qos.STATUS, qos.LATCHED, "the subscription is latched"),
        (QoSProfile(depth=1), QoSProfile(depth=1, deadline=Duration(seconds=0.1)), "'s none"),
        (QoSProfile(depth=1, deadline=Duration(seconds=0.1)), QoSProfile(depth=1), ""),
        (
            qos.command_out(0.2, 0.2),
            QoSProfile(depth=1, deadline=Duration(seconds=0.1)),
            "deadline is 0.1 s, the publisher's 0.2 s",
        ),
    ],
)
def test_what_dds_does_not_connect(publisher, subscription, words):
    assert words in refusal(publisher, subscription)
    assert bool(refusal(publisher, subscription)) == bool(words)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({}, []),
        ({"vehicle": VehicleConfig(wheelbase=0.3)}, ["wheelbase"]),
        ({"vehicle": VehicleConfig(max_steering_angle=0.4)}, ["max_steering_angle"]),
        ({"speed": LIMITS.max_speed}, []),
        ({"speed": LIMITS.max_speed + 0.1}, ["speed"]),
        ({"comfort_lateral_acceleration": 3.1}, ["comfort_lateral_acceleration"]),
    ],
)
def test_settings_of_policy_and_gate_that_disagree(changed, code):
    settings = dataclasses.replace(DrivingSettings(VEHICLE, 15.0, 2.5), **changed)
    facts = settings_part(settings, checked=True).facts
    found = list(judge_settings(facts, VEHICLE, LIMITS))
    assert codes(found) == code
    if code == ["wheelbase"]:
        assert found[0].text == "vehicle.wheelbase is 0.3 m in the policy, 2.6 in the gate"


def test_a_small_robot_under_the_limits_of_a_car_is_named():
    robot = VehicleConfig(0.13, 0.9)
    facts = settings_part(DrivingSettings(robot, 0.3, 0.5), checked=True).facts
    (found,) = judge_settings(facts, robot, GateConfig())
    assert found.code == "max_speed" and "0.0075 1/m" in found.text
    assert not list(judge_settings(facts, robot, GateConfig(max_speed=0.4)))
    assert not list(judge_settings({}, VehicleConfig(), GateConfig(max_speed=60.0)))


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def second(
    gate: GateHealth,
    clock: Clock,
    policy=(),
    offset=0.0,
    believed=True,
    rate=50,
    angle=True,
    known=Known(),  # noqa: B008  frozen
):
    """A second of odometries, `offset` [s] off, angles without a stamp, and proposals; then the
    gate's parts by name."""
    for index in range(50):
        now = NOW + round(clock.seconds * 1e9) + index * 20_000_000
        stamp = now + round(offset * 1e9)
        header = SimpleNamespace(stamp=SimpleNamespace(nanosec=7), frame_id="odom")
        message = SimpleNamespace(header=header, child_frame_id="base_link")
        if index % (50 // rate) == 0:
            gate.hear(gate.odometry, message, stamp, now, believed)
        gate.hear(gate.angles, SimpleNamespace(data=0.1), now, now, angle)
        gate.hear(gate.proposals, message, now, now)
    if policy:
        gate.hear_policy(policy)
    clock.seconds += 1.0
    gate.turn()
    names = ("odometry", "steering_angle", "proposal", "command")
    kinds = {name: topic(endpoint(f"/{name}")) for name in names}
    return {part.name: part for part in gate.parts(kinds, False, VEHICLE, LIMITS, known)}


def checked(*parts: Part, settled=True) -> tuple[Part, ...]:
    return *parts, settings_part(DrivingSettings(VEHICLE, 15.0, 2.5), settled)


def test_a_strict_gate_waits_for_the_check_and_objects_to_what_it_finds():
    clock = Clock()
    gate = GateHealth(clock=clock)
    assert "not heard on policy_health" in gate.objections()[0]
    second(gate, clock, checked(settled=False))
    assert gate.objections() == ("the start-up check is not finished",)
    second(gate, clock, checked())
    assert gate.objections() == ("the start-up check is not finished",), "its own is not"
    second(gate, clock, checked())
    assert gate.objections() == () and gate.complete
    imu = Part("imu", {}, (Problem("clock", Level.WARN, "stamps 0.5 s behind ours", ""),))
    second(gate, clock, checked(imu))
    assert gate.objections() == ("imu: stamps 0.5 s behind ours",)
    second(gate, clock, checked())
    assert gate.objections() == ()
    clock.seconds += 4.0
    assert "not heard" in gate.objections()[0], "the policy's check is too old"


def test_parameters_that_no_node_declares_are_a_part():
    assert parameter_parts(()) == ()
    clock = Clock()
    gate = GateHealth(parameter_parts(["gate.max_sped: no node declares it"]), clock)
    for _ in range(3):
        second(gate, clock, checked())
    assert gate.objections() == ("parameters: gate.max_sped: no node declares it",)


def test_an_odometry_that_the_gate_does_not_believe_is_named_with_its_clock():
    clock = Clock()
    gate = GateHealth(clock=clock)
    for _ in range(3):
        parts = second(gate, clock, checked(), offset=-0.6, believed=False)
    assert parts["odometry"].level is Level.WARN
    assert parts["odometry"].message.startswith("stamps 0.6 s behind ours; all messages")
    assert gate.objections()[0].startswith("odometry: stamps 0.6 s behind ours")
    gate = GateHealth(clock=clock)
    for _ in range(3):
        parts = second(gate, clock, checked(), believed=False)
    assert parts["odometry"].message.startswith("all messages are refused: stale, not finite")


def test_a_speed_that_is_too_slow_and_an_angle_that_is_not_believed():
    clock = Clock()
    gate = GateHealth(clock=clock)
    for _ in range(3):
        parts = second(gate, clock, checked(), rate=1)
    assert parts["odometry"].message == (
        "it comes 1.0 times a second, gate.speed_stale_after is 0.5 s"
    )
    assert parts["steering_angle"].level is Level.OK
    parts = second(gate, clock, checked(), rate=25)
    for _ in range(2):
        parts = second(gate, clock, checked(), rate=25, angle=False)
    assert parts["odometry"].level is Level.OK
    assert parts["steering_angle"].message.startswith("most messages are refused")


def test_a_strict_gate_objects_to_an_angle_in_doubt_though_its_messages_are_right():
    clock, degrees = Clock(), "12 rad was measured, the vehicle takes 0.55 at most"
    gate = GateHealth(clock=clock)
    for _ in range(3):
        parts = second(gate, clock, checked(), known=Known(angle=degrees))
    assert parts["steering_angle"].level is Level.WARN
    assert gate.objections() == (f"steering_angle: {degrees}",)
    second(gate, clock, checked())
    assert gate.objections() == ()


def test_a_strict_gate_objects_where_the_operator_is_not_heard():
    clock = Clock()
    gate = GateHealth(clock=clock)
    deaf = Known(operator=(Problem("joy", Level.WARN, "no node publishes joy", "start it"),))
    for _ in range(3):
        parts = second(gate, clock, checked(), known=deaf)
    assert parts["operator"].level is Level.WARN
    assert gate.objections() == ("operator: no node publishes joy",)
    assert "operator" not in second(gate, clock, checked()) and gate.objections() == ()


PARTS = (
    Part("camera", {"topic": "/camera", "rate": "30.0 Hz", "more": ""}),
    Part("imu", {"topic": "/imu"}, (Problem("clock", Level.WARN, "0.5 s behind", "set it"),)),
    Part("odometry", {}, (Problem("type /a", Level.ERROR, "wrong type", ""),)),
)


def test_parts_pass_through_a_nodes_status_unchanged():
    values = {"state": "engaged", "camera rate [Hz]": 30.0} | part_values(PARTS)
    said = status("/car/policy_node", HARDWARE, WARN, "driving", values)
    assert parts_in(said) == PARTS
    assert values["camera"] == "OK" and values["camera: rate"] == "30.0 Hz"
    assert values["imu"] == "WARN: 0.5 s behind" and values["imu: remedy clock"] == "set it"
    stranger = DiagnosticStatus(name="/driver", hardware_id="imu")
    assert statuses(DiagnosticArray(status=[stranger, said])) == (said,)


def test_what_is_wrong_with_a_part_is_in_the_nodes_level_and_message():
    report = Report(OK, "driving", {}, PARTS)
    assert report.whole_level == ERROR
    assert report.whole_message == "driving; imu: 0.5 s behind; odometry: wrong type"
    assert Report(OK, "driving", {}, PARTS[:1]).whole_level == OK
    assert Report(ERROR, "no picture", {}).whole_message == "no picture"


def test_the_table_shows_every_part_its_facts_and_its_problems():
    lines = table(PARTS).splitlines()
    assert lines[0].split()[:4] == ["part", "level", "topic", "type"]
    assert lines[1].split()[:3] == ["camera", "OK", "/camera"] and "30.0 Hz" in lines[1]
    assert lines[2].split()[:3] == ["imu", "WARN", "/imu"]
    assert lines[3:5] == ["    WARN: 0.5 s behind", "      -> set it"]


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __getattr__(self, level: str):
        return lambda line: self.lines.append((level, line))


def test_the_log_says_what_is_new_and_what_is_over_once():
    log = Log()
    announcer = Announcer(log)
    announcer.show(PARTS[:1])
    assert log.lines.pop()[0] == "info"
    announcer.tell(PARTS)
    assert log.lines == [
        ("warning", "imu: 0.5 s behind -> set it"),
        ("error", "odometry: wrong type -> "),
    ]
    moved = dataclasses.replace(PARTS[1].problems[0], text="0.6 s behind")
    announcer.tell((PARTS[0], dataclasses.replace(PARTS[1], problems=(moved,)), PARTS[2]))
    assert len(log.lines) == 2, "the same problem with another number"
    announcer.tell((PARTS[0], PARTS[2]))
    assert log.lines[2:] == [("info", "imu: no longer: 0.6 s behind")]


def test_the_live_check_is_healthy_only_if_both_nodes_are_there_and_right():
    settings = settings_part(DrivingSettings(VEHICLE, 15.0, 2.5), True)
    policy = NodeReport("/policy_node", Level.OK, "driving", (PARTS[0], settings))
    gate = NodeReport("/safety_node", Level.OK, "engaged", (Part("command", {}),))
    found = live.facts([gate, policy], "7")
    assert found["healthy"] and [node["name"] for node in found["nodes"]] == [
        "/policy_node",
        "/safety_node",
    ]
    assert "All that was heard is right." in live.text(json.loads(json.dumps(found)))
    bad = dataclasses.replace(policy, level=Level.WARN, parts=(*policy.parts, PARTS[1]))
    found = json.loads(json.dumps(live.facts([gate, bad], "7")))
    assert not found["healthy"] and "    WARN: 0.5 s behind" in live.text(found)
    found = live.facts([gate], "7")
    assert not found["healthy"] and found["missing"] == ["a policy node"]
    assert "no node of this package is" in live.text(live.facts([], "7"))


def test_without_ros_the_live_check_is_one_line(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "diagnostic_msgs.msg", None)
    assert cli.main(["doctor", "--live", "--seconds", "1.5"]) == 2
    said = capsys.readouterr()
    assert "Source a ROS 2 installation" in said.err and len(said.err.splitlines()) == 1
