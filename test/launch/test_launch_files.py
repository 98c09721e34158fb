"""Launch files and parameter files, checked against the package: nothing is misspelt, undeclared or
out of range.

ROS's `launch` has no wheel, so that most of this reads the files; where `launch_ros` is installed
they are also executed.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
from pathlib import Path

import pytest
import yaml

from liquid_control.config import GateConfig, VehicleConfig

ROOT = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((ROOT / "launch").glob("*.launch.py"))
PARAMETER_FILES = sorted((ROOT / "config").rglob("*.yaml"))
OF_EVERY_NODE = {"use_sim_time"}


def fields(prefix: str, kind: type) -> set[str]:
    return {prefix + field.name for field in dataclasses.fields(kind)}


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    rows = {}
    for name, value in values.items():
        rows |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return rows


def calls(path: Path, name: str) -> list[ast.Call]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name
    ]


def keyword(call: ast.Call, name: str):
    return next((word.value for word in call.keywords if word.arg == name), None)


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=[path.name for path in paths])


def test_the_promised_files_exist():
    assert {path.name for path in LAUNCH_FILES} >= {
        "drive.launch.py",
        "safety.launch.py",
        "sim.launch.py",
        "replay.launch.py",
    }
    assert {path.name for path in PARAMETER_FILES} >= {
        "drive.yaml",
        "full_size.yaml",
        "one_tenth.yaml",
        "simulated.yaml",
    }


@each(LAUNCH_FILES)
def test_arguments_are_declared_described_and_used(path):
    declared = {call.args[0].value: call for call in calls(path, "DeclareLaunchArgument")}
    used = {call.args[0].value for call in calls(path, "LaunchConfiguration")}
    assert used == set(declared)
    for call in declared.values():
        description = keyword(call, "description").value
        assert len(description) > 15 and description.endswith(".")
        assert keyword(call, "default_value") is not None, "everything starts without arguments"


@each(LAUNCH_FILES)
def test_nodes_are_ours_and_their_parameters_exist(path, node_configs):
    for call in calls(path, "Node"):
        node = keyword(call, "executable").value
        assert (
            keyword(call, "package").value == "liquid_control"
            and keyword(call, "name").value == node
        )
        known = OF_EVERY_NODE.union(*(fields(prefix, kind) for prefix, kind in node_configs[node]))
        assert f"{node} = " in (ROOT / "setup.py").read_text(encoding="utf-8")
        given = {
            key.value
            for part in ast.walk(call)
            if isinstance(part, ast.Dict)
            for key in part.keys
            if isinstance(key, ast.Constant)
        }
        assert given <= known, f"{node} has no parameter {given - known}"


@each(LAUNCH_FILES)
def test_included_files_get_only_arguments_that_they_declare(path):
    for call in calls(path, "IncludeLaunchDescription"):
        target = next(
            part.value
            for part in ast.walk(call)
            if isinstance(part, ast.Constant) and str(part.value).endswith(".launch.py")
        )
        declared = {
            each.args[0].value for each in calls(ROOT / target.lstrip("/"), "DeclareLaunchArgument")
        }
        given = {
            key.value for part in ast.walk(call) if isinstance(part, ast.Dict) for key in part.keys
        }
        assert given <= declared


@each(LAUNCH_FILES)
def test_files_of_the_package_that_are_named_exist(path):
    texts = [
        part.value
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(part, ast.Constant)
    ]
    named = [
        text
        for text in texts
        if isinstance(text, str) and text.startswith("/") and text.endswith((".py", ".yaml"))
    ]
    assert named and all((ROOT / name.lstrip("/")).is_file() for name in named)


@each(PARAMETER_FILES)
def test_parameter_files_hold_known_names_and_valid_values(path, node_configs):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert list(content) == ["/**"], "any other key would win over the files that come after it"
    values, known = flat(content["/**"]["ros__parameters"]), set()
    for prefix, kind in {pair for pairs in node_configs.values() for pair in pairs}:
        given = {
            name.removeprefix(prefix): value
            for name, value in values.items()
            if name in fields(prefix, kind)
        }
        kind(**given)  # raises ConfigError
        known |= fields(prefix, kind)
    assert set(values) <= known


@each([path for path in PARAMETER_FILES if path.parent.name == "vehicles"])
def test_a_preset_lets_its_own_policy_drive(path):
    """A set speed or a bend beyond the gate's limits would make the gate act all the time."""
    values = flat(
        yaml.safe_load((ROOT / "config" / "drive.yaml").read_text(encoding="utf-8"))["/**"][
            "ros__parameters"
        ]
    )
    values |= flat(yaml.safe_load(path.read_text(encoding="utf-8"))["/**"]["ros__parameters"])
    gate = GateConfig(
        **{
            name.removeprefix("gate."): value
            for name, value in values.items()
            if name.startswith("gate.")
        }
    )
    vehicle = VehicleConfig(
        **{
            name.removeprefix("vehicle."): value
            for name, value in values.items()
            if name.startswith("vehicle.")
        }
    )
    assert values["speed"] <= gate.max_speed
    assert values["comfort_lateral_acceleration"] < gate.max_lateral_acceleration
    assert gate.max_steering_angle <= vehicle.max_steering_angle


@each(LAUNCH_FILES)
def test_launch_files_run_where_launch_is_installed(path):
    assert "generate_launch_description" in {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }
    if importlib.util.find_spec("launch_ros") is None:
        return  # what could be checked without it has been
    spec = importlib.util.spec_from_file_location("launch_file", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    least = {"use_sim_time"} if path.name == "safety.launch.py" else {"model", "use_sim_time"}
    assert {argument.name for argument in description.get_launch_arguments()} >= least
