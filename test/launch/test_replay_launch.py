"""What replay.launch.py makes of its arguments: the words of `ros2 bag play`. ROS's `launch` has no
wheel; a stand-in takes its place."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

FILE = Path(__file__).resolve().parents[2] / "launch" / "replay.launch.py"
TREE = ast.parse(FILE.read_text(encoding="utf-8"))
DEFAULTS = {
    call.args[0].value: next(word.value for word in call.keywords if word.arg == "default_value")
    for call in ast.walk(TREE)
    if isinstance(call, ast.Call) and ast.unparse(call.func) == "DeclareLaunchArgument"
}


def played(**arguments: str) -> argparse.Namespace:
    """The player's command for launch arguments, as Humble's `ros2 bag play` takes it apart."""
    values = {
        name: node.value for name, node in DEFAULTS.items() if isinstance(node, ast.Constant)
    } | arguments
    names = {
        "LaunchConfiguration": lambda name: SimpleNamespace(perform=lambda context: values[name]),
        "ExecuteProcess": lambda cmd, output, on_exit: cmd,
        "Shutdown": lambda reason: reason,
    }
    play = next(
        node for node in TREE.body if isinstance(node, ast.FunctionDef) and node.name == "play"
    )
    play.returns = None
    exec(compile(ast.Module([play], []), str(FILE), "exec"), names)
    [command] = names["play"](None)
    assert command[:3] == ["ros2", "bag", "play"]
    parser = argparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("bag")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--topics", nargs="+")
    parser.add_argument("--loop", action="store_true")
    parser.add_argument("--clock", type=float, nargs="?", const=40, default=0)
    parser.add_argument("--disable-keyboard-controls", action="store_true")
    return parser.parse_args(command[3:])


def test_only_what_sensors_said_is_played():
    arguments = played(bag="drives/monday")
    assert (
        arguments.bag == "drives/monday"
        and arguments.clock == 100
        and arguments.rate == 1.0
        and not arguments.loop
    )
    assert arguments.topics == ["/camera/image_raw/compressed", "/imu/data", "/odom"]


@pytest.mark.parametrize(
    "transport, topic", [("raw", "/front/image"), ("compressed", "/front/image/compressed")]
)
def test_the_recording_s_topics_are_asked_for(transport, topic):
    arguments = played(
        image="/front/image",
        imu="/imu",
        odom="/wheels",
        image_transport=transport,
        loop="true",
        rate="0.5",
    )
    assert (
        arguments.topics == [topic, "/imu", "/wheels"] and arguments.loop and arguments.rate == 0.5
    )


def test_the_nodes_live_by_the_recording_s_clock():
    assert DEFAULTS["use_sim_time"].value == "true"
    assert set(DEFAULTS) >= {"bag", "loop", "rate", "model", "vehicle", "image", "imu", "odom"}
