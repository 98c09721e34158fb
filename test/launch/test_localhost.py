"""Launch files for trying out keep their nodes on this machine by default. ROS's `launch`
has no wheel; stand-ins take its place."""

from __future__ import annotations

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
    "launch.launch_description_sources",
    "launch.substitutions",
    "launch_ros",
    "launch_ros.actions",
    "launch_ros.parameter_descriptions",
    "launch_ros.substitutions",
)


class StandIn(ModuleType):
    """Whatever is imported from it keeps what it is called with."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *given, **named: SimpleNamespace(called=name, given=given, named=named)


def described(monkeypatch, name, distribution):
    for module in MODULES:
        monkeypatch.setitem(sys.modules, module, StandIn(module))
    monkeypatch.setenv("ROS_DISTRO", distribution)
    return runpy.run_path(str(LAUNCH / name))["generate_launch_description"]().given[0]


@pytest.mark.parametrize("name", ["sim.launch.py", "replay.launch.py"])
@pytest.mark.parametrize(
    "distribution, variable",
    [
        ("humble", ("ROS_LOCALHOST_ONLY", "1")),
        ("jazzy", ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")),
    ],
)
def test_what_is_for_trying_is_closed_to_the_network_before_anything_starts(
    monkeypatch, name, distribution, variable
):
    actions = described(monkeypatch, name, distribution)
    called = [action.called for action in actions]
    [argument] = [
        each
        for each in actions
        if each.called == "DeclareLaunchArgument" and each.given[0] == "localhost"
    ]
    assert argument.named["default_value"] == "true"
    closing = actions[called.index("SetEnvironmentVariable")]
    assert closing.given == variable
    assert closing.named["condition"].called == "IfCondition" and closing.named["condition"].given[
        0
    ].given == ("localhost",)
    started = [
        index
        for index, each in enumerate(called)
        if each in ("Node", "IncludeLaunchDescription", "TimerAction", "ExecuteProcess")
    ]
    assert len(started) == 2 and called.index("SetEnvironmentVariable") < min(started)


@pytest.mark.parametrize("name", ["drive.launch.py", "safety.launch.py"])
def test_what_is_for_a_vehicle_leaves_its_network_alone(monkeypatch, name):
    assert "SetEnvironmentVariable" not in [
        action.called for action in described(monkeypatch, name, "jazzy")
    ]
