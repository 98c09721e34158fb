"""Parameters that no node declares: a limit with a misspelt name keeps the gate from starting, a
file that several nodes share does not."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from rclpy.node import Node

from liquid_control.errors import ConfigError
from liquid_control.ros import parameters, undeclared
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.parameter_files import merged, read_sections

ROOT = Path(__file__).resolve().parents[2]


def node_of(name: str, words: list[str]) -> Node:
    """A node with these arguments, in the context that all tests share: Fast DDS 2.14 may hang in
    taking the participant of one apart while others still talk to it."""
    return Node(
        name,
        cli_args=words,
        use_global_arguments=False,
        enable_rosout=False,
        start_parameter_services=False,
    )


@pytest.fixture
def given(tmp_path, monkeypatch):
    """`given(content, *more words, kind=...)`: warnings of a node of ours that declares what it
    does and is started with a parameter file."""
    made = []

    def start(content: object, *more: str, kind: str = "safety_node", remap=()) -> list[str]:
        path = tmp_path / "my_car.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        words = ["--ros-args", "--params-file", str(path), *remap, *more]
        node = node_of(kind, words)
        made.append(node)
        parameters.declare_all(node, NODES[kind])
        warned: list[str] = []
        monkeypatch.setattr(
            type(node.get_logger()), "warning", lambda self, line, **_: warned.append(line)
        )
        undeclared.refuse_undeclared(node, kind, words)
        return warned

    yield start
    for node in made:
        node.destroy_node()


def of(section: str, **values) -> dict:
    return {section: {"ros__parameters": values}}


@pytest.mark.parametrize("kind", NODES)
def test_the_files_of_the_package_and_one_for_all_nodes_warn_of_nothing(given, kind):
    for path in (ROOT / "config").rglob("*.yaml"):
        assert given(path.read_text(), kind=kind) == []
    everything = {name: None for name in undeclared.DECLARED}
    for groups in NODES.values():
        for group in groups:
            everything |= {group.prefix + k: v for k, v in vars(group.defaults).items()}
    everything |= {"use_sim_time": False, "qos_overrides./odom.subscription.depth": 5}
    assert given(of("/**", **everything), kind=kind) == []


@pytest.mark.parametrize(
    "values, near",
    [
        ({"gate": {"max_sped": 2.0}}, "gate.max_speed"),
        ({"gate.max_speeed": 2.0}, "gate.max_speed"),
        ({"gates": {"max_speed": 2.0}}, "gate.max_speed"),
        ({"Gate": {"max_speed": 2.0}}, "gate.max_speed"),
        ({"gate": {"limit": 2.0}}, "gate."),
        ({"max_lateral_jerk": 2.0}, "gate.max_lateral_jerk"),
        ({"wheel_base": 0.3}, "vehicle.wheelbase"),
        ({"vehicle": {"wheel_base": 0.3}}, "vehicle.wheelbase"),
        ({"vehicles": {"wheelbase": 0.3}}, "vehicle.wheelbase"),
        ({"timeline": {"maxgap": 0.3}}, "timeline.max_gap"),
        ({"engagement": {"deadman": True}}, "engagement.dead_man"),
        ({"comfort_lateral_accel": 1.0}, "comfort_lateral_acceleration"),
    ],
)
@pytest.mark.parametrize("section", ["/**", "/*", "safety_node", "/safety_node", "/**/safety_node"])
def test_a_misspelt_name_keeps_a_node_from_starting(given, values, near, section):
    with pytest.raises(ConfigError) as caught:
        given(of(section, **values))
    assert f"did you mean {near}" in str(caught.value)


@pytest.mark.parametrize("section", ["/**", "safety_node"])
def test_a_name_of_an_earlier_release_is_refused_with_its_new_one(given, section):
    with pytest.raises(ConfigError, match="its new name, conflicts_are_faults"):
        given(of(section, rivals_are_faults=False))


def test_a_name_for_this_node_alone_has_to_be_its_own(given):
    with pytest.raises(ConfigError, match="policy_node declares it"):
        given(of("safety_node", speed=3.0))
    with pytest.raises(ConfigError, match="got 'colour'"):
        given(of("safety_node", colour="red"))
    with pytest.raises(ConfigError, match="got 'gate.max_sped'.*gate.max_speed"):
        given(of("/**", speed=3.0), "-p", "gate.max_sped:=2.0")
    assert given(of("policy_node", colour="red")) == [], "that node's own business"
    with pytest.raises(ConfigError, match="got 'colour'"):
        given(of("/**", speed=3.0), "-p", "safety_node:colour:=red")
    with pytest.raises(
        ConfigError, match="section of -p safty_node:gate.max_speed:=2.0: got '/saf"
    ):
        given(of("/**", speed=3.0), "-p", "safty_node:gate.max_speed:=2.0")
    assert given(of("/**", speed=3.0), "-p", "safety_node:gate.max_speed:=2.0") == []


def test_what_another_package_may_mean_is_a_warning_by_name(given):
    content = of("/**", robot={"wheelbase": 1.0}, frame_id="base", mode="x", length=3.0, rates=2.0)
    warned = given(content)
    assert [line.split(";")[0].split()[-1] for line in warned] == [
        "frame_id",
        "length",
        "mode",
        "rates",
        "robot.wheelbase",
    ]
    assert all(line.startswith("no node of ours declares the parameter ") for line in warned)
    assert warned[-1].endswith("did you mean vehicle.wheelbase of policy_node?")
    assert given({**of("/camera/driver", fps=30), **of("/imu_node", rate=5)}) == []


@pytest.mark.parametrize(
    "section, remap",
    [
        ("safety_node", ("-r", "__ns:=/car1")),
        ("/car2/safety_node", ("-r", "__ns:=/car1")),
        ("safety_node", ("-r", "__node:=gate_front")),
        ("safty_node", ()),
        ("/safetynode", ()),
    ],
)
def test_a_section_that_misses_its_node_keeps_it_from_starting(given, section, remap):
    with pytest.raises(ConfigError, match="section of .*my_car.yaml: got .*expected /.*name of th"):
        given(of(section, **{"gate.max_speed": 2.0}), remap=remap)


@pytest.mark.parametrize(
    "text, line",
    [
        ("/**:\n  ros__parameters:\n    speed: 1.0\n/**:\n  ros__parameters:\n    rate: 20.0\n", 4),
        ("/**:\n  ros__parameters:\n    gate:\n      max_speed: 2.0\n      max_speed: 20.0\n", 5),
    ],
)
def test_a_key_that_is_there_twice_keeps_it_from_starting(given, text, line):
    with pytest.raises(ConfigError, match=f"my_car.yaml: got '.* again in line {line}'"):
        given(text)


def test_a_file_for_several_vehicles_has_a_section_for_each(given):
    content = {
        **of("/car1/safety_node", **{"gate.max_speed": 2.0}),
        **of("/car2/safety_node", **{"gate.max_speed": 3.0}),
    }
    assert given(content, remap=("-r", "__ns:=/car1")) == []


def test_another_file_does_not_hide_a_section_that_misses_its_node(given, tmp_path):
    """As launch adds one for the values of its arguments."""
    more = tmp_path / "launch_params.yaml"
    more.write_text(yaml.safe_dump(of("/car1/safety_node", command_type="twist")))
    with pytest.raises(ConfigError, match="my_car.yaml: got '/safety_node'"):
        given(
            of("safety_node", **{"gate.max_speed": 2.0}),
            *("--params-file", str(more)),
            remap=("-r", "__ns:=/car1"),
        )


def test_sections_are_matched_as_rcl_does(tmp_path):
    path = tmp_path / "several.yaml"
    names = [
        "/**",
        "/*",
        "/safety_node",
        "/**/safety_node",
        "/car1/*",
        "/car1/**",
        "/*/safety_node",
    ]
    path.write_text(yaml.safe_dump({name: {"ros__parameters": {"seed": 1}} for name in names}))
    sections = read_sections(path)
    for namespace in ("", "/car1", "/a/b"):
        full = f"{namespace}/safety_node"
        for section in sections:
            single = tmp_path / "single.yaml"
            single.write_text(yaml.safe_dump({section.node: {"ros__parameters": {"seed": 1}}}))
            words = ["--ros-args", "--params-file", str(single), "-r", f"__ns:={namespace or '/'}"]
            node = node_of("safety_node", words)
            reads = node.declare_parameter("seed", 0).value == 1
            node.destroy_node()
            assert section.matches(full) == reads, (section.node, full)
    path.write_text(
        yaml.safe_dump(
            {
                "car1": {"safety_node": {"ros__parameters": {"gate": {"max_speed": 2.0}}}},
                **of("/**", a=1),
            }
        )
    )
    assert merged(read_sections(path), "/car1/safety_node") == {"gate.max_speed": 2.0, "a": 1}
    assert merged(read_sections(path), "/safety_node") == {"a": 1}


def test_files_are_merged_as_rcl_does(tmp_path):
    names = ("/**", "/safety_node", "/**/safety_node", "/*")
    for combination in itertools.product(names, repeat=3):
        words, sections = ["--ros-args"], []
        for value, name in enumerate(combination, 1):
            path = tmp_path / f"{value}.yaml"
            path.write_text(yaml.safe_dump(of(name, seed=value, **{f"only_{value}": value})))
            words += ["--params-file", str(path)]
            sections += read_sections(path)
        node = node_of("safety_node", words)
        got = {name: node.declare_parameter(name, 0).value for name in ("seed", "only_1", "only_3")}
        node.destroy_node()
        assert merged(sections, "/safety_node").items() >= got.items(), combination


def test_the_gate_itself_ends_with_the_name(tmp_path):
    path = tmp_path / "my_car.yaml"
    path.write_text("/**:\n  ros__parameters:\n    gate:\n      max_sped: 2.0\n")
    command = [sys.executable, "-m", "liquid_control.ros.safety_node", "--ros-args"]
    done = subprocess.run(
        [*command, "--params-file", str(path)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "did you mean gate.max_speed of safety_node?" in done.stderr
