"""The real gate and joystick's node, and a person with a pad on `joy`, for `soak joystick`."""

from __future__ import annotations

import enum
import os
import signal
import time
from pathlib import Path

import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Joy

from liquid_control.errors import DriveError
from liquid_control.ros import conversions, qos
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.launching import WITH_OPERATOR
from liquid_control.ros.node_processes import (
    Child,
    Children,
    EnvironmentVariables,
    isolated_environment,
)
from liquid_control.ros.pads.presets import find_preset

PERIOD = 0.02
"""Between two messages of the pad [s]."""
PRESSED_FOR = 5.0
"""A button is held for so long before it is released and pressed again [s]."""


class Pad(enum.Enum):
    """What the pad's driver publishes."""

    SILENT, SAME, ALIVE = "nothing", "the last message", "messages of a hand"


AFTERWARDS = {
    "repeated": Pad.SAME,
    "silent": Pad.SILENT,
    "driver_killed": Pad.SILENT,
    "node_killed": Pad.ALIVE,
    "node_frozen": Pad.ALIVE,
}
"""By what is lost, what the driver does from then on."""


class HandRig:
    """A context: two nodes and an observer on a ROS domain of their own."""

    def __init__(self, logs: Path, preset: str, speed: float) -> None:
        self._logs, self._pad, self._speed = logs, find_preset(preset), speed
        gate = {
            **WITH_OPERATOR["safety_node"],
            "engagement.healthy_for": 0.1,
            "engagement.soft_time": 0.0,
            "gate.max_speed": 3.0,
            "state_folder": "none",
        }
        hand = {"source": "topic", "preset": preset, "hand_speed": speed}
        self._gate = Child("safety_node", "liquid_control.ros.safety_node", gate)
        self._node = Child("joystick_node", "liquid_control.ros.joystick_node", hand)
        self._turn, self._proved, self._state = 0, 0.0, ("", "")
        self._latest: Joy | None = None
        self._after = Pad.ALIVE
        self._commands: list[tuple[float, float]] = []  # arrival, speed

    def __enter__(self) -> HandRig:
        environment, self._claim = isolated_environment()
        environment["ROS_LOG_DIR"] = str(self._logs)
        self._children = Children([self._gate, self._node], environment, self._logs)
        self._children.__enter__()
        everything = environment | transport({**os.environ, **environment}, shared_memory=False)
        with EnvironmentVariables(everything):
            rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
            self._observer = Node("person")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._observer)
        self._odometry = self._observer.create_publisher(Odometry, "odom", qos.INERTIAL)
        self._driver = self._observer.create_publisher(Joy, "joy", qos.STATUS)
        self._observer.create_subscription(
            DiagnosticStatus, "safety_node/state", self._on_state, qos.LATCHED
        )
        self._observer.create_subscription(
            TwistStamped, "command", self._on_command, qos.COMMAND_IN
        )
        return self

    def __exit__(self, *_) -> None:
        self._children.end()
        self._observer.destroy_node()
        rclpy.try_shutdown()
        self._claim.close()

    def drive(self, patience: float) -> None:
        """Until the person drives at speed. Raises DriveError when that takes too long."""
        end, pressed = time.monotonic() + patience, 0.0
        while time.monotonic() < end:
            self._children.raise_if_died()
            held = time.monotonic() - pressed < PRESSED_FOR
            if not held:
                for _ in range(15):
                    self._send(hold=False, speed=0.0)
                pressed = time.monotonic()
            engaged = self._state == ("engaged", "hand")
            self._send(hold=True, speed=0.8 if engaged else 0.0)
            if engaged and self._commands and self._commands[-1][1] > 0.5:
                return
        raise DriveError(f"nobody drives after {patience:g} s; the gate is {self._state}")

    def lose(self, what: str) -> float:
        """Loses what AFTERWARDS names; returns when the last proof of the pad was given [s of the
        steady clock], or the node was stopped."""
        self._after = AFTERWARDS[what]
        if what == "driver_killed":
            self._observer.destroy_publisher(self._driver)
            self._driver = None
        elif what in ("node_killed", "node_frozen"):
            number = signal.SIGKILL if what == "node_killed" else signal.SIGSTOP
            return self._children.send_signal("joystick_node", number) / 1e9
        return self._proved

    def await_end(self, patience: float) -> float | None:
        """When the last command of speed 0 came [s of the steady clock]; None where none came."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            self._wait()
            if self._state[0] == "disengaged" and self._commands[-1][1] == 0.0:
                return self._commands[-1][0]
        return None

    def commands_within(self, seconds: float) -> int:
        """Number of commands in that time that are not those of a vehicle that stands."""
        before, end = len(self._commands), time.monotonic() + seconds
        while time.monotonic() < end:
            self._wait()
        return sum(speed != 0.0 for _, speed in self._commands[before:])

    def restore(self) -> None:
        """The pad, its driver and its node are there again."""
        if self._driver is None:
            self._driver = self._observer.create_publisher(Joy, "joy", qos.STATUS)
        if "joystick_node" in self._children.pids:
            self._children.send_signal("joystick_node", signal.SIGCONT)
        else:
            self._children.start(self._node)
        self._commands.clear()

    def _send(self, hold: bool, speed: float) -> None:
        """A message of the pad, in a hand that trembles."""
        self._turn += 1
        axes, buttons = [0.0] * self._pad.shape[0], [0] * self._pad.shape[1]
        index, sign = self._pad.axis("speed")
        axes[index] = sign * (speed + 0.01 * (self._turn % 2) if speed else 0.0)
        axes[self._pad.axis("steering")[0]] = 0.01 * (self._turn % 2)
        buttons[self._pad.button("hold")] = int(hold)
        self._latest = Joy(axes=axes, buttons=buttons)
        self._proved = time.monotonic()
        self._driver.publish(self._latest)
        self._spin()

    def _wait(self) -> None:
        if self._after is Pad.ALIVE:
            self._send(hold=True, speed=0.8)
            return
        if self._after is Pad.SAME:
            self._driver.publish(self._latest)
        self._spin()

    def _spin(self) -> None:
        odometry = Odometry(header=conversions.header(time.time_ns()))
        odometry.twist.twist.linear.x = self._speed
        self._odometry.publish(odometry)
        end = time.monotonic() + PERIOD
        while (left := end - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _on_state(self, message: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in message.values}
        self._state = message.message, values["driver"]

    def _on_command(self, message: TwistStamped) -> None:
        self._commands.append((time.monotonic(), message.twist.linear.x))
