"""From launch arguments to actions of ROS's launch, and what the end of a node means for the
others."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from liquid_control.errors import ConfigError, MissingDependencyError
from liquid_control.ros import launch_arguments
from liquid_control.ros.exit_codes import CRASHED, FAILED_START

ROOT = Path(__file__).resolve().parents[2]
BAG, SETUP = str(ROOT / "test" / "golden" / "bags" / "s_bend"), (ROOT / "setup.py").read_text()
FILES = {
    "drive.launch.py": launch_arguments.ROBOT,
    "safety.launch.py": launch_arguments.SAFETY,
    "sim.launch.py": launch_arguments.SIM,
    "replay.launch.py": launch_arguments.REPLAY,
}


@pytest.mark.parametrize("name", FILES)
def test_arguments_are_declared_with_default_and_description(described, name):
    declared, _ = described(name)
    assert set(declared) == set(FILES[name])
    for named in declared.values():
        assert len(named["description"]) > 15 and named["description"].endswith(".")
        assert isinstance(named["default_value"], str), "everything starts without arguments"
        assert named["choices"] is None or named["default_value"] in named["choices"]


@pytest.mark.parametrize(
    "name, executables",
    [
        ("drive.launch.py", ["safety_node", "policy_node"]),
        ("safety.launch.py", ["safety_node"]),
        ("sim.launch.py", ["safety_node", "policy_node", "sim_node"]),
        ("replay.launch.py", ["safety_node", "policy_node"]),
    ],
)
def test_nodes_are_ours_with_parameters_that_exist(described, node_configs, name, executables):
    _, start = described(name, bag=BAG, model="lane_keeper", command_type="twist", namespace="car1")
    nodes = [action.named for action in start() if action.called == "Node"]
    assert [named["executable"] for named in nodes] == executables
    for named in nodes:
        assert named["package"] == "liquid_control" and named["name"] == named["executable"]
        assert f"{named['executable']} = " in SETUP, "the executables that are installed"
        assert named["namespace"] == "/car1" and named["output"] == "screen"
        *files, values = named["parameters"]
        assert len(files) == 2 and all(Path(file).is_file() for file in files)
        known = {
            prefix + field for prefix, kind in node_configs[named["name"]] for field in vars(kind())
        }
        assert set(values) <= known | {"use_sim_time"}
        for value in values.values():
            assert value.called == "ParameterValue"
            assert type(value.given[0]) is value.named["value_type"]


@pytest.mark.parametrize("name", ["drive.launch.py", "safety.launch.py", "sim.launch.py"])
def test_the_operator_s_page_joins_on_request_and_is_then_the_dead_man_of_the_gate(
    described, tmp_path, name
):
    def started(**arguments) -> dict:
        _, start = described(name, **arguments)
        return {action.named["name"]: action.named for action in start() if action.called == "Node"}

    def given(named) -> dict:
        values = named["parameters"][-1]
        return {key: value.given[0] for key, value in values.items()}

    assert "operator_node" not in started()
    nodes = started(operator="true", image="front/image", odom="wheels", namespace="car1")
    page, gate = nodes["operator_node"], nodes["safety_node"]
    assert page["namespace"] == "/car1"
    assert dict(page["remappings"]) == {"odom": "wheels", "camera/image_raw": "front/image"}
    wanted = {"manual": True, "engagement.engage": "manual", "engagement.dead_man": True}
    assert wanted.items() <= given(gate).items()
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"engagement.dead_man": False}}}))
    files = {"params": str(own), "vehicle": "simulated"}
    assert "engagement.dead_man" not in given(started(operator="true", **files)["safety_node"])


@pytest.mark.parametrize("name", ["drive.launch.py", "sim.launch.py"])
def test_a_recorder_hears_what_policy_and_gate_have_on_their_topics(described, tmp_path, name):
    own = tmp_path / "mine.yaml"
    speed = {"type": "geometry_msgs/msg/TwistStamped"}
    content = {
        "measured_speed": speed,
        "image_transport": "compressed",
        "proposal_type": "ackermann",
    }
    content |= {"vehicle": {"wheelbase": 2.6, "max_steering_angle": 0.55}, "record": {"after": 5.0}}
    own.write_text(yaml.safe_dump({"/**": {"ros__parameters": content}}))
    topics = {"imu": "/imu", "odom": "wheels", "image": "/front/image"}
    _, start = described(name, params=str(own), record="events", command_type="twist", **topics)
    with pytest.MonkeyPatch.context() as patch:  # ackermann_msgs has no wheel
        patch.setattr("liquid_control.ros.conversions.steering_type", lambda name: None)
        nodes = {
            action.named["name"]: action.named for action in start() if action.called == "Node"
        }
    recorder = nodes["recorder_node"]
    *files, values = recorder["parameters"]
    given = {name: value.given[0] for name, value in values.items()}
    assert str(own) in files and given["record.scope"] == "events" and "record.after" not in given
    assert given["measured_speed.type"] == speed["type"]
    assert given["image_transport"] == "compressed" and given["proposal_type"] == "ackermann"
    assert given["command_type"] == "twist"
    assert ("ground_truth" in given.get("extra_topics", "")) == (name == "sim.launch.py")
    remapped = dict(recorder["remappings"])
    assert remapped.items() >= {**dict(nodes["policy_node"]["remappings"])}.items()
    assert remapped["odom"] == "wheels" and remapped["camera/image_raw"] == "/front/image"


@pytest.mark.parametrize("name", ["drive.launch.py", "safety.launch.py", "sim.launch.py"])
def test_a_joystick_joins_on_request_and_the_gate_is_as_with_a_page(described, name):
    def started(**arguments) -> dict:
        _, start = described(name, namespace="car1", **arguments)
        return {action.named["name"]: action.named for action in start() if action.called == "Node"}

    page, pad, both = (
        started(**dict.fromkeys(names, "true"))
        for names in (("operator",), ("joystick",), ("operator", "joystick"))
    )
    assert both.keys() - page.keys() == pad.keys() - page.keys() == {"joystick_node"}
    assert pad["joystick_node"]["namespace"] == "/car1"

    def values(nodes) -> dict:
        given = nodes["safety_node"]["parameters"][-1]
        return {key: value.given[0] for key, value in given.items()}

    assert values(page) == values(pad) == values(both) and values(pad)["engagement.dead_man"]


def test_a_namespace_that_a_launch_file_around_it_pushes_is_before_its_own(described):
    def namespaces(**arguments):
        _, start = described("drive.launch.py", pushed="/fleet", **arguments)
        return {action.named["namespace"] for action in start()}

    assert namespaces() == {"/fleet"}
    assert namespaces(namespace="car1") == {"/fleet/car1"}
    assert namespaces(namespace="/car1") == {"/car1"}


def test_an_argument_that_does_not_exist_is_refused_by_name(described):
    _, start = described("drive.launch.py", "vehicel:=one_tenth")
    with pytest.raises(ConfigError, match="got 'vehicel:=one_tenth'.*did you mean vehicle?"):
        start()
    _, start = described("drive.launch.py", "vehicle:=one_tenth", "-d", vehicle="one_tenth")
    assert len(start()) == 2


@pytest.mark.parametrize(
    "values, words",
    [
        ({"gate.max_sped": 2.0}, "did you mean gate.max_speed"),
        ({"gate.max_speed": 61.0}, "GateConfig.max_speed: got 61.0, expected 0.0 to 60.0 m/s"),
        ({"gate.max_speed": "fast"}, "GateConfig.max_speed: got 'fast', expected a number"),
        ({"timeline.max_gap": -1.0}, "TimelineConfig.max_gap: got -1.0"),
    ],
)
def test_parameters_that_a_node_would_refuse_are_refused_before_it_starts(
    described, tmp_path, values, words
):
    path = tmp_path / "my_car.yaml"
    path.write_text(yaml.safe_dump({"/**": {"ros__parameters": values}}))
    for file in ("drive.launch.py", "sim.launch.py"):
        with pytest.raises(ConfigError, match=words):
            described(file, params=str(path))[1]()


def test_an_argument_that_a_file_would_override_is_refused(described, tmp_path):
    vehicle, own = tmp_path / "vehicle.yaml", tmp_path / "own.yaml"
    size = {"vehicle": {"wheelbase": 1.0, "max_steering_angle": 0.4}}
    nodes = ("safety_node", "policy_node")
    vehicle.write_text(yaml.safe_dump({node: {"ros__parameters": size} for node in nodes}))
    own.write_text(yaml.safe_dump({"/**": {"ros__parameters": {"command_type": "twist"}}}))
    given = {"vehicle": str(vehicle), "params": str(own), "command_type": "ackermann"}
    with pytest.raises(
        ConfigError, match="argument for command_type: got 'ackermann', expected no"
    ):
        described("drive.launch.py", **given)[1]()
    assert described("drive.launch.py", **{**given, "command_type": "twist"})[1]()


def test_a_type_of_message_that_is_not_installed_is_refused(described, monkeypatch):
    monkeypatch.setitem(sys.modules, "ackermann_msgs", None)
    monkeypatch.setitem(sys.modules, "ackermann_msgs.msg", None)
    for file in ("drive.launch.py", "safety.launch.py", "sim.launch.py"):
        with pytest.raises(MissingDependencyError, match="ackermann_msgs is not installed"):
            described(file, command_type="ackermann")[1]()


def ended(action, code: int, shutting_down: bool = False):
    event, context = SimpleNamespace(returncode=code), SimpleNamespace(is_shutdown=shutting_down)
    return action.named["on_exit"](event, context)


@pytest.mark.parametrize("name", ["drive.launch.py", "safety.launch.py", "sim.launch.py"])
def test_a_node_that_cannot_start_leaves_nothing_running(described, name):
    _, start = described(name)
    for node in start():
        if node.called == "Node":
            with pytest.raises(RuntimeError, match=f"/{node.named['name']} did not start"):
                ended(node, FAILED_START)
            assert ended(node, FAILED_START, shutting_down=True) is None


def test_without_its_gate_or_world_nothing_goes_on_and_without_its_policy_the_gate_stops_it(
    described,
):
    _, start = described("sim.launch.py")
    nodes = {action.named["name"]: action for action in start() if action.called == "Node"}
    for code in (0, CRASHED, -9):
        for name in ("safety_node", "sim_node"):
            [action] = ended(nodes[name], code)
            assert action.called == "Shutdown"
        assert ended(nodes["policy_node"], code) is None


def test_the_player_starts_after_the_delay_and_ends_the_replay(described):
    _, start = described("replay.launch.py", bag=BAG, delay="2.5")
    actions = start()
    timer = actions[-1]
    called = [action.called for action in actions]
    assert called == ["SetEnvironmentVariable", "OpaqueFunction", "Node", "Node", "TimerAction"]
    assert timer.called == "TimerAction" and timer.named["period"] == 2.5
    [player] = timer.named["actions"]
    assert player.called == "ExecuteProcess"
    [action] = ended(player, 0)
    assert action.called == "Shutdown" and ended(player, 2, shutting_down=True) is None
    with pytest.raises(RuntimeError, match="could not be played"):
        ended(player, 2)
    assert player.named["cmd"][:4] == ["ros2", "bag", "play", BAG]
