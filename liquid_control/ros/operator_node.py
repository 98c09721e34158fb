"""The operator's page as a node of its own process, and `liquid-control operate`. Imports no
PyTorch."""

from __future__ import annotations

import signal
import sys

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liquid_control.ros import diagnostics, parameters, process, undeclared
from liquid_control.ros.diagnostics import Report
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.operate.camera import Camera
from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.operate.server import Server
from liquid_control.ros.operate.view import View

LOOK_FOR_SIGNALS = 0.5
"""The executor waits so long at most [s]."""
PARAMETERS = NODES["operator_node"]


class OperatorNode(Node):
    """Raises ConfigError for parameters that break their bounds, and for an address that cannot
    be served."""

    def __init__(self, **options) -> None:
        super().__init__("operator_node", **options)
        config, heartbeat, speed = parameters.declare_all(self, PARAMETERS)
        undeclared.refuse_undeclared(self, "operator_node")
        self._told_to_end = False
        robot = self._robot = Robot(self, config.gate, config.recorder, config.hand_speed)
        self.server = Server(
            config,
            heartbeat,
            robot,
            View(self, robot, config.policy, speed),
            Camera(self, config.policy),
            self.get_logger().info,
            lambda: self.get_clock().now().nanoseconds,
        )
        self.get_logger().info(f"the operator's page: {self.server.address}")
        diagnostics.publish(self, self._report)

    def run(self, executor: SingleThreadedExecutor) -> None:
        """Spins until a signal ends the process. rclpy's own handlers would end the context first,
        and with it the way to the gate for a last takeover."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(self, "_told_to_end", True))
        while not self._told_to_end:
            executor.spin_once(timeout_sec=LOOK_FOR_SIGNALS)

    def destroy_node(self) -> None:
        """A vehicle that the page drives is taken over first."""
        self.server.close()
        if self.context.ok():
            self._robot.wait_until_heard()
        super().destroy_node()

    def _report(self) -> Report:
        return Report(diagnostics.OK, self.server.address, self.server.counts())


def main() -> int:
    return process.run(OperatorNode, OperatorNode.run)


if __name__ == "__main__":
    sys.exit(main())
