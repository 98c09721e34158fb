"""The shape of the package, enforced: which room may know which, what may be imported where, what
no module may do."""

from __future__ import annotations

import ast
import subprocess
import sys
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

VOCABULARY = {"signals", "config", "errors", "system"}
ARROW = [
    VOCABULARY,
    {"stats", "report"},
    {"perception", "model"},
    {"policy"},
    {"deploy"},
    {"control"},
    {"recordings"},
    {"sim", "data"},
    {"inspection"},
    {"evaluate"},
    {"train"},
    {"ros"},
    {"stress"},
    {"bench", "experiments"},
    {"cli"},
]
"""Rooms in the order in which an item passes them; a module knows its own level and those before
it."""

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
    "lifecycle_msgs",
    "rcl_interfaces",
    "rosgraph_msgs",
    "builtin_interfaces",
    "launch",
    "launch_ros",
}
WITHOUT_TORCH = {"signals", "config", "errors", "perception", "control", "ros", "sim"}
LONGEST_FILE = 400


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imports(path: Path) -> list[str]:
    """Dotted names of all that a module imports, at any depth; `from a.b import c` counts as a.b.c,
    so rooms are seen too."""
    names = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def level(name: str) -> int:
    return next(index for index, rooms in enumerate(ARROW) if name in rooms)


def each(paths):
    return pytest.mark.parametrize(
        "path", paths, ids=[str(path.relative_to(ROOT)) for path in paths]
    )


@each([path for path in MODULES if path.parent != PACKAGE or path.stem != "__init__"])
def test_imports_follow_the_arrow(path):
    for name in imports(path):
        if name.startswith("liquid_control."):
            other = name.split(".")[1]
            assert level(other) <= level(room(path)), f"{room(path)} must not know {other}"


@each(MODULES)
def test_each_dependency_stays_in_its_rooms(path):
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & NEVER_IMPORTED
    if room(path) not in ("ros", "stress"):
        assert not tops & ONLY_IN_ROS
    if room(path) in WITHOUT_TORCH:
        assert "torch" not in tops


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


@each(sorted(PACKAGE.rglob("__init__.py")))
def test_package_files_stay_empty(path):
    assert path.read_text().strip() == ""


@each([path for path in MODULES if path.name != "__init__.py"])
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(tree(path))


def test_behaviour_is_not_switched_by_environment_variables():
    """Only what other programs define may be read: the GL back end, the ROS environment."""
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


def test_the_linter_has_nothing_to_say():
    linted = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert linted.returncode == 0, linted.stdout


def test_no_file_names_a_place_on_somebodys_machine():
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
