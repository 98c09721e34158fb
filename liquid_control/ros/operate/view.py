"""What the page shows of the robot, from topics that are subscribed to only while a page is
open."""

from __future__ import annotations

import math
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from liquid_control.ros import conversions, qos
from liquid_control.ros.health.messages import parts_in, statuses
from liquid_control.ros.measurements import SpeedInput, speed_input
from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.polled_subscription import PolledSubscription

RECENT, REPORTED = 0.5, 3.0
"""A proposal, verdict or speed is shown for so long, what a node said of itself for so long [s]."""
NOTHING = float("-inf")


class View:
    """`open` and `close`, `look` several times a second in between; then `facts` is what the page
    shows, plain data for JSON."""

    def __init__(self, node: Node, robot: Robot, policy: str, speed: SpeedInput) -> None:
        self._node, self._robot, self._policy = node, robot, policy
        self._odometry, self._read_speed = speed_input(node, speed)
        self._subscriptions: dict[str, PolledSubscription] = {}
        self._values: dict[str, tuple[float, object]] = {}
        self._reports: dict[str, tuple[float, DiagnosticStatus]] = {}

    @property
    def is_open(self) -> bool:
        return bool(self._subscriptions)

    def open(self) -> None:
        """Subscribes, with best effort: a page never slows a node down."""
        self._opened_at = time.monotonic()
        gate = self._robot.gate_name
        for name, kind, topic, profile in (
            ("verdict", DiagnosticStatus, f"{gate}/verdict", qos.CAMERA),
            ("odom", self._odometry, "odom", qos.CAMERA),
            ("recorder", DiagnosticStatus, f"{self._robot.recorder_name}/state", qos.LATCHED),
            ("reports", DiagnosticArray, "/diagnostics", qos.RECORDING),
        ):
            self._subscriptions[name] = PolledSubscription(self._node, kind, topic, profile)

    def close(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.close()
        self._subscriptions.clear()
        self._values.clear()
        self._reports.clear()

    def look(self) -> None:
        """Takes what came in."""
        if not self._subscriptions:
            return
        now, settings = time.monotonic(), self._robot.settings
        self._robot.look()
        for message, received_ns in self._subscriptions["odom"].take():
            speed = self._read_speed(message, received_ns).speed
            self._values["speed"] = now, speed if math.isfinite(speed) else None
        for message, _ in self._subscriptions["verdict"].take():
            self._values["verdict"] = now, message
        for message, _ in self._subscriptions["recorder"].take():
            self._values["recorder"] = now, message
        for message, _ in self._subscriptions["reports"].take():
            for status in message.status:
                self._reports[status.name] = now, status
        if settings is not None:
            self._look_at_proposals(now, settings)

    def _look_at_proposals(self, now: float, settings) -> None:
        for topic in ("proposal", "manual"):
            if topic not in self._subscriptions:
                kind = conversions.steering_type(settings.proposal_type)
                made = PolledSubscription(self._node, kind, topic, qos.CAMERA)
                self._subscriptions[topic] = made
            for message, received_ns in self._subscriptions[topic].take():
                action = conversions.action_from_message(message, settings.vehicle, received_ns)
                self._values[topic] = now, action

    def facts(self) -> dict[str, object]:
        """What is known now; None for what is not."""
        now, gate, settings = time.monotonic(), self._robot.gate, self._robot.settings
        verdict = self._recent("verdict", now)
        values = {pair.key: pair.value for pair in verdict.values} if verdict else {}
        asked = self._recent("manual" if gate.driver == "hand" else "proposal", now)
        wheelbase = settings.vehicle.wheelbase if settings else math.nan
        reports = {
            name: status for name, (at, status) in self._reports.items() if now - at <= REPORTED
        }
        heard = self._own(reports, self._robot.gate_name) is not None
        heard |= now - self._opened_at <= REPORTED
        return {
            "gate": gate._asdict() | {"heard": heard},
            "holds": self._robot.holds,
            "manual": settings.manual if settings else None,
            "dead_man": settings.dead_man if settings else None,
            "speed": _rounded(self._recent("speed", now)),
            "asked": {
                "angle": _rounded(math.atan(asked.curvature * wheelbase) if asked else None),
                "speed": _rounded(asked.speed if asked else None),
            },
            "allowed": {
                "angle": _rounded(_number(values.get("steering_angle"))),
                "speed": _rounded(_number(values.get("speed"))),
            },
            "limits": verdict.message if verdict else "",
            "largest_angle": settings.vehicle.max_steering_angle if settings else None,
            "recorder": self._recorder(),
            "figures": self._figures(reports),
            "problems": list(_problems(reports)),
        }

    def _recorder(self) -> dict[str, str] | None:
        """What the recorder does; None where none runs."""
        topic = f"{self._robot.recorder_name}/state"
        _, message = self._values.get("recorder", (NOTHING, None))
        if message is None or not self._node.count_publishers(topic):
            return None
        values = {pair.key: pair.value for pair in message.values}
        shown = {name: values.get(name, "") for name in ("seconds", "marks", "problem")}
        return {"state": message.message, **shown}

    def _recent(self, name: str, now: float):
        at, value = self._values.get(name, (NOTHING, None))
        return value if now - at <= RECENT else None

    def _own(self, reports: dict[str, DiagnosticStatus], name: str) -> DiagnosticStatus | None:
        return reports.get(self._node.resolve_topic_name(name))

    def _figures(self, reports: dict[str, DiagnosticStatus]) -> dict[str, float | None]:
        """Rates and latencies as the nodes report them."""
        shown = {}
        for node, names in (
            (
                self._robot.gate_name,
                {
                    "latency stamp to command p50 [ms]": "camera to command, median",
                    "latency stamp to command p99 [ms]": "camera to command, 99 %",
                    "proposal rate [Hz]": "proposals",
                    "command rate [Hz]": "commands",
                    "speed rate [Hz]": "speed",
                },
            ),
            (self._policy, {"camera rate [Hz]": "camera", "step p99 [ms]": "policy step, 99 %"}),
        ):
            status = self._own(reports, node)
            values = {pair.key: pair.value for pair in status.values} if status else {}
            for key, label in names.items():
                unit = key.rpartition("[")[2].rstrip("]")
                shown[label] = [_rounded(_number(values.get(key))), unit]
        return shown


def _problems(reports: dict[str, DiagnosticStatus]):
    """What the nodes find wrong, with what to do about it."""
    for status in statuses(DiagnosticArray(status=list(reports.values()))):
        for part in parts_in(status):
            for problem in part.problems:
                yield {
                    "node": status.name.lstrip("/"),
                    "part": part.name,
                    "level": problem.level.name,
                    "text": problem.text,
                    "remedy": problem.remedy,
                }


def _number(text: str | None) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None
