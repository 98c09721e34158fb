import ast
import contextlib
import importlib.util
import signal
from html.parser import HTMLParser
from pathlib import Path

import pytest

from liquid_control.cli import extras
from liquid_control.errors import MissingDependencyError
from liquid_control.system.threads import wait_without_spinning

wait_without_spinning()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a job in the background of a script
    signal.signal(signal.SIGINT, signal.default_int_handler)


IN_OTHER_PROCESSES = {
    "ros/test_drive": ("onnxruntime", "safetensors", "mujoco", "rosbags"),
    "ros/test_recorded_drive": ("onnxruntime", "safetensors", "mujoco"),
    "ros/test_robot_guide": ("tyro", "torch", "onnxruntime", "mujoco", "rosbags", "av", "jinja2"),
    "ros/test_looping_bag": ("onnxruntime", "rosbags"),
    "ros/test_policy": ("torch", "onnxruntime", "safetensors"),
    "ros/test_camera_crop": ("torch", "onnxruntime", "safetensors"),
    "ros/test_measurements": ("torch", "onnxruntime", "safetensors"),
    "ros/test_startup_check": ("torch", "onnxruntime", "safetensors"),
    "ros/test_saliency": ("torch", "onnxruntime", "safetensors"),
    "ros/test_sim_node": ("mujoco",),
    "ros/test_transitions": ("onnxruntime", "safetensors"),
    "ros/test_silence": ("torch", "onnxruntime", "mujoco"),
    "ros/test_dds_transport": ("mujoco",),
    "evaluate/replay/": ("tqdm", "onnxruntime", "rosbags"),
    "cli/test_extras": ("tyro", "tqdm", "mujoco", "torch"),
    "sim/test_rendering": ("tqdm", "mujoco", "torch"),
    "system/test_allocator": ("torch",),
    "test_architecture": ("ruff", "torch", "onnxruntime"),
    "test_package": ("colcon_core",),
    "test_readme": ("tyro", "torch"),
    "test_tools": ("hypothesis", "torch"),
}
"""What tests need in processes that they start, by the beginning of their path: they are skipped
where it is absent."""


class _Module(pytest.Module):
    """Skipped with the reason where it imports a package of an extra that is not installed, as
    with the dependencies of package.xml alone (`colcon test`)."""

    def collect(self):
        try:
            return super().collect()
        except self.CollectError as error:
            _skip_where_absent(error.__cause__)
            raise
        except MissingDependencyError as error:
            _skip_where_absent(error)
            raise


class _Folder(pytest.Collector):
    """A folder whose conftest.py imports such a package."""

    def __init__(self, error: ImportError, **options) -> None:
        super().__init__(**options)
        self.error = error

    def collect(self):
        _skip_where_absent(self.error)


def pytest_pycollect_makemodule(module_path, parent):
    return _Module.from_parent(parent, path=module_path)


def pytest_collect_directory(path, parent):
    common = path / "conftest.py"
    imports = ast.walk(ast.parse(common.read_text())) if common.is_file() else ()
    for node in imports if path != Path(__file__).parent else ():
        modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        for name in modules:
            if extras.extra_of(name) and importlib.util.find_spec(name.partition(".")[0]) is None:
                error = ModuleNotFoundError(name=name)
                return _Folder.from_parent(parent, name=path.name, error=error)
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    for beginning, modules in IN_OTHER_PROCESSES.items():
        for name in modules if path.startswith(beginning) else ():
            if importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed; the extra test and requirements.txt have it")
    with _skipping_what_is_absent():
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    with _skipping_what_is_absent():
        return (yield)


@contextlib.contextmanager
def _skipping_what_is_absent():
    try:
        yield
    except (ImportError, MissingDependencyError) as error:
        _skip_where_absent(error)
        raise


def _skip_where_absent(error: BaseException | None) -> None:
    """Skips for a package of an extra that is really not there; every other error is a failure."""
    if isinstance(error, MissingDependencyError):
        name, reason = error.module, str(error)
    elif isinstance(error, ModuleNotFoundError):
        name, reason = error.name or "", extras.missing(error)
    else:
        return
    if reason and importlib.util.find_spec(name.partition(".")[0]) is None:
        pytest.skip(reason, allow_module_level=True)


def pytest_collection_modifyitems(config, items):
    """With several processes (pytest-xdist) a file stays in one, and all that start nodes do: two
    drives at once would compete for the processors that they are timed on."""
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        nodes = "ros" if item.path.parent.name == "ros" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(nodes))


@pytest.fixture(scope="session")
def drives():
    """The module `written_drive`: small drives as bags, whose road can be seen in the picture."""
    import written_drive

    return written_drive


@pytest.fixture(scope="session")
def comma():
    """The module `written_comma`: small segments of comma2k19, and numbered pictures as video."""
    import written_comma

    return written_comma


@pytest.fixture(scope="session")
def lerobot():
    """The module `written_lerobot`: small datasets of LeRobot."""
    import written_lerobot

    return written_lerobot


@pytest.fixture(scope="session")
def tables():
    """The module `written_tables`: small tubs of DonkeyCar."""
    import written_tables

    return written_tables


@pytest.fixture(scope="session")
def node_configs():
    """The parameters of each node: {node: [(prefix of their names, config)]}."""
    from liquid_control.ros import policy_node, recorder_node, safety_node, sim_node

    return {
        node.__name__.rpartition(".")[2]: [
            (group.prefix, type(group.defaults)) for group in node.PARAMETERS
        ]
        for node in (policy_node, safety_node, recorder_node, sim_node)
    }


VOID = {"meta", "br", "hr", "link", "img", "input"}


class Balanced(HTMLParser):
    """Fails on a page whose elements do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="session")
def balanced():
    """`balanced(page)` fails on a page whose elements do not nest."""
    return Balanced
