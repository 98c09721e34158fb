"""The safety gate as a node: proposed steering in, allowed steering out. Imports neither PyTorch nor ONNX Runtime nor OpenCV.

A plain node, not a lifecycle one: a watchdog that waits to be activated is not a watchdog. It keeps silent until the first proposal
(nobody asked it to drive); from then on it commands with every proposal, and on its own timer whatever becomes of the policy. Each
proposal sets that timer back: a command just before a proposal would leave the wheels no time to follow it within their rate limit.

A proposal is stale by two clocks: by its stamp on the node's clock, as the gate sees it, and by its arrival on a steady clock, so that
a /clock which stands still or is set back cannot make an old proposal young.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import sys

from diagnostic_msgs.msg import DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from liquid_control.config import GateConfig, VehicleConfig, check, choice, number
from liquid_control.control.safety import SafetyGate
from liquid_control.control.vehicle import curvature
from liquid_control.ros import conversions, diagnostics, parameters, process, qos
from liquid_control.ros.diagnostics import Meter
from liquid_control.ros.mailbox import Mailbox
from liquid_control.signals import Action, Command, Limit, SpeedSample, Verdict


@dataclasses.dataclass(frozen=True)
class SafetyNodeConfig:
    """What shapes the node; read once, when it starts."""

    rate: float = number(20.0, 10.0, 500.0, "Hz", "commands a second from the node's own timer while no proposal comes")
    proposal_type: str = choice("twist_stamped", conversions.PROPOSAL_TYPES, "message type of the proposal")
    command_type: str = choice("twist_stamped", conversions.STEERING_TYPES, "message type of the command")

    def __post_init__(self) -> None:
        check(self)


class SafetyNode(Node):
    """Raises ConfigError for parameters that break their bounds, MissingDependencyError when ackermann_msgs is chosen and absent."""

    def __init__(self, **options) -> None:
        super().__init__("safety_node", **options)
        self.config = parameters.declare(self, SafetyNodeConfig(), fixed=True)
        self.vehicle = parameters.declare(self, VehicleConfig(), "vehicle.", fixed=True)
        limits = parameters.declare(self, GateConfig(), "gate.")
        self.gate = SafetyGate(limits, self.vehicle)
        parameters.follow(self, {"gate.": limits}, lambda changed: self._set_limits(changed["gate."]))
        self.action: Action | None = None
        self.previous: Command | None = None
        self.speed: SpeedSample | None = None
        self._proposals, self._speeds, self._commands, self._latency = (Meter() for _ in range(4))
        self._acted: collections.Counter[str] = collections.Counter()
        self._verdict = Verdict(Limit.NONE, False)
        self._kind = conversions.steering_type(self.config.command_type)
        outgoing = qos.command_out(period=2.0 / self.config.rate, lifespan=limits.stale_after)
        self._out = self.create_publisher(self._kind, "command", outgoing)
        self._verdicts = self.create_publisher(DiagnosticStatus, "~/verdict", qos.STATUS)
        self._odometry = Mailbox(self, Odometry, "odom", qos.INERTIAL)
        self.create_subscription(conversions.steering_type(self.config.proposal_type), "proposal", self._on_proposal, qos.COMMAND_IN)
        self._watchdog = self.create_timer(1.0 / self.config.rate, self._on_timer, clock=Clock(clock_type=ClockType.STEADY_TIME))
        diagnostics.publish(self, self._report)

    def _on_proposal(self, message) -> None:
        now = self.get_clock().now().nanoseconds
        held = curvature(self.previous.steering_angle, self.vehicle) if self.previous else 0.0
        fresh = self.action is None or conversions.stamp_ns(message.header.stamp) != self.action.stamp_ns
        self.action = conversions.action_from_message(message, self.vehicle, now, held)
        self._proposals.tick()
        self._watchdog.reset()
        self._issue()
        if fresh:
            self._latency.tick((self.previous.issued_ns - self.action.stamp_ns) / 1e9)

    def _on_timer(self) -> None:
        if self.action is not None:
            self._issue()

    def _issue(self) -> None:
        now = self.get_clock().now().nanoseconds
        action = self.action if self._proposals.age <= self.gate.limits.stale_after else None
        command, verdict = self.gate.apply(action, self._known_speed(now), now, self.previous)
        self._out.publish(conversions.command_message(command, self._kind, self.vehicle))
        self._commands.tick()
        if verdict.safe_stop and not self._verdict.safe_stop:
            self.get_logger().warning(f"safe stop: {', '.join(verdict.limits.names())}", throttle_duration_sec=1.0)
        self.previous, self._verdict = command, verdict
        self._acted.update(verdict.limits.names())
        self._acted["activations"] += bool(verdict.limits)
        self._publish_verdict(command, verdict)

    def _known_speed(self, now: int) -> float | None:
        """The measured speed [m/s] while it is fresh by its stamp and by its arrival."""
        for message, _ in self._odometry.take():
            self.speed = conversions.speed_sample(message)
            self._speeds.tick()
        longest = self.gate.limits.speed_stale_after
        known = self.speed is not None and abs(now - self.speed.stamp_ns) <= longest * 1e9 and self._speeds.age <= longest
        return self.speed.speed if known and math.isfinite(self.speed.speed) else None

    def _publish_verdict(self, command: Command, verdict: Verdict) -> None:
        """For each command the limits that acted, with the command itself to know it by; all digits, so that others can check us."""
        level = diagnostics.ERROR if verdict.safe_stop else diagnostics.WARN if verdict.limits else diagnostics.OK
        values = {"safe_stop": verdict.safe_stop, **{name: repr(value) for name, value in dataclasses.asdict(command).items()}}
        message = ", ".join(verdict.limits.names())
        self._verdicts.publish(diagnostics.status("safety gate", "liquid_control", level, message, values))

    def _set_limits(self, limits: GateConfig) -> None:
        self.gate = SafetyGate(limits, self.vehicle)

    def _report(self) -> tuple[bytes, str, dict[str, object]]:
        values = {**self._proposals.flow("proposal"), **self._speeds.flow("speed"), **self._commands.flow("command")}
        values |= {**self._latency.latency("latency stamp to command"), "command_listeners": self._out.get_subscription_count()}
        values |= {f"gate_{name}": count for name, count in self._acted.items()}
        if self.action is None:
            return diagnostics.OK, "waiting for the first proposal", values
        acted = ", ".join(self._verdict.limits.names())
        if self._verdict.safe_stop:
            return diagnostics.ERROR, f"safe stop: {acted}", values
        return (diagnostics.WARN, f"limited: {acted}", values) if acted else (diagnostics.OK, "all is let through", values)


def main() -> int:
    return process.run(SafetyNode)


if __name__ == "__main__":
    sys.exit(main())
