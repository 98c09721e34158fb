"""The start-up check of the safety node in ROS: what it reads of the graph, hears of the policy and
writes into the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.subscription import Subscription

from liquid_control.config import GateConfig, VehicleConfig
from liquid_control.ros import qos
from liquid_control.ros.health import graph
from liquid_control.ros.health.announcer import Announcer
from liquid_control.ros.health.gate import GateHealth, Known
from liquid_control.ros.health.messages import parts_in, statuses
from liquid_control.ros.health.part import Part, renamed
from liquid_control.ros.health.settings import NAME, parameter_parts
from liquid_control.ros.health.topics import Topic

POLICY = "policy_health"
"""Topic of the policy's own check, latched."""
PATIENCE = 10
"""The table is logged after this time [s], whatever is missing."""
OF_ROS = ("/clock", "/parameter_events")


class GateCheck:
    """`health` is given what the node hears; `parts` is called once a second."""

    def __init__(
        self,
        node: Node,
        inputs: Mapping[str, Subscription],
        command: Publisher,
        undeclared: Sequence[str] = (),
    ) -> None:
        """`inputs`: odometry, steering_angle and proposal by these names; `undeclared`: warnings
        of parameters that no node declares."""
        self.health = GateHealth(parameter_parts(undeclared))
        self._node, self._announcer = node, Announcer(node.get_logger())
        self._shown, self._turns = False, 0
        self._inputs, self._command = dict(inputs), command
        node.create_subscription(DiagnosticArray, POLICY, self._hear_policy, qos.LATCHED)

    def _hear_policy(self, message: DiagnosticArray) -> None:
        for status in statuses(message):
            self.health.hear_policy(parts_in(status))

    def parts(
        self, vehicle: VehicleConfig, limits: GateConfig, driving: bool, known: Known
    ) -> tuple[Part, ...]:
        """The gate's own parts; logs the table of all once the policy's are known, then changes."""
        self._turns += 1
        self.health.turn()
        parts = self._judge(vehicle, limits, driving, known)
        if self._shown:
            self._announcer.tell(parts)
        elif self.health.complete or self._turns > PATIENCE:
            self._show(parts)
        return parts

    def engages(
        self, vehicle: VehicleConfig, limits: GateConfig, known: Callable[[], Known]
    ) -> None:
        """Logs the table, where it was not, before the first command."""
        if not self._shown:
            self._show(self._judge(vehicle, limits, True, known()))

    def _show(self, parts: tuple[Part, ...]) -> None:
        self._shown = True
        theirs = [part for part in self.health.policy or () if part.name != NAME]
        self._announcer.show(parts, renamed(theirs, "policy "))

    def _judge(
        self, vehicle: VehicleConfig, limits: GateConfig, driving: bool, known: Known
    ) -> tuple[Part, ...]:
        ours = {name: graph.sources(self._node, one) for name, one in self._inputs.items()}
        ours["command"] = graph.listeners(self._node, self._command)
        others: dict[str, Topic] = {}
        for one in self._node.subscriptions:
            if one not in self._inputs.values() and one.topic_name not in OF_ROS:
                topic, name = graph.sources(self._node, one), one.topic_name.rpartition("/")[2]
                # of two subscriptions to one topic, latched and not, the one that hears more
                others[name] = max(others.get(name, topic), topic, key=lambda it: len(it.fitting))
        return self.health.parts({**others, **ours}, driving, vehicle, limits, known)
