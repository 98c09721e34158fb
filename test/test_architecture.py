"""The structure of the package: which package imports which, where each dependency stays, and what
no module does."""

from __future__ import annotations

import ast
import collections
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "liquid_control"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = (
    MODULES
    + sorted(ROOT.glob("test/**/*.py"))
    + sorted(ROOT.glob("launch/*.py"))
    + [ROOT / "setup.py"]
)

ORDER = (
    {"signals", "errors", "config", "system"},
    {"stats", "report"},
    {"perception", "model"},
    {"policy"},
    {"deploy"},
    {"control"},
    {"adaptation"},
    {"recordings"},
    {"sim", "data"},
    {"inspection"},
    {"evaluate"},
    {"train"},
    {"ros"},
    {"stress"},
    {"bench", "experiments"},
    {"cli"},
)
"""A package imports packages of the same row and of the rows above it."""
LARGEST_SHARE = 0.15
"""Of all lines, that one package may have."""

READERS_THAT_EXECUTE = {
    "eval",
    "exec",
    "compile",
    "__import__",
    "os.system",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
}
READERS_OF_THE_ENVIRONMENT = {
    "os.getenv",
    "os.environ.get",
    "os.environ.pop",
    "os.environ.setdefault",
}
NEVER_IMPORTED = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
ONLY_IN_ROS = {
    "rclpy",
    "sensor_msgs",
    "geometry_msgs",
    "nav_msgs",
    "std_msgs",
    "std_srvs",
    "diagnostic_msgs",
    "ackermann_msgs",
    "autoware_control_msgs",
    "lifecycle_msgs",
    "rcl_interfaces",
    "rosgraph_msgs",
    "builtin_interfaces",
    "launch",
    "launch_ros",
}
WITHOUT_TORCH = {
    "signals",
    "errors",
    "config",
    "system",
    "stats",
    "report",
    "perception",
    "model",
    "control",
    "adaptation",
    "recordings",
    "data",
    "inspection",
    "sim",
    "ros",
    "stress",
}
TORCH_IN_DEPLOY = {"export.py", "export_c.py", "torch_runtime.py"}
TORCH_IN_SIM = "sim/batched/"
"""Worlds as tensors."""
LONGEST_FILE = 400


NAMES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in MODULES
}
"""Path of each module by its dotted name."""


