"""The operator's page as a node of its own process, and `liquid-control operate`. Imports no
PyTorch."""

from __future__ import annotations

import signal
import sys
import time

from rclpy.clock import Clock, ClockType
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liquid_control.ros import diagnostics, parameters, process, undeclared
from liquid_control.ros.diagnostics import Report
from liquid_control.ros.exit_codes import FAILED_START
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.operate.camera import Camera
from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.operate.server import Server
from liquid_control.ros.operate.view import View
from liquid_control.ros.publisher_conflicts import Listed, others_commanding, patience_with_own_name
from liquid_control.ros.takeover_topics import PAGE

LOOK_FOR_SIGNALS = 0.5
"""The executor waits so long at most [s]."""
LOOK_FOR_OTHERS, AT_START = 0.2, 3.0
"""Between two looks for other servers, and the time in which DDS names those that were there
before this one, which then ends [s]."""
LEASE = 25.0
"""Longer than DDS lists a dead process [s]."""
PARAMETERS = NODES["operator_node"]


class OperatorNode(Node):
    """Raises ConfigError for parameters that break their bounds, and for an address that cannot
    be served.

    One server at a time: each lets one page drive, so that of two servers two pages would. No page
    may take control while there are two, and one that finds another at its start ends."""

    def __init__(self, **options) -> None:
        super().__init__("operator_node", **options)
        config, heartbeat, speed = parameters.declare_all(self, PARAMETERS)
        undeclared.refuse_undeclared(self, "operator_node")
        self._told_to_end = False
        robot = self._robot = Robot(self, PAGE, config.gate, config.recorder, config.hand_speed)
        self._others = Listed(self, robot.takeover_topic)
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
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(LOOK_FOR_OTHERS, self._look_for_others, clock=steady)
        diagnostics.publish(self, self._report)

    def run(self, executor: SingleThreadedExecutor) -> int | None:
        """Spins until a signal ends the process, or another server is found at its start; returns
        the exit code then. rclpy's own handlers would end the context first,
        and with it the way to the gate for a last takeover."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(self, "_told_to_end", True))
        start = time.monotonic()
        while not self._told_to_end:
            executor.spin_once(timeout_sec=LOOK_FOR_SIGNALS)
            if self.server.objection and time.monotonic() - start <= AT_START:
                self.get_logger().error("it was there before this one, which ends: one at a time")
                return FAILED_START
        return None

    def destroy_node(self) -> None:
        """A vehicle that the page drives is taken over first."""
        self.server.close()
        if self.context.ok():
            self._robot.wait_until_heard()
        super().destroy_node()

    def _other_servers(self) -> str:
        """Names them; empty without any."""
        patience = patience_with_own_name(LEASE)
        others = others_commanding(self._others.now(), self.get_fully_qualified_name(), patience)
        return f"another server of the page: {', '.join(sorted(others))}" if others else ""

    def _look_for_others(self) -> None:
        others = self._other_servers()
        if others and not self.server.objection:
            self.get_logger().error(f"{others}; no page may take control while there are two")
        self.server.objection = others

    def _report(self) -> Report:
        trouble = self.server.objection
        level = diagnostics.ERROR if trouble else diagnostics.OK
        return Report(level, trouble or self.server.address, self.server.counts())


def main() -> int:
    return process.run(OperatorNode, OperatorNode.run)


if __name__ == "__main__":
    sys.exit(main())
