"""Observes gate and policy from a separate process: arrival of each message on the steady clock,
and a check of every command."""

from __future__ import annotations

import collections
import dataclasses
import math
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.control.engagement import DRIVING, State
from liquid_control.ros import conversions, qos
from liquid_control.signals import Command
from liquid_control.stress.faults.course import Tick
from liquid_control.stress.faults.limit_check import violations

ALL = QoSProfile(depth=2000, reliability=ReliabilityPolicy.RELIABLE)
"""A verdict that is missed would make two commands neighbours that are none."""

LIMITS = GateConfig(max_acceleration=20.0)
"""The shipped ones, but for the vehicle's start: after each safe stop it shall soon be fast enough
for the next."""


@dataclasses.dataclass(frozen=True, slots=True)
class Decided:
    """One command of the gate with its verdict. `steady_ns`: when it was decided; `arrival_ns`:
    when that was heard, on the same clock."""

    arrival_ns: int
    steady_ns: int
    safe_stop: bool
    state: State
    command: Command
    known_speed: float | None
    last_speed: float | None

    @property
    def drives(self) -> bool:
        return self.state in DRIVING and not self.safe_stop


class Observer:
    """A context: a node that receives in its own thread. `hear_commands`: false where that topic is
    flooded."""

    def __init__(self, context: Context, hear_commands: bool = True) -> None:
        self.decided: list[Decided] = []
        self.commands: list[tuple[int, float]] = []  # arrival on the steady clock [ns], speed [m/s]
        self.proposals: list[tuple[int, int]] = []  # arrival on the steady clock, stamp [ns]
        self.states: list[tuple[str, str]] = []  # and reasons
        self.diagnostics: dict[str, dict[str, str]] = collections.defaultdict(dict)
        self.node = Node("observer", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self.node.create_subscription(
            DiagnosticStatus, "safety_node/verdict", self._on_verdict, ALL
        )
        self.node.create_subscription(
            DiagnosticStatus, "safety_node/state", self._on_state, qos.LATCHED
        )
        self.node.create_subscription(TwistStamped, "proposal", self._on_proposal, qos.RECORDING)
        self.node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, qos.STATUS
        )
        if hear_commands:
            self.node.create_subscription(TwistStamped, "command", self._on_command, ALL)
        self._thread = threading.Thread(target=self._spin, name="observer")

    def __enter__(self) -> Observer:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()

    @property
    def state(self) -> str:
        """The latest state of the gate."""
        return self.states[-1][0] if self.states else ""

    def ramp_after(self, since_ns: int) -> float | None:
        """Seconds from an instant of the steady clock to the arrival of the first command that
        takes speed away in a safe stop after it."""
        decided = self.decided[:]
        for before, after in zip(decided, decided[1:], strict=False):
            if (
                after.steady_ns >= since_ns
                and after.safe_stop
                and after.command.speed < before.command.speed
            ):
                return self._heard_after(after, since_ns)
        return None

    def control_after(self, since_ns: int, stamp_ns: int) -> float | None:
        """Seconds from an instant of the steady clock to the arrival of the first command after it
        that obeys the policy again, by a picture younger than `stamp_ns`."""
        driven = (
            d
            for d in self.decided[:]
            if d.steady_ns >= since_ns and d.drives and d.command.stamp_ns > stamp_ns
        )
        first = next(driven, None)
        return None if first is None else self._heard_after(first, since_ns)

    def judge(self, since_ns: int) -> dict:
        """Facts about all commands decided since an instant: how many, limits broken, the longest
        time between two, safe stops."""
        decided = [d for d in self.decided[:] if d.steady_ns >= since_ns]
        ticks: list[Tick] = []
        for d in decided:
            tick = Tick(
                (d.steady_ns - since_ns) / 1e9,
                d.state,
                "",
                d.command,
                d.steady_ns,
                d.known_speed,
                d.last_speed,
                lane_offset=math.nan,
                speed=math.nan,
                departed=False,
            )
            if (
                ticks and ticks[-1].state is State.FAULT is not d.state
            ):  # the driver had the wheel meanwhile
                ticks.append(dataclasses.replace(tick, state=State.DISENGAGED, command=None))
            ticks.append(tick)
        gaps = [
            (after.steady_ns - before.steady_ns) / 1e9
            for before, after in zip(decided, decided[1:], strict=False)
        ]
        return {
            "commands": len(decided),
            "safe_stops": sum(d.safe_stop for d in decided),
            "longest_gap_s": round(max(gaps, default=0.0), 4),
            "violations": violations(ticks, LIMITS, VehicleConfig()),
        }

    def _heard_after(self, decision: Decided, since_ns: int) -> float | None:
        """The command itself is what counts; its verdict only where commands are not listened
        to."""
        if not self.commands:
            return (decision.arrival_ns - since_ns) / 1e9
        heard = (
            at
            for at, speed in self.commands[:]
            if at >= decision.steady_ns and speed == decision.command.speed
        )
        at = next(heard, None)
        return None if at is None else (at - since_ns) / 1e9

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass

    def _on_verdict(self, message: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in message.values}
        command = Command(
            int(values["stamp_ns"]),
            int(values["issued_ns"]),
            float(values["steering_angle"]),
            float(values["speed"]),
        )
        measured, last = (
            (None if values[name] == "None" else float(values[name]))
            for name in ("measured_speed", "last_speed")
        )
        stopping = values["safe_stop"] == "True"
        self.decided.append(
            Decided(
                time.monotonic_ns(),
                int(values["steady_ns"]),
                stopping,
                State(values["state"]),
                command,
                measured,
                last,
            )
        )

    def _on_command(self, message: TwistStamped) -> None:
        self.commands.append((time.monotonic_ns(), message.twist.linear.x))

    def _on_proposal(self, message: TwistStamped) -> None:
        self.proposals.append((time.monotonic_ns(), conversions.stamp_ns(message.header.stamp)))

    def _on_state(self, message: DiagnosticStatus) -> None:
        self.states.append((message.message, message.values[0].value))

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name.strip("/")] = {
                pair.key: pair.value for pair in status.values
            }
