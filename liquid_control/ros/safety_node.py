"""The safety gate as a node: proposed steering in, allowed steering out. Imports neither PyTorch
nor ONNX Runtime nor OpenCV.

A plain node, not a lifecycle node: it watches from its start, without an activation. While the
driver steers it publishes no command; once engaged it acts when `control.loop.Loop` says so, on
proposals and without them.

Ages and limits use the steady clock (`control.guard`): a /clock that stands still or jumps opens no
limit.
"""

from __future__ import annotations

import collections
import dataclasses
import signal
import sys
import time

from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from liquid_control.config import GateConfig
from liquid_control.control.engagement import COMMANDING, DRIVING, State
from liquid_control.control.guard import Decision, Guard
from liquid_control.control.loop import Loop
from liquid_control.control.vehicle import curvature
from liquid_control.errors import ConfigError
from liquid_control.ros import conversions, diagnostics, parameters, process, qos, undeclared
from liquid_control.ros.diagnostics import Meter, Report
from liquid_control.ros.gate_memory import GateMemory, open_memory
from liquid_control.ros.health.gate import Known
from liquid_control.ros.health.gate_check import GateCheck
from liquid_control.ros.health.part import Level, Problem
from liquid_control.ros.measurements import angle_input, speed_input
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.operator import OperatorInput
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.proposal_source import Driver, ProposalSource
from liquid_control.ros.publisher_conflicts import PublisherConflicts
from liquid_control.signals import Command, Limit, Verdict

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

LEVELS = {
    State.DEGRADED: diagnostics.ERROR,
    State.STOPPED: diagnostics.ERROR,
    State.FAULT: diagnostics.ERROR,
}


LAST_COMMANDS, LAST_COMMAND_WAITS, LAST_COMMANDS_APART = 4, 0.3, 0.1
"""A gate that ends while it commands sends its last command so often, waits so long for each to
arrive [s], and so long before the next [s]: who hears it may be held up for longer than a command
is valid."""

PARAMETERS = NODES["safety_node"]


