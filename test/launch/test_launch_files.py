"""Launch files and parameter files, checked against the package: nothing is misspelt, undeclared or
out of range. Where ROS's `launch` is installed, the launch files are executed; it has no wheel."""

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


def fields(prefix: str, kind: type) -> set[str]:
    return {prefix + field.name for field in dataclasses.fields(kind)}


def flat(values: dict, prefix: str = "") -> dict[str, object]:
    rows = {}
    for name, value in values.items():
        rows |= (
            flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return rows


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


def test_without_drive_yaml_nothing_changes(node_configs):
    """It is not read where the user gives a file of parameters."""
    text = (ROOT / "config" / "drive.yaml").read_text(encoding="utf-8")
    values = flat(yaml.safe_load(text)["/**"]["ros__parameters"])
    for pairs in node_configs.values():
        defaults = {prefix + k: v for prefix, kind in pairs for k, v in vars(kind()).items()}
        assert values.items() >= {k: defaults[k] for k in values if k in defaults}.items()


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
