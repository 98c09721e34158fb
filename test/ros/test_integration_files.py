"""The files for other people's systems, held against what the nodes really have: topics, types,
services, parameters and names of diagnostics."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Twist, TwistStamped
from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from std_msgs.msg import Bool

from liquid_control.ros import launch_arguments, launching, parameters, qos
from liquid_control.ros.conversions import type_name
from liquid_control.ros.health.messages import HARDWARE
from liquid_control.ros.measurements import SpeedInput
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.parameter_files import merged, read_sections
from liquid_control.ros.policy_node import PolicyNode
from liquid_control.ros.safety_node import SafetyNode
from liquid_control.ros.steering_types import STEERING
from liquid_control.ros.takeover_topics import TAKEOVER_TOPICS

CONFIG = Path(__file__).resolve().parents[2] / "config"
FILES = CONFIG.parent / "integration"
KEPT = Parameter("state_folder", value="none")


class Ends(NamedTuple):
    """Of both nodes: message class by topic published and subscribed to, type by service, names of
    the nodes, and what they say on /diagnostics."""

    published: dict[str, type]
    subscribed: dict[str, type]
    services: dict[str, list[str]]
    nodes: tuple[str, ...]
    diagnostics: list

    @property
    def topics(self) -> dict[str, type]:
        return self.subscribed | self.published


@pytest.fixture(scope="module")
def ends(model) -> Ends:
    """Of a gate and an active policy in this process."""
    gate = SafetyNode(parameter_overrides=[KEPT])
    given = {"model": str(model), "saliency_rate": 1.0, "publish_neurons": True}
    policy = PolicyNode(
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()]
    )
    assert policy.start()
    said: list = []
    gate.create_subscription(
        DiagnosticArray, "/diagnostics", lambda message: said.extend(message.status), qos.STATUS
    )
    executor = SingleThreadedExecutor()
    for node in (gate, policy):
        executor.add_node(node)
    while len({status.name for status in said}) < 2:
        executor.spin_once(timeout_sec=1.0)
    nodes = (gate, policy)
    published = {one.topic_name: one.msg_type for node in nodes for one in node.publishers}
    subscribed = {one.topic_name: one.msg_type for node in nodes for one in node.subscriptions}
    services = {
        name: kinds
        for node in nodes
        for name, kinds in gate.get_service_names_and_types_by_node(node.get_name(), "/")
    }
    names = tuple(node.get_fully_qualified_name() for node in nodes)
    yield Ends(published, subscribed, services, names, said)
    for node in nodes:
        node.destroy_node()


def written(name: str) -> dict:
    return yaml.safe_load((FILES / name).read_text())


def settings(name: str, node: str) -> dict:
    return written(name)[node]["ros__parameters"]


def launched(name: str) -> list[dict[str, str]]:
    """The arguments of each `ros2 launch liquid_control` in the comments of a file."""
    text = re.sub(r"\\\n# *", "", (FILES / name).read_text())
    lines = re.findall(r"# *ros2 launch liquid_control drive\.launch\.py(.*)", text)
    return [dict(word.split(":=") for word in shlex.split(line)) for line in lines]


def drive(**arguments: str):
    table = {name: argument.default for name, argument in launch_arguments.DRIVE.items()}
    assert arguments.keys() <= table.keys()
    return launching.drive(table | arguments)


@pytest.mark.parametrize("path", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_every_file_is_read_as_what_it_is(path):
    content = path.read_text()
    assert json.loads(content) if path.suffix == ".json" else yaml.safe_load(content)
    page = (CONFIG.parent / "doc" / "integration.md").read_text()
    assert path.name in page, "and described"


def test_the_mux_takes_the_gates_command_and_its_locks_are_the_gates_takeovers(ends):
    mux = settings("twist_mux.yaml", "twist_mux")
    ours, other = mux["topics"]["liquid_control"], mux["topics"]["teleop"]
    kind = ends.published[f"/{ours['topic']}"]
    assert kind is (TwistStamped if mux["use_stamped"] else Twist)
    assert f"/{other['topic']}" not in ends.topics, "it is not ours"
    locks = mux["locks"].values()
    assert {lock["topic"] for lock in locks} == {*TAKEOVER_TOPICS.values()}
    for lock in locks:
        assert ends.subscribed[f"/{lock['topic']}"] is Bool
        assert ours["priority"] < lock["priority"] < other["priority"]
    slowest = 1.0 / NODES["safety_node"][0].defaults.rate
    assert 2 * slowest < ours["timeout"] < 0.5


def test_the_ackermann_mux_takes_the_topic_that_the_launch_gives_the_gate():
    [arguments] = launched("ackermann_mux.yaml")
    gate, _ = drive(**arguments)
    mux = settings("ackermann_mux.yaml", "ackermann_mux")
    assert mux["topics"]["navigation"]["topic"] == gate.topics["command"]
    assert STEERING[gate.parameters["command_type"]].endswith("AckermannDriveStamped")
    assert mux["topics"]["navigation"]["priority"] < mux["topics"]["joystick"]["priority"]


def test_the_lifecycle_manager_manages_nodes_with_a_lifecycle_and_no_bond(ends):
    manager = settings("nav2_lifecycle_manager.yaml", "lifecycle_manager_liquid_control")
    assert manager["bond_timeout"] == 0.0
    for name in manager["node_names"]:
        for service, kind in (("get_state", GetState), ("change_state", ChangeState)):
            assert ends.services[f"/{name}/{service}"] == [f"lifecycle_msgs/srv/{kind.__name__}"]
    with_one = {name.split("/")[1] for name in ends.services if name.endswith("/change_state")}
    assert set(manager["node_names"]) == with_one, "and all of them"
    [arguments] = launched("nav2_lifecycle_manager.yaml")
    assert drive(**arguments)[1].parameters["autostart"] is False
    given = settings("nav2_lifecycle_manager.yaml", "policy_node")
    [start, *_] = parameters.read(NODES["policy_node"], given)
    assert not start.autostart


def test_ros2_control_gets_its_reference_from_the_gate(ends):
    [arguments] = launched("ros2_control.yaml")
    gate, policy = drive(**arguments)
    kinds = settings("ros2_control.yaml", "controller_manager")
    [(controller, kind)] = kinds.items()
    assert kind["type"].startswith(controller)
    assert gate.topics["command"] == f"{controller}/reference"
    assert gate.topics["odom"] == policy.topics["odom"] == f"{controller}/odometry"
    assert ends.published["/command"] is TwistStamped and "command_type" not in gate.parameters
    given = settings("ros2_control.yaml", controller)
    assert given["wheelbase"] == gate.parameters["vehicle.wheelbase"]
    slowest = 1.0 / NODES["safety_node"][0].defaults.rate
    assert 2 * slowest < given["reference_timeout"] < 0.5


def test_autoware_gets_control_and_gives_its_reports():
    [arguments] = launched("autoware.yaml")
    gate, policy = drive(**arguments | {"params": str(FILES / "autoware.yaml")})
    assert STEERING[gate.parameters["command_type"]] == "autoware_control_msgs/msg/Control"
    assert gate.topics["command"].startswith("/control/command/")
    assert gate.topics["steering_angle"] != "steering_angle"
    for node in (gate, policy):
        read = parameters.read(NODES[node.executable], node.parameters)
        [speed] = [config for config in read if isinstance(config, SpeedInput)]
        assert speed.type.endswith("/VelocityReport")
    assert gate.topics["odom"] == policy.topics["odom"]


SIMULATED = {"sim_node"}
"""Nodes that no robot has."""


def unlike(group: dict, names: set[str]) -> set[str]:
    """Nodes that not exactly one analyzer takes, and analyzers that take not exactly one node."""
    takes = {
        key: [name for name in names for part in one["contains"] if part in name]
        for key, one in group.items()
    }
    found = [name for each in takes.values() for name in each]
    wrong = {name for name in names if found.count(name) != 1}
    return wrong | {key for key, each in takes.items() if len(each) != 1}


def test_the_aggregator_knows_each_node_by_the_name_of_its_status(ends):
    group = settings("diagnostic_aggregator.yaml", "analyzers")["driving"]["analyzers"]
    driving = {status.name for status in ends.diagnostics}
    assert driving == set(ends.nodes)
    names = {f"/{name}" for name in NODES.keys() - SIMULATED}
    assert driving < names
    for namespace in ("", "/car1"):
        assert unlike(group, {namespace + name for name in names}) == set()
    needed = {one["contains"][0] for one in group.values() if one["num_items"] == 1}
    assert needed == {name.lstrip("/") for name in driving}, "the others may be absent"
    assert all(one["timeout"] > 2.0 for one in group.values()), "once a second, one may be lost"


@pytest.mark.parametrize("name", sorted(NODES.keys() - SIMULATED))
def test_an_aggregator_that_lacks_a_node_is_found(name):
    group = settings("diagnostic_aggregator.yaml", "analyzers")["driving"]["analyzers"]
    without = {key: one for key, one in group.items() if one["contains"] != [name]}
    assert unlike(without, {f"/{each}" for each in NODES.keys() - SIMULATED}) == {f"/{name}"}


def fields(kind: type, path: list[str]) -> None:
    """Raises where a message has no such field."""
    message = kind()
    for name in path:
        message = getattr(message, name)
    assert isinstance(message, (float, int, str, bool))


def test_foxgloves_panels_show_and_use_what_is_there(ends):
    layout = json.loads((FILES / "foxglove.json").read_text())
    panels = layout["configById"]

    def leaves(node):
        if isinstance(node, str):
            return [node]
        assert node["direction"] in ("row", "column")
        return leaves(node["first"]) + leaves(node["second"])

    assert sorted(leaves(layout["layout"])) == sorted(panels), "each panel is shown once"
    seen = set()
    for name, panel in panels.items():
        kind = name.partition("!")[0]
        seen.add(kind)
        if kind == "Image":
            topic = panel["imageMode"]["imageTopic"]
            assert ends.topics[topic].__name__ in ("Image", "CompressedImage")
        elif kind == "Plot":
            for line in panel["paths"]:
                topic, *path = line["value"].split(".")
                fields(ends.topics[topic], path)
        elif kind == "RawMessages":
            assert panel["topicPath"] in ends.published
        elif kind == "DiagnosticSummary":
            assert ends.published[panel["topicToRender"]] is DiagnosticArray
            assert panel["pinnedIds"] == [f"{HARDWARE} | {name}" for name in ends.nodes]
        elif kind == "Publish":
            assert type_name(ends.subscribed[panel["topicName"]]) == panel["datatype"]
            ends.subscribed[panel["topicName"]](**json.loads(panel["value"]))
        else:
            assert kind == "CallService" and panel["requestPayload"] == "{}"
            assert ends.services[panel["serviceName"]] == ["std_srvs/srv/Trigger"]
    assert len(seen) == 6


def test_rviz_shows_topics_of_these_types(ends):
    displays = written("liquid_control.rviz")["Visualization Manager"]["Displays"]
    shown = {one["Class"].rpartition("/")[2]: one["Topic"] for one in displays if "Topic" in one}
    assert shown
    for kind, topic in shown.items():
        assert ends.topics[topic["Value"]].__name__ == kind
        assert topic["Reliability Policy"] == "Best Effort", "as sensors are published"


@pytest.mark.parametrize("vehicle", sorted(path.stem for path in (CONFIG / "vehicles").iterdir()))
def test_every_vehicle_is_within_the_bounds_of_both_nodes(vehicle):
    for node in drive(vehicle=vehicle):
        parameters.read(NODES[node.executable], node.parameters)
    assert f"{vehicle}" in launch_arguments.FILES["vehicle"].description


def test_a_wheelbase_of_a_tenth_and_bends_of_six_are_within_the_bounds(tmp_path):
    own = {"vehicle": {"wheelbase": 0.1, "max_steering_angle": 0.541}}  # atan(0.1 m x 6 1/m)
    own["gate"] = {"max_steering_angle": 0.541, "max_speed": 0.3}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": own}}))
    for node in drive(vehicle=str(path)):
        parameters.read(NODES[node.executable], node.parameters)
        assert merged(read_sections(path), node.full_name)["vehicle.wheelbase"] == 0.1
