"""The real gate, the real server of the operator's page, and a robot in this process whose policy
always proposes: for soaks of the page."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from liquid_control.control.engagement import DRIVING
from liquid_control.errors import DriveError
from liquid_control.ros import conversions, qos
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.node_processes import (
    Child,
    Children,
    EnvironmentVariables,
    isolated_environment,
)

PERIOD = 1 / 30
PATIENCE = 60.0
GATE = {
    "state_folder": "none",
    "manual": True,
    "engagement.engage": "manual",
    "engagement.dead_man": True,
    "engagement.enable_stale_after": 0.2,
    "engagement.healthy_for": 0.1,
    "engagement.soft_time": 0.0,
}
"""As `operator:=true` makes the gate, but that it engages sooner."""


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port: int) -> bool:
    """Whether something listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def server(port: int) -> Child:
    """The server of the page."""
    return Child("operator_node", "liquid_control.ros.operator_node", {"port": port})


class Stage:
    """A context. `states`: the gate's, with the instant [ns of the steady clock] at which it
    published each. `port`: that the page is served on."""

    def __init__(self, logs: Path) -> None:
        self.states: list[tuple[int, str, str]] = []
        self._logs, self._ended = logs, threading.Event()
        self.port = free_port()

    def __enter__(self) -> Stage:
        with contextlib.ExitStack() as stack:
            environment, claim = isolated_environment()
            stack.enter_context(claim)
            environment["ROS_LOG_DIR"] = str(self._logs)
            context = Context()
            with EnvironmentVariables(
                environment | transport({**os.environ, **environment}, shared_memory=True)
            ):
                rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
                stack.callback(rclpy.try_shutdown, context=context)
                self._node = Node("robot", context=context)
            self._make_robot(context)
            nodes = [
                Child("safety_node", "liquid_control.ros.safety_node", GATE),
                server(self.port),
            ]
            self.children = stack.enter_context(Children(nodes, environment, self._logs))
            self._server = nodes[1]
            thread = threading.Thread(target=self._live, name="robot")
            thread.start()
            stack.callback(thread.join)
            stack.callback(self._ended.set)
            self.until(lambda: self.states and self.is_served, "gate and page")
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    @property
    def is_served(self) -> bool:
        return answers(self.port)

    @property
    def drives(self) -> bool:
        return self.states[-1][1] in {state.value for state in DRIVING}

    def stopped_after(self, since_ns: int, patience: float) -> float | None:
        """Seconds from an instant until the gate does not let the policy drive any more; None where
        it still does."""
        end = time.monotonic() + patience
        driving = {state.value for state in DRIVING}
        while time.monotonic() < end:
            for at, state, _ in self.states[:]:
                if at >= since_ns and state not in driving:
                    return (at - since_ns) / 1e9
            time.sleep(0.005)
        return None

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Raises DriveError."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise DriveError(f"waited in vain for {what}; the gate is {self.states[-1:]}")
            time.sleep(0.005)

    def signal_server(self, number: int) -> int:
        return self.children.send_signal("operator_node", number)

    def restart_server(self) -> None:
        self.signal_server(signal.SIGKILL)
        self.children.await_end("operator_node")
        self.children.start(self._server)
        self.until(lambda: self.is_served, "the page")

    def _make_robot(self, context: Context) -> None:
        node = self._node
        node.create_subscription(DiagnosticStatus, "safety_node/state", self._hear, qos.LATCHED)
        self._odometry = node.create_publisher(Odometry, "odom", qos.STATUS)
        self._proposals = node.create_publisher(TwistStamped, "proposal", qos.COMMAND_IN)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(node)

    def _hear(self, message: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in message.values}
        self.states.append((int(values["steady_ns"]), message.message, values["reason"]))

    def _live(self) -> None:
        """Odometry and proposals until the end."""
        next_at = time.monotonic()
        while not self._ended.is_set():
            header = conversions.header(time.time_ns())
            odometry, proposal = Odometry(header=header), TwistStamped(header=header)
            odometry.twist.twist.linear.x = 5.0
            proposal.twist.linear.x, proposal.twist.angular.z = 5.0, 0.05
            self._odometry.publish(odometry)
            self._proposals.publish(proposal)
            next_at = max(next_at + PERIOD, time.monotonic())
            while (left := next_at - time.monotonic()) > 0:
                try:
                    self._executor.spin_once(timeout_sec=left)
                except ExternalShutdownException:
                    return
