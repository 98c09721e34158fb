"""Launch files without ROS's `launch`, which has no wheel: stand-ins take its place."""

from __future__ import annotations

import importlib
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

LAUNCH = Path(__file__).resolve().parents[2] / "launch"
MODULES = (
    "launch",
    "launch.actions",
    "launch.conditions",
    "launch.substitutions",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
)
OURS = "liquid_control.ros.launch_nodes"


class StandIn(ModuleType):
    """Whatever is imported from it keeps what it is called with."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given, **named: Called(called=name, given=given, named=named)


class Called(SimpleNamespace):
    def perform(self, context) -> str:
        """Of a LaunchConfiguration."""
        return context.launch_configurations[self.given[0]]


@pytest.fixture
def described(monkeypatch):
    """`described(file, **arguments)`: the declared arguments of a launch file by name, and the
    actions that follow from the values of arguments."""
    import liquid_control.ros

    for module in MODULES:
        monkeypatch.setitem(sys.modules, module, StandIn(module))
    monkeypatch.delitem(sys.modules, OURS, raising=False)
    monkeypatch.delattr(liquid_control.ros, "launch_nodes", raising=False)

    def describe(file: str, *words: str, pushed: str = "", **arguments: str):
        monkeypatch.setattr(sys, "argv", ["ros2", "launch", "liquid_control", file, *words])
        path = str(LAUNCH / file)
        [actions] = runpy.run_path(path)["generate_launch_description"]().given
        *declared, follow = actions
        assert {each.called for each in declared} == {"DeclareLaunchArgument"}
        assert follow.called == "OpaqueFunction", "nothing is started before arguments are checked"
        declared = {each.given[0]: each.named for each in declared}
        values = {name: named["default_value"] for name, named in declared.items()} | arguments
        values |= {"ros_namespace": pushed} if pushed else {}
        context = SimpleNamespace(launch_configurations=values)
        return declared, lambda: follow.named["function"](context)

    yield describe
    sys.modules.pop(OURS, None)
    liquid_control.ros.__dict__.pop("launch_nodes", None)
    importlib.invalidate_caches()
