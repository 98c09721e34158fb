"""The start-up check of the policy node in ROS: what it reads of the graph and writes into the
log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rclpy.node import Node
from rclpy.subscription import Subscription

from liquid_control.perception.contribution import Contribution
from liquid_control.ros.health import graph
from liquid_control.ros.health.announcer import Announcer
from liquid_control.ros.health.part import Part
from liquid_control.ros.health.policy import PolicyHealth
from liquid_control.ros.health.settings import DrivingSettings, parameter_parts, settings_part


class PolicyCheck:
    """`health` is given what the node hears; `parts` is called once a second."""

    def __init__(self, node: Node, undeclared: Sequence[str] = ()) -> None:
        """`undeclared`: warnings of parameters that no node declares."""
        self.health, self._parameters = PolicyHealth(), parameter_parts(undeclared)
        self._node, self._announcer = node, Announcer(node.get_logger())

    def parts(
        self,
        settings: DrivingSettings,
        sensors: Mapping[str, Subscription],
        contributions: Mapping[str, Contribution],
    ) -> tuple[Part, ...]:
        """The sensors, where the node is active, and the settings for the gate; logs what is new.
        `sensors`: the subscriptions by the names of `PolicyHealth`; none while it is not active."""
        if not sensors:
            return *self._parameters, settings_part(settings, checked=False)
        topics = {name: graph.sources(self._node, one) for name, one in sensors.items()}
        parts = self.health.parts(topics, contributions)
        self._announcer.tell(parts)
        return *parts, *self._parameters, settings_part(settings, self.health.settled)
