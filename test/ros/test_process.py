"""How nodes end."""

import subprocess
import sys

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