def package(path: Path) -> str:
    """The top-level package or module of a file: liquid_control/sim/tasks/task.py is in `sim`."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_without_torch(path: Path) -> bool:
    inside = path.relative_to(PACKAGE).as_posix()
    return package(path) in WITHOUT_TORCH and not inside.startswith(TORCH_IN_SIM)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> list[str]:
    """Dotted names of everything that a module imports, at any depth, in functions and for type
    checkers too; `from a.b import c` counts as a.b.c."""
    names = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def module_of(name: str) -> str | None:
    """The module of this package that an imported name is, or is in."""
    return next((part for part in (name, name.rpartition(".")[0]) if part in NAMES), None)


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    """The modules that each module imports."""
    return {
        name: {module_of(found) for found in imports(path)} - {name, None, "liquid_control"}
        for name, path in NAMES.items()
    }


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """What is left of a graph when everything that imports nothing left is taken away, repeatedly,
    and everything that nothing left imports: empty when there is no circle."""
    left = {name: set(edges) for name, edges in graph.items()}
    while True:
        used = set().union(*left.values()) if left else set()
        ends = [name for name, edges in left.items() if not edges & left.keys() or name not in used]
        if not ends:
            return sorted([name, *sorted(edges & left.keys())] for name, edges in left.items())
        for name in ends:
            del left[name]


def row(name: str) -> int:
    return next(index for index, packages in enumerate(ORDER) if name in packages)


def each(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=[str(path.relative_to(ROOT)) for path in paths]
    )


@each([path for path in MODULES if path.parent != PACKAGE or path.name[:2] != "__"])
def test_imports_follow_the_order(path):
    for name in imports(path):
        if name.startswith("liquid_control."):
            other = name.split(".")[1]
            assert row(other) <= row(package(path)), f"{package(path)} must not import {other}"


def test_no_module_is_in_an_import_circle(graph):
    assert not circles(graph)


def test_no_package_one_level_down_is_in_an_import_circle(graph):
    """The units are the modules and packages directly below a top-level package."""

    def unit(name: str) -> str:
        return ".".join(name.split(".")[:3])

    units: dict[str, set[str]] = {}
    for name, edges in graph.items():
        units.setdefault(unit(name), set()).update(unit(other) for other in edges)
    assert not circles({name: edges - {name} for name, edges in units.items()})


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"], ["c", "b"]]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_no_package_is_most_of_the_house():
    lines = collections.Counter()
    for path in MODULES:
        lines[package(path)] += len(path.read_text().splitlines())
    name, most = lines.most_common(1)[0]
    assert most <= LARGEST_SHARE * lines.total(), name


@each(MODULES)
def test_each_dependency_stays_in_its_packages(path):
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & NEVER_IMPORTED
    inside = path.relative_to(PACKAGE).as_posix()
    if not inside.startswith(("ros/", "stress/processes/")):
        assert not tops & ONLY_IN_ROS
    if is_without_torch(path):
        assert "torch" not in tops
    if package(path) == "deploy":
        assert "torch" not in tops or path.name in TORCH_IN_DEPLOY


def test_packages_without_torch_load_none():
    names = [
        name
        for name, path in NAMES.items()
        if is_without_torch(path) and package(path) not in {"ros", "stress"}
    ]
    program = f"import importlib, sys\nfor name in {names}: importlib.import_module(name)\n"
    program += "print('torch' in sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert loaded.stdout.strip() == "False", loaded.stderr


@each(MODULES)
def test_nothing_executes_what_it_reads(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called not in READERS_THAT_EXECUTE
            assert not any(
                k.arg == "allow_pickle" and ast.unparse(k.value) != "False" for k in node.keywords
            )
            assert not any(k.arg == "shell" for k in node.keywords), (
                f"{called}: no shell between us and a program"
            )


@each(SOURCES)
def test_files_stay_short(path):
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@each(sorted(PACKAGE.glob("*/**/__init__.py")))
def test_package_files_stay_empty(path):
    assert path.read_text().strip() == ""


@each([path for path in MODULES if path.name != "__init__.py"])
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(tree(path))


def test_behaviour_is_not_switched_by_environment_variables():
    """Only what other programs define may be read: GL back end, ROS, compiler, cache."""
    foreign = {
        "MUJOCO_GL",
        "PYOPENGL_PLATFORM",
        "LP_NUM_THREADS",
        "ROS_DOMAIN_ID",
        "ROS_DISTRO",
        "AMENT_PREFIX_PATH",
        "RMW_IMPLEMENTATION",
        "ROS_LOCALHOST_ONLY",
        "ROS_AUTOMATIC_DISCOVERY_RANGE",
        "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY",
        "PYTHONUNBUFFERED",
        "CC",
        "XDG_CACHE_HOME",
    }
    for path in MODULES:
        for node in ast.walk(tree(path)):
            key = None
            if isinstance(node, ast.Call) and ast.unparse(node.func) in READERS_OF_THE_ENVIRONMENT:
                key = node.args[0]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
                key = node.slice
            if isinstance(key, ast.Constant):
                assert key.value in foreign, f"{path}: {key.value}"


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]])
def test_the_linter_has_nothing_to_say(arguments):
    linted = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout


def test_no_file_names_a_path_of_a_developers_machine():
    places = ["/" + "home/", "/" + "root/", "/" + "Users/", "/" + "tmp/", "/" + "work/"]
    binary = {".onnx", ".safetensors", ".png", ".jpg", ".gif", ".mp4", ".mcap", ".db3", ".npz"}
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    names = (
        listed.stdout.split("\0")[:-1]
        if listed.returncode == 0
        else [str(path.relative_to(ROOT)) for path in SOURCES]
    )
    for path in (ROOT / name for name in names):
        if path.suffix not in binary and path.is_file():
            text = path.read_text(errors="replace")
            assert not [place for place in places if place in text], path


@pytest.mark.parametrize(
    "module, absent",
    [
        ("liquid_control.ros.policy_node", {"torch", "mujoco", "matplotlib", "gymnasium"}),
        (
            "liquid_control.ros.safety_node",
            {"torch", "onnxruntime", "mujoco", "matplotlib", "gymnasium", "cv2"},
        ),
        ("liquid_control.ros.recorder_node", {"torch", "onnxruntime", "mujoco", "matplotlib"}),
        ("liquid_control.ros.sim_node", {"torch", "onnxruntime", "matplotlib"}),
        ("liquid_control.control.controller", {"torch", "onnxruntime", "mujoco", "rclpy"}),
        (
            "liquid_control.cli.main",
            {"torch", "onnxruntime", "mujoco", "rclpy", "matplotlib", "cv2"},
        ),
    ],
)
def test_starting_a_process_does_not_load_what_it_must_not(module, absent):
    program = (
        f"import sys, {module}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    assert loaded.returncode == 0, loaded.stderr
    assert not set(loaded.stdout.split()) & absent
