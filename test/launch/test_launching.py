"""What launch files start: which parameter files in which order, where all topics are, and what is
refused before a node starts."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from liquid_control.errors import ConfigError, ModelFileError
from liquid_control.ros import launching
from liquid_control.ros.launch_arguments import DRIVE, SAFETY, SIM

CONFIG = Path(__file__).resolve().parents[2] / "config"


def of(table) -> dict[str, str]:
    return {name: argument.default for name, argument in table.items()}


def drive(**arguments: str):
    return launching.drive(of(DRIVE) | arguments)


def sim(**arguments: str):
    return launching.sim(of(SIM) | arguments)


def values(node) -> dict[str, object]:
    return node.parameters


@pytest.fixture
def written(tmp_path):
    """`written(content)`: the path of a parameter file for all nodes, or with these sections."""

    def write(name: str = "my_car.yaml", section: str = "/**", **content) -> str:
        path = tmp_path / name
        path.write_text(yaml.safe_dump({section: {"ros__parameters": content}}))
        return str(path)

    return write


def test_a_preset_is_named_or_given_by_its_path():
    for vehicle in ("one_tenth", "one_tenth.yaml", str(CONFIG / "vehicles" / "one_tenth.yaml")):
        for node in drive(vehicle=vehicle):
            got = values(node)
            assert got["vehicle.wheelbase"] == 0.325 and got["gate.max_speed"] == 2.0
            assert got["speed"] == 1.5, "the preset takes precedence over drive.yaml"
            assert got["timeline.max_gap"] == 0.6, "and drive.yaml is read"
    assert values(drive()[0])["gate.max_speed"] == 15.0


@pytest.mark.parametrize("vehicle", ["full_size", "one_tenth", "simulated", "donkey", "turtlebot"])
def test_own_parameters_take_precedence_over_any_preset(written, vehicle):
    own = {
        "gate": {"max_speed": 1.25, "max_steering_rate": 0.7},
        "vehicle": {"wheelbase": 0.33, "max_steering_angle": 0.4},
        "speed": 1.0,
    }
    preset = values(drive(vehicle=vehicle)[0])
    for node in drive(params=written(**own), vehicle=vehicle):
        got = values(node)
        assert got["gate.max_speed"] == 1.25 and got["gate.max_steering_rate"] == 0.7
        assert got["vehicle.wheelbase"] == 0.33 and got["speed"] == 1.0
        for name in ("gate.stale_after", "gate.max_lateral_jerk"):
            assert got.get(name) == preset.get(name), "what it leaves open is the preset's"


def test_an_own_vehicle_takes_precedence_over_the_package_s_drive_yaml(written):
    vehicle = written("car.yaml", vehicle={"wheelbase": 0.4, "max_steering_angle": 0.3}, speed=0.5)
    assert values(drive(vehicle=vehicle)[1])["speed"] == 0.5
    own = written("mine.yaml", speed=0.25)
    assert values(drive(vehicle=vehicle, params=own)[1])["speed"] == 0.25


def test_a_shadow_is_the_policy_node_s_alone_and_off_unless_named(written):
    own = written(shadow_model="lane_keeper")
    for given, expected in (
        ({}, None),
        ({"shadow": "lane_keeper_cfc"}, "lane_keeper_cfc"),
        ({"params": own}, "lane_keeper"),
        ({"params": own, "shadow": "lane_keeper_cfc"}, "lane_keeper_cfc"),
    ):
        gate, policy = drive(**given)
        assert policy.parameters.get("shadow_model") == expected
        assert "shadow_model" not in gate.values


def test_adaptation_is_off_unless_said_and_knows_the_gate(written):
    gate, policy = drive()
    assert not any(name.startswith("adaptation.") for name in policy.parameters)
    gate, policy = drive(adaptation="both", steering_angle="wheels/angle")
    assert values(policy)["adaptation.adapts"] == "both"
    assert policy.topics["steering_angle"] == gate.topics["steering_angle"] == "wheels/angle"
    assert values(policy)["adaptation.gate_angle"] == values(gate)["gate.max_steering_angle"]
    assert "adaptation.state_file" not in policy.parameters
    assert values(sim(adaptation="gain")[1])["adaptation.state_file"] == "none", "not the vehicle's"
    own = written(adaptation={"adapts": "gain", "state_file": "mine.json"})
    gate, policy = drive(params=own)
    assert values(policy)["adaptation.gate_angle"] == values(gate)["gate.max_steering_angle"]
    assert values(sim(params=own)[1])["adaptation.state_file"] == "mine.json"
    assert not any(name.startswith("adaptation.") for name in sim()[1].values)


def test_an_argument_that_is_not_given_leaves_own_parameters_alone(written):
    own = written(
        command_type="ackermann", model="my_model", autostart=False, image_transport="compressed"
    )
    gate, policy = drive(params=own)
    assert values(gate)["command_type"] == "ackermann" and gate.values == {}
    assert values(policy)["model"] == "my_model" and policy.values == {}
    gate, policy = drive(params=own, command_type="twist", model="lane_keeper", autostart="True")
    assert values(gate)["command_type"] == "twist"
    assert values(policy)["model"] == "lane_keeper" and values(policy)["autostart"] is True


def test_the_gate_alone_is_engaged_by_hand_unless_said():
    def engage(**arguments):
        return values(launching.safety(of(SAFETY) | arguments))["engagement.engage"]

    assert engage() == "manual" and engage(engage="automatic") == "automatic"


def test_the_gate_alone_is_engaged_as_own_parameters_say(written):
    own = written(engagement={"engage": "automatic"})
    node = launching.safety(of(SAFETY) | {"params": own, "proposal": "/ml/steering"})
    assert values(node)["engagement.engage"] == "automatic"
    same = {name: name for name in ("odom", "command", "steering_angle")}
    assert node.topics == {**same, "proposal": "/ml/steering"}


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"vehicle": "/nowhere.yaml"}, "vehicle: got '/nowhere.yaml', expected donkey or"),
        ({"vehicle": "one_tent"}, "vehicle: got 'one_tent'.*Did you mean one_tenth?"),
        ({"vehicle": ""}, "vehicle: got ''"),
        ({"vehicle": "."}, "vehicle: got '.'"),
        ({"params": "/nowhere.yaml"}, "params: got '/nowhere.yaml', expected drive, or a YAML"),
        ({"params": str(CONFIG / "drve.yaml")}, "there are drive.yaml. Did you mean drive"),
        ({"namespace": "1car"}, "namespace: got '1car'"),
        ({"namespace": "a//b"}, "namespace: got 'a//b'"),
        ({"image": "my camera"}, "image: got 'my camera', expected the name of a topic"),
        ({"imu": ""}, "imu: got ''"),
        ({"odom": "odom/"}, "odom: got 'odom/'"),
        ({"command": "5"}, "command: got '5'"),
        ({"autostart": "perhaps"}, "autostart: got 'perhaps', expected true or false"),
        ({"use_sim_time": "2"}, "use_sim_time: got '2', expected true or false"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_there_is(arguments, words):
    with pytest.raises(ConfigError, match=words):
        drive(**arguments)


def test_a_model_that_is_not_there_is_refused_with_those_that_are():
    for argument in ("model", "shadow"):
        with pytest.raises(ModelFileError, match="nothing: no such model.*lane_keeper"):
            drive(**{argument: "nothing"})


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "sections for no node"),
        ("a: 1\n", "sections for no node"),
        ("{", "expected a file of valid YAML"),
        ("a: &a {b: *a}", "expected a file of valid YAML"),
        ("- 1", "sections for no node"),
        ("gate:\n  max_speed: 2.0\n", "sections for no node"),
        ("policy:\n  ros__parameters:\n    speed: 1.0\n", "sections for /policy'"),
        ("/**:\n  ros__parameters:\n    gate.max_speed: 2.0\n", "no vehicle.wheelbase and no"),
    ],
)
def test_a_file_that_is_no_vehicle_is_refused(tmp_path, text, words):
    path = tmp_path / "my_car.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        drive(vehicle=str(path))
    with pytest.raises(ConfigError, match="no vehicle.wheelbase and no vehicle.max_steering_angle"):
        drive(vehicle=str(CONFIG / "drive.yaml"))


def test_a_file_whose_sections_are_of_another_namespace_is_refused(written):
    own = written(section="safety_node", speed=1.0)
    assert drive(params=own)
    with pytest.raises(ConfigError, match="expected one for /car1/safety_node"):
        drive(params=own, namespace="car1")


def test_every_argument_of_the_simulation_moves_all_its_parts():
    topics = {"image": "/front/image", "imu": "imu", "odom": "wheels", "command": "/base/cmd"}
    gate, policy, world = sim(
        **topics, namespace="/car1/", command_type="twist", use_sim_time="true", seed="7"
    )
    assert gate.namespace == policy.namespace == world.namespace == "/car1"
    for name in ("camera/image_raw", "camera/image_raw/compressed", "imu/data", "odom"):
        assert policy.topics[name] == world.topics[name]
    assert world.topics["camera/image_raw"] == "/front/image"
    assert gate.topics["odom"] == world.topics["odom"] == "wheels"
    assert gate.topics["command"] == world.topics["command"] == "/base/cmd"
    assert values(gate)["command_type"] == values(world)["command_type"] == "twist"
    assert values(gate)["use_sim_time"] is values(policy)["use_sim_time"] is True
    assert values(world)["publish_clock"] is True, "the world is the clock of the others"
    assert values(world)["use_sim_time"] is False
    assert world.values["seed"] == 7
    assert values(gate)["state_folder"] == "none", "the vehicle's gate has the same name"


def test_the_simulation_follows_own_parameters_too(written):
    own = written(command_type="ackermann", use_sim_time=True, seed=5, world={"trees": 3})
    gate, policy, world = sim(params=own)
    assert values(gate)["command_type"] == world.values["command_type"] == "ackermann"
    assert world.values["publish_clock"] is True and world.values["use_sim_time"] is False
    assert values(world)["seed"] == 5 and values(world)["world.trees"] == 3
    only = written("only.yaml", section="safety_node", command_type="twist")
    assert sim(params=only)[2].values["command_type"] == "twist"


def test_the_simulated_car_is_the_preset_and_no_other_vehicle(written):
    from liquid_control.sim.bodies.car import VEHICLE

    for node in sim()[:2]:
        assert values(node)["vehicle.wheelbase"] == VEHICLE.wheelbase
        assert values(node)["vehicle.max_steering_angle"] == VEHICLE.max_steering_angle
    with pytest.raises(ConfigError, match="vehicle.wheelbase of safety_node.*got 0.325"):
        sim(vehicle="one_tenth")
    with pytest.raises(ConfigError, match="vehicle.max_steering_angle of policy_node.*got 0.3"):
        sim(params=written(section="policy_node", vehicle={"max_steering_angle": 0.3}))
    slow = written(gate={"max_speed": 3.0})
    assert values(sim(params=slow)[0])["gate.max_speed"] == 3.0, "its limits may be others"


@pytest.mark.parametrize("seed", ["soon", "-1", "1.5", str(2**63), "٣"])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ConfigError, match="^seed: got "):
        sim(seed=seed)


def test_arguments_of_another_launch_file_are_not_judged():
    words = ["ros2", "launch", "my_robot", "all.launch.py", "vehicel:=x"]
    launching.refuse_unknown(words, "/share/launch/drive.launch.py", DRIVE)
    with pytest.raises(ConfigError, match="did you mean vehicle?"):
        words[3] = "/share/launch/drive.launch.py"
        launching.refuse_unknown(words, "/share/launch/drive.launch.py", DRIVE)