class SafetyNode(Node):
    """Raises ConfigError for parameters that break their bounds, MissingDependencyError when
    ackermann_msgs is chosen and absent."""

    def __init__(self, **options) -> None:
        super().__init__("safety_node", **options)
        self.config, limits, engagement, buttons, speed, angle, self.vehicle = (
            parameters.declare_all(self, PARAMETERS)
        )
        unknown = undeclared.refuse_undeclared(self, "safety_node")
        self.guard = Guard(limits, self.vehicle, engagement)
        parameters.follow(self, [("gate.", limits)], lambda changed: self._set_limits(*changed))
        self._proposals, self._speeds, self._commands, self._latency = (Meter() for _ in range(4))
        self._acted: collections.Counter[str] = collections.Counter()
        self._mismatches: collections.Counter[str] = collections.Counter()
        self._conflicts: tuple[str, ...] = ()
        self._decision = Decision(
            State.DISENGAGED, "not engaged yet", None, Verdict(Limit.NONE, False), 0
        )
        self._published_state: tuple[State, str, Driver, str] | None = None
        self._told_to_end = False
        self._kind = conversions.steering_type(self.config.command_type)
        outgoing = qos.command_out(period=2.0 / self.config.rate, lifespan=limits.stale_after)
        self._out = self.create_publisher(self._kind, "command", outgoing)
        self._verdicts = self.create_publisher(DiagnosticStatus, "~/verdict", qos.STATUS)
        self._states = self.create_publisher(DiagnosticStatus, "~/state", qos.LATCHED)
        kind, self._read_speed = speed_input(self, speed)
        self._odometry = PolledSubscription(self, kind, "odom", qos.INERTIAL)
        kind, self._read_angle = angle_input(self, angle)
        self._angles = PolledSubscription(self, kind, "steering_angle", qos.INERTIAL)
        self._operator = OperatorInput(
            self, buttons, engagement.enable_stale_after, self.guard.answer
        )
        self._memory = self._remember()
        events = SubscriptionEventCallbacks(incompatible_qos=self._on_mismatch)
        kind = conversions.steering_type(self.config.proposal_type)
        self._publisher_conflicts = PublisherConflicts(self, self.config.publisher_lease)
        self._source = ProposalSource(
            self,
            kind,
            self.config.manual,
            engagement,
            lambda: self.guard.engagement.state,
            self._on_proposal,
            self._on_passed_over,
        )
        on_proposal = self._publisher_conflicts.heard(self._source.from_policy)
        proposal = self.create_subscription(
            kind, "proposal", on_proposal, qos.COMMAND_IN, event_callbacks=events
        )
        inputs = {
            "odometry": self._odometry.subscription,
            "steering_angle": self._angles.subscription,
            "proposal": proposal,
        }
        self._check = GateCheck(self, inputs, self._out, unknown)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        period = 1.0 / self.config.rate
        self._loop = Loop(period, silence=engagement.proposal_stale_after)
        self._watchdog = self.create_timer(period, lambda: self._wake(proposed=False), clock=steady)
        self.create_timer(0.5, self._find_conflicts, clock=steady)
        diagnostics.publish(self, self._report)

    def run(self, executor: SingleThreadedExecutor) -> None:
        """Spins until a signal ends the process. rclpy's own handlers would end the context first,
        and with it the way to the vehicle for the last command; the watchdog's timer wakes the
        executor at least every 0.1 s."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(self, "_told_to_end", True))
        while not self._told_to_end:
            executor.spin_once()

    def _on_proposal(self, message) -> None:
        now, previous = self.get_clock().now().nanoseconds, self.guard.previous
        held = curvature(previous.steering_angle, self.vehicle) if previous else 0.0
        action = conversions.action_from_message(message, self.vehicle, now, held)
        self._proposals.tick()
        if self._source.driver is Driver.POLICY or not self._source.policy_heard:
            self._check.health.hear(self._check.health.proposals, message, action.stamp_ns, now)
        if not self.guard.push_proposal(action, now, time.monotonic_ns()):
            return
        self._wake(proposed=True)
        if self._decision.command is not None:
            self._latency.tick((self._decision.command.issued_ns - action.stamp_ns) / 1e9)

    def _on_passed_over(self, message) -> None:
        """The policy's proposal while a person drives: the start-up check hears of it, so that it
        does not find the policy silent."""
        now, health = self.get_clock().now().nanoseconds, self._check.health
        action = conversions.action_from_message(message, self.vehicle, now)
        health.hear(health.proposals, message, action.stamp_ns, now)

    def _wake(self, proposed: bool) -> None:
        """At a proposal and from the watchdog, which is set to the loop's next instant."""
        steady = time.monotonic_ns()
        acts = self._loop.wake(steady, proposed)
        self._watchdog.timer_period_ns = max(self._loop.next_ns - steady, 1)
        self._watchdog.reset()
        if acts:
            self._tick()

    def _tick(self) -> None:
        now, steady = self.get_clock().now().nanoseconds, time.monotonic_ns()
        ahead, health = now - time.time_ns(), self._check.health
        for message, received_ns in self._odometry.take():
            sample = self._read_speed(message, received_ns + ahead)
            believed = self.guard.push_speed(sample, now, steady)
            arrival = received_ns + ahead
            health.hear(health.odometry, message, sample.stamp_ns, arrival, believed)
            self._speeds.tick()
        for message, received_ns in self._angles.take():
            sample = self._read_angle(message, received_ns + ahead)
            believed = self.guard.push_steering_angle(sample, now, steady)
            arrival = received_ns + ahead
            health.hear(health.angles, message, sample.stamp_ns, arrival, believed)
        faults = self._conflicts if self.config.conflicts_are_faults else ()
        request = self._operator.take(faults)
        if self.config.strict:
            request = dataclasses.replace(request, unready=health.objections())
        self._decision = decision = self.guard.tick(now, steady, request)
        if decision.state is State.ENGAGING:
            self._check.engages(self.vehicle, self.guard.limits, self._known)
        self._memory.note(decision.state, decision.reason, self._operator.held)
        self._publish(decision.closing)
        if decision.command is not None:
            self._publish(decision.command)
            self._acted.update(decision.verdict.limits.names())
            self._acted["activations"] += bool(decision.verdict.limits)
            self._publish_verdict(decision)
        self._publish_state(decision)

    def _publish(self, command: Command | None) -> None:
        if command is not None:
            self._out.publish(conversions.command_message(command, self._kind, self.vehicle))
            self._commands.tick()

    def _publish_state(self, decision: Decision) -> None:
        """State, reason, who drives and who has taken over: latched on ~/state whenever one
        changes, in the log when the state does."""
        taken_by = ", ".join(self._operator.held.takeover)
        told = decision.state, decision.reason, self._source.driver, taken_by
        if told == self._published_state:
            return
        level = LEVELS.get(decision.state, diagnostics.OK)
        values = {
            "reason": decision.reason,
            "driver": self._source.driver.value,
            "taken_by": taken_by,
            "steady_ns": time.monotonic_ns(),
        }
        self._states.publish(
            diagnostics.status(
                "safety gate state", "liquid_control", level, decision.state.value, values
            )
        )
        if self._published_state is None or self._published_state[0] is not decision.state:
            line = f"{decision.state.value}: {decision.reason}"
            if level == diagnostics.ERROR:  # rclpy wants one severity for each line that logs
                self.get_logger().error(line)
            else:
                self.get_logger().info(line)
        self._published_state = told

    def _publish_verdict(self, decision: Decision) -> None:
        """For each command the limits that acted, with the command to identify it. Numbers have all
        their digits, so that they can be checked."""
        verdict = decision.verdict
        level = (
            diagnostics.ERROR
            if verdict.safe_stop
            else diagnostics.WARN
            if verdict.limits
            else diagnostics.OK
        )
        command = {
            name: repr(value) for name, value in dataclasses.asdict(decision.command).items()
        }
        speeds = {
            "measured_speed": repr(self.guard.known_speed(decision.steady_ns)),
            "last_speed": repr(self.guard.last_speed),
        }
        values = {
            "safe_stop": verdict.safe_stop,
            "state": decision.state.value,
            "steady_ns": decision.steady_ns,
            **speeds,
            **command,
        }
        self._verdicts.publish(
            diagnostics.status(
                "safety gate", "liquid_control", level, ", ".join(verdict.limits.names()), values
            )
        )

    def _set_limits(self, limits: GateConfig) -> None:
        if self.guard.engagement.state in COMMANDING:
            raise ConfigError(
                "gate",
                "a change of limits",
                f"none while {self.guard.engagement.state.value}; take over first",
            )
        self.guard.limits = limits

    def _remember(self) -> GateMemory:
        """What is kept over a restart, handed to the operator's input and logged."""
        memory = open_memory(self.config.state_folder, self.get_fully_qualified_name())
        self._operator.restore(memory.restored)
        if memory.restored.words:
            self.get_logger().warning(
                f"from before the restart: {memory.restored.words} ({memory.path})"
            )
        if memory.problem:
            self.get_logger().warning(memory.problem)
        return memory

    def destroy_node(self) -> None:
        """A last command first, where commands cease with this node."""
        last = self.guard.closing_command(self.get_clock().now().nanoseconds)
        if last is not None and self.context.ok():
            for number in range(LAST_COMMANDS):
                time.sleep(LAST_COMMANDS_APART if number else 0.0)
                self._publish(last)
                self._out.wait_for_all_acked(Duration(seconds=LAST_COMMAND_WAITS))
        by_signal = self._told_to_end or not self.context.ok()
        self._memory.end(in_order=by_signal)
        super().destroy_node()

    def _find_conflicts(self) -> None:
        found = self._publisher_conflicts.find() + self._source.conflicts()
        for conflict in set(found) - set(self._conflicts):
            self.get_logger().error(conflict)
        self._conflicts = found

    def _on_mismatch(self, event) -> None:
        self._mismatches["proposal"] = event.total_count
        self.get_logger().error(
            "a publisher of proposals offers an incompatible quality of service (not reliable)"
        )

    def _known(self) -> Known:
        operator, why = self._operator.problems(), self._memory.problem
        if why:
            remedy = "set state_folder to a folder that can be written, or to none"
            operator += (Problem("memory", Level.WARN, why, remedy),)
        return Known(self.guard.angle_problem(time.monotonic_ns()), operator)

    def _report(self) -> Report:
        decision = self._decision
        values = {"state": decision.state.value, "reason": decision.reason}
        values |= {
            "driver": self._source.driver.value,
            **self._proposals.flow("proposal"),
            **self._speeds.flow("speed"),
            **self._commands.flow("command"),
        }
        values |= {
            **self._latency.latency("latency stamp to command"),
            "command_listeners": self._out.get_subscription_count(),
        }
        values |= {f"gate_{name}": count for name, count in self._acted.items()}
        values |= {f"refused_{name}": count for name, count in self.guard.rejected.items()}
        values |= {
            "clock_jumps": self.guard.clock_jumps,
            "qos_mismatches": self._mismatches.total(),
            "conflicts": "; ".join(self._conflicts),
        }
        engagement, limits = self.guard.engagement, self.guard.limits
        driving = engagement.state in DRIVING
        parts = self._check.parts(self.vehicle, limits, driving, self._known())
        level, acted = (
            LEVELS.get(decision.state, diagnostics.OK),
            ", ".join(decision.verdict.limits.names()),
        )
        if level == diagnostics.OK and engagement.missing:
            level = diagnostics.WARN
        if self._conflicts:
            level = diagnostics.ERROR
        if level == diagnostics.OK and acted:
            # the cap on speed rises by the acceleration whenever a vehicle pulls away
            usual = decision.verdict.limits is Limit.ACCELERATION
            said = f"{decision.state.value}, limited: {acted}"
            return Report(level if usual else diagnostics.WARN, said, values, parts)
        return Report(level, f"{decision.state.value}: {decision.reason}", values, parts)


def main() -> int:
    return process.run(SafetyNode, SafetyNode.run, shared_memory=False)


if __name__ == "__main__":
    sys.exit(main())
