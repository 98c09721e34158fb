"""What is shipped: consistent metadata, complete dependencies, and a colcon build that ros2
run and launch can use."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXECUTABLES = {
    "liquid-control",
    "joystick_node",
    "operator_node",
    "policy_node",
    "recorder_node",
    "safety_node",
    "sim_node",
}
MANIFEST = ElementTree.parse(ROOT / "package.xml").getroot()
ROS_PACKAGES = {"rclpy", "launch", "launch_ros"}


def imported(path: Path) -> set[str]:
    tops = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            tops |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            tops.add(node.module.split(".")[0])
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "importlib.import_module"
            and isinstance(node.args[0], ast.Constant)
        ):
            tops.add(node.args[0].value.split(".")[0])
    return tops


def pins(name: str) -> list[str]:
    return [
        line
        for line in (ROOT / name).read_text().splitlines()
        if line.strip() and not line.startswith("#")
    ]


def test_manifest_is_format_3_and_agrees_with_setup_py():
    setup = (ROOT / "setup.py").read_text()
    assert MANIFEST.get("format") == "3"
    assert MANIFEST.findtext("name") == "liquid_control"
    assert MANIFEST.findtext("license") == "Apache-2.0"
    assert MANIFEST.findtext("export/build_type") == "ament_python"
    assert f'version="{MANIFEST.findtext("version")}"' in setup
    keywords = {
        node.arg: node.value.value
        for node in ast.walk(ast.parse(setup))
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant)
    }
    assert keywords["description"] == MANIFEST.findtext("description")
    assert f"{MANIFEST.findtext('version')} (" in (ROOT / "CHANGELOG.rst").read_text()


def test_every_ros_package_that_is_used_is_declared_and_no_other():
    used = set()
    for path in [*ROOT.glob("liquid_control/ros/*.py"), *ROOT.glob("launch/*.py")]:
        used |= {
            name
            for name in imported(path)
            if name in ROS_PACKAGES or name.endswith(("_msgs", "_srvs", "_interfaces"))
        }
    declared = {
        element.text
        for element in MANIFEST.findall("exec_depend")
        if not element.text.startswith("python3-")
    }
    assert declared == used


def test_every_requirement_is_pinned_exactly_and_once_per_python():
    for name in ("requirements.txt", "constraints.txt"):
        seen = []
        for line in pins(name):
            match = re.fullmatch(r"([\w.-]+)(\[\w+\])?==[\w.]+(; (.+))?", line)
            assert match, f"{name}: {line}"
            seen.append((match[1].lower(), match[4]))
        assert len(seen) == len(set(seen))
        for package in {package for package, _ in seen}:
            markers = {marker for other, marker in seen if other == package}
            assert len(markers) == 1 or markers == {
                'python_version >= "3.11"',
                'python_version < "3.11"',
            }, package


def test_what_an_extra_names_is_pinned():
    tree = ast.parse((ROOT / "setup.py").read_text())
    named = {
        item.value.lower().split(";")[0]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
        for item in node.value.elts
        if isinstance(item, ast.Constant)
    }
    assert len(named) > 15
    assert named <= {re.split(r"[\[=]", line)[0].lower() for line in pins("requirements.txt")}


def files(folder: Path) -> set[Path]:
    """Relative paths of all files below a folder, compiled ones left out."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A colcon workspace with this package built in it, as after `colcon build`."""
    workspace = tmp_path_factory.mktemp("workspace")
    ignored = shutil.ignore_patterns(
        ".*", "__pycache__", "*.egg-info", "out", "runs", "build", "install", "log"
    )
    shutil.copytree(ROOT, workspace / "src" / "liquid_control", ignore=ignored)
    done = colcon(workspace, "build")
    assert done.returncode == 0, done.stdout + done.stderr
    return workspace


def colcon(workspace: Path, *arguments: str) -> subprocess.CompletedProcess:
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "AMENT_PREFIX_PATH")
    }
    program = "import sys; from colcon_core.command import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_colcon_puts_executables_where_ros2_run_looks(workspace):
    folder = workspace / "install" / "liquid_control" / "lib" / "liquid_control"
    assert {path.name for path in folder.iterdir()} == EXECUTABLES
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())


def test_colcon_installs_everything_that_is_shared(workspace):
    share = workspace / "install" / "liquid_control" / "share"
    assert (share / "ament_index" / "resource_index" / "packages" / "liquid_control").exists()
    assert (share / "liquid_control" / "package.xml").exists()
    for folder in ("launch", "config", "integration", "joysticks", "models"):
        assert files(share / "liquid_control" / folder) == files(ROOT / folder) != set()


def test_colcon_installs_every_file_inside_the_package(workspace):
    (package,) = (workspace / "install" / "liquid_control" / "lib").glob(
        "python3*/site-packages/liquid_control"
    )
    assert files(package) == files(ROOT / "liquid_control")


def test_the_installed_package_runs_and_finds_its_model(workspace):
    program = "install/liquid_control/lib/liquid_control/liquid-control"
    shell = f". install/setup.sh && exec {program} inspect lane_keeper"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        ["sh", "-c", shell], cwd=workspace, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert str(workspace / "install" / "liquid_control" / "share") in done.stdout


def test_colcon_test_runs_the_tests(workspace):
    done = colcon(
        workspace, "test", "--pytest-args", "test/test_architecture.py", "-k", "stay_empty"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = colcon(workspace, "test-result", "--all")
    summary = re.search(r"Summary: (\d+) tests, 0 errors, 0 failures", result.stdout)
    assert summary and int(summary[1]) > 5, result.stdout + result.stderr
