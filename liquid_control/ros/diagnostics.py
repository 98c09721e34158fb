"""What a node says about itself once a second on /diagnostics: rates, ages, latency percentiles,
counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from liquid_control.ros import qos
from liquid_control.ros.health.messages import HARDWARE, part_values
from liquid_control.ros.health.part import Part, complaints, worst

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

WINDOW = 5.0
"""Rates and percentiles look back this far [s]."""


class Report(NamedTuple):
    """What a node says of itself; what is wrong with a part of its start-up check is in its level
    and message, too."""

    level: bytes
    message: str
    values: dict[str, object]
    parts: Sequence[Part] = ()

    @property
    def whole_level(self) -> bytes:
        return max(self.level, bytes([worst(self.parts)]))

    @property
    def whole_message(self) -> str:
        return "; ".join((self.message, *complaints(self.parts)))


class Meter:
    """Events of the last WINDOW seconds: how many a second, how long ago, and percentiles of a
    value [s] that came with them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.count = 0
        self._clock = clock
        self._events: deque[tuple[float, float]] = deque(maxlen=4096)
        self._began = clock()
        self._latest = float("-inf")

    def tick(self, value: float = 0.0) -> None:
        self.count += 1
        self._latest = self._clock()
        self._events.append((self._latest, value))

    @property
    def age(self) -> float:
        """Seconds since the latest event, infinite before the first."""
        return self._clock() - self._latest

    @property
    def rate(self) -> float:
        """Events a second."""
        self._forget()
        return len(self._events) / max(min(WINDOW, self._clock() - self._began), 1e-3)

    def percentiles(self, *shares: float) -> tuple[float, ...]:
        """Values at shares in 0..1 of the sorted window; NaN without events."""
        self._forget()
        values = sorted(value for _, value in self._events)
        return tuple(
            values[round(share * (len(values) - 1))] if values else float("nan") for share in shares
        )

    def flow(self, name: str) -> dict[str, object]:
        """Rate and age, ready for a report."""
        return {f"{name} rate [Hz]": self.rate, f"{name} age [s]": self.age}

    def latency(self, name: str) -> dict[str, object]:
        """Median and 99th percentile in milliseconds, ready for a report."""
        half, most = self.percentiles(0.5, 0.99)
        return {f"{name} p50 [ms]": 1e3 * half, f"{name} p99 [ms]": 1e3 * most}

    def _forget(self) -> None:
        oldest = self._clock() - WINDOW
        while self._events and self._events[0][0] < oldest:
            self._events.popleft()


def status(
    name: str, hardware: str, level: bytes, message: str, values: dict[str, object]
) -> DiagnosticStatus:
    """A status message; floats are written with five digits."""
    written = [
        KeyValue(key=key, value=f"{value:.5g}" if isinstance(value, float) else str(value))
        for key, value in values.items()
    ]
    return DiagnosticStatus(
        level=level, name=name, message=message, hardware_id=hardware, values=written
    )


def publish(node: Node, report: Callable[[], Report], latched: str = "") -> None:
    """Publishes what `report` returns once a second, on a steady clock: a stopped /clock must be
    seen, too. `latched`: a second topic that gets the same."""
    publishers = [node.create_publisher(DiagnosticArray, "/diagnostics", qos.STATUS)]
    if latched:
        publishers.append(node.create_publisher(DiagnosticArray, latched, qos.LATCHED))

    def send() -> None:
        name = node.get_fully_qualified_name()
        try:
            said = report()
        except Exception as error:  # noqa: BLE001  what a node says of itself never ends it
            problem = f"the diagnostics failed: {type(error).__name__}: {error}"
            node.get_logger().error(problem, throttle_duration_sec=10.0)
            said = Report(ERROR, problem, {})
        values = said.values | part_values(said.parts)
        own = status(name, HARDWARE, said.whole_level, said.whole_message, values)
        array = DiagnosticArray(status=[own])
        array.header.stamp = node.get_clock().now().to_msg()
        for publisher in publishers:
            publisher.publish(array)

    node.create_timer(1.0, send, clock=Clock(clock_type=ClockType.STEADY_TIME))
