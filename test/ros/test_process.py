"""How nodes end."""

import subprocess
import sys

import pytest

from liquid_control.ros.exit_codes import CRASHED, ENDED, FAILED_START

STUCK = """
import sys
from rclpy.node import Node
from liquid_control.ros import process

class Stuck(Node):
    def destroy_node(self):
        while True:
            pass

process.PATIENCE = 0.5
sys.exit(process.run(lambda: Stuck("stuck"), loop=lambda node, executor: None))
"""


def test_a_node_that_cannot_end_leaves_and_says_where_it_was():
    """As Fast DDS does where another participant leaves in the same moment, for good."""
    ended = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 1
    assert "in destroy_node" in ended.stderr


INTERRUPTED = """
import os, signal, sys, time
from rclpy.node import Node
from liquid_control.ros import process

class Part:
    def __del__(self):
        interrupt()

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)

class Interrupted(Node):
    def __init__(self):
        super().__init__("interrupted")
        self.create_timer(0.05, interrupt)
        self.part = Part()

    def destroy_node(self):
        for _ in range(5):
            interrupt()
        super().destroy_node()

code = process.run(lambda: Interrupted())
interrupt()
sys.exit(code)
"""


def test_one_ctrl_c_after_another_ends_a_node_quietly():
    """As a terminal and `ros2 launch` send them, at any moment of the end."""
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (ENDED, "", "")


ENDS = """
import sys
from rclpy.node import Node
from liquid_control.errors import ConfigError
from liquid_control.ros import process

def fail(*_):
    raise {error}

sys.exit(process.run({make}, loop=fail))
"""


@pytest.mark.parametrize("error", ["ConfigError('x', 1, '2')", "OSError('gone')"])
@pytest.mark.parametrize("make, code", [("fail", FAILED_START), ("lambda: Node('n')", CRASHED)])
def test_a_failed_start_is_distinguished_from_a_crash(error, make, code):
    ended = subprocess.run(
        [sys.executable, "-c", ENDS.format(error=error, make=make)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == code
    assert ("Traceback" in ended.stderr) == ("OSError" in error), ended.stderr


IMPORTED = """
import os, signal, sys
from liquid_control.ros import executables

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "rclpy.node":
            {what}

sys.meta_path.insert(0, Finder())
sys.exit(executables.{node}())
"""


@pytest.mark.parametrize("node", ["policy_node", "safety_node", "sim_node"])
@pytest.mark.parametrize(
    "what, code, line",
    [
        ("os.kill(os.getpid(), signal.SIGINT)", ENDED, ""),
        (
            "raise ModuleNotFoundError('No', name=name)",
            FAILED_START,
            "rclpy.node is not installed. ",
        ),
        ("raise ImportError('libfoo.so: cannot open')", FAILED_START, "libfoo.so: cannot open. "),
    ],
)
def test_what_happens_while_an_executable_imports_is_no_traceback(node, what, code, line):
    ended = subprocess.run(
        [sys.executable, "-c", IMPORTED.format(what=what, node=node)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == code and ended.stdout == ""
    assert ended.stderr.count("\n") == (1 if line else 0), ended.stderr
    assert ended.stderr.startswith(f"{node}: {line}" if line else "")
