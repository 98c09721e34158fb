"""What the page makes the robot do, by the gate's own topics and services: nothing here commands
the vehicle in another way. Its functions are called in the server's thread."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.msg import ParameterType
from rcl_interfaces.srv import GetParameters
from rclpy.duration import Duration
from rclpy.node import Node
from std_msgs.msg import Bool
from std_srvs.srv import SetBool, Trigger

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import curvature
from liquid_control.errors import ConfigError
from liquid_control.ros import conversions, qos
from liquid_control.ros.operate.messages import Stick
from liquid_control.ros.operate.seat import Order
from liquid_control.ros.polled_subscription import PolledSubscription
from liquid_control.ros.takeover_topics import TAKEOVER_TOPICS
from liquid_control.signals import Action

READY_WITHIN, ANSWER_WITHIN, FOLLOWS_WITHIN = 1.0, 0.7, 0.7
"""How long a service is waited for, its answer, and the gate's next state [s]."""
HEARD_WITHIN = 0.3
LOOK_AGAIN = 0.02
TRIES = 2
"""The first answer of a service may be lost, when its writer did not know our reader yet."""
TAKEN_OVER = "taken over"
UNLESS_MANUAL = "the gate does not let a person drive: start it with manual: true"


class Answer(NamedTuple):
    """Whether an order was accepted, and what was said to it."""

    accepted: bool
    text: str


class GateState(NamedTuple):
    """What the gate last said of itself; empty before it did."""

    state: str = ""
    reason: str = ""
    driver: str = ""
    taken_by: str = ""


@dataclasses.dataclass(frozen=True)
class GateSettings:
    """Of the gate's parameters those that a page depends on."""

    vehicle: VehicleConfig
    max_speed: float
    dead_man: bool
    manual: bool
    proposal_type: str


class Robot:
    """`holds`: the page holds a takeover. `gate`: the gate's latest state, as of the last `look`;
    `settings`: its parameters, None before they are known."""

    def __init__(
        self, node: Node, source: str, gate: str, recorder: str, hand_speed: float
    ) -> None:
        """`source`: who takes over, of TAKEOVER_TOPICS. `gate`, `recorder`: names of nodes.
        `hand_speed`: of a stick pushed all the way [m/s]."""
        self._node, self.gate_name, self._hand_speed = node, gate, hand_speed
        self.holds, self.gate = False, GateState()
        self.settings: GateSettings | None = None
        self._takeovers = 0
        self._proposed: Stick | None = None
        self.takeover_topic = TAKEOVER_TOPICS[source]
        self._takeover = node.create_publisher(Bool, self.takeover_topic, qos.LATCHED)
        self._enable = node.create_publisher(Bool, "enable", qos.COMMAND_IN)
        self._manual = None
        self._states = PolledSubscription(node, DiagnosticStatus, f"{gate}/state", qos.LATCHED)
        self._clients = {
            name: node.create_client(kind, name)
            for kind, name in (
                (Trigger, f"{gate}/engage"),
                (Trigger, f"{gate}/emergency_stop"),
                (Trigger, f"{gate}/acknowledge"),
                (SetBool, f"{gate}/drive_by_hand"),
                (GetParameters, f"{gate}/get_parameters"),
                (SetBool, f"{recorder}/record"),
                (Trigger, f"{recorder}/mark"),
            )
        }
        self.recorder_name = recorder

    def look(self) -> GateState:
        """The gate's state now."""
        for message, _ in self._states.take():
            values = {pair.key: pair.value for pair in message.values}
            reason, driver = values.get("reason", ""), values.get("driver", "policy")
            taken_by = values.get("taken_by", "")
            self.gate = GateState(message.message, reason, driver, taken_by)
        return self.gate

    def alive(self, stick: Stick | None) -> None:
        """The page that drives is there; `stick`: where its stick is, while it drives by hand."""
        self._enable.publish(Bool(data=True))
        if stick is not None:
            self._propose(stick)

    def take_over(self) -> Answer:
        """Until a request to engage. The dead-man is released, too. A person who drove by hand
        proposes to stand, at the angle held: the gate acts at once on a proposal, on the rest at
        its next turn."""
        self._takeovers += 1
        self.holds = True
        self._takeover.publish(Bool(data=True))
        self._enable.publish(Bool(data=False))
        self.stand()
        return Answer(True, TAKEN_OVER)

    def stand(self) -> None:
        """Proposes to stand at the angle that was proposed last, if any was."""
        if self._proposed is not None:
            self._propose(dataclasses.replace(self._proposed, speed=0.0))

    def _propose(self, stick: Stick) -> None:
        if self._manual is None or self.settings is None:
            return
        vehicle, kind = self.settings.vehicle, self._manual.msg_type
        now = self._node.get_clock().now().nanoseconds
        bend = curvature(stick.steering * vehicle.max_steering_angle, vehicle)
        speed = max(stick.speed, 0.0) * min(self._hand_speed, self.settings.max_speed)
        action = Action(now, bend, speed)
        self._proposed = stick
        self._manual.publish(conversions.action_message(action, kind, vehicle))

    def wait_until_heard(self) -> None:
        """Until the gate has the latest takeover, or a little longer."""
        self._takeover.wait_for_all_acked(Duration(seconds=HEARD_WITHIN))

    async def obey(self, order: Order) -> Answer:
        """Carries out an order. A takeover while it is under way ends it."""
        match order:
            case Order.TAKEOVER:
                return self.take_over()
            case Order.EMERGENCY_STOP:
                return await self._trigger("emergency_stop")
            case Order.ACKNOWLEDGE:
                return await self._trigger("acknowledge")
            case Order.ENGAGE:
                return await self._engage()
            case Order.BY_HAND | Order.BY_POLICY:
                return await self._choose(order is Order.BY_HAND)
            case Order.RECORD | Order.STOP_RECORDING:
                return await self._record("record", SetBool.Request(data=order is Order.RECORD))
            case Order.MARK:
                return await self._record("mark", Trigger.Request())
        return Answer(True, "")

    async def learn_settings(self) -> None:
        """Asks the gate for its parameters."""
        names = list(_NAMES)
        answer = await self._call(
            f"{self.gate_name}/get_parameters", GetParameters.Request(names=names)
        )
        if answer is None or len(answer.values) != len(names):
            return
        try:
            self.settings = _settings(dict(zip(names, map(_value, answer.values), strict=True)))
        except ConfigError as error:
            self._node.get_logger().warning(f"parameters of {self.gate_name}: {error}")

    async def _engage(self) -> Answer:
        takeovers = self._takeovers
        self.holds = False
        self._takeover.publish(Bool(data=False))
        await self._until(lambda: self.look().reason != TAKEN_OVER)
        if takeovers != self._takeovers:
            return Answer(False, "taken over meanwhile")
        return await self._trigger("engage")

    async def _choose(self, by_hand: bool) -> Answer:
        """Who drives, after a takeover."""
        self.take_over()
        await self._until(lambda: self.look().state in ("disengaged", "fault"))
        await self.learn_settings()
        if by_hand and self.settings is not None and self._manual is None:
            kind = conversions.steering_type(self.settings.proposal_type)
            self._manual = self._node.create_publisher(kind, "manual", qos.COMMAND_IN)
        request = SetBool.Request(data=by_hand)
        if self.settings is not None and not self.settings.manual:
            return Answer(False, UNLESS_MANUAL) if by_hand else Answer(True, "the policy drives")
        return self._said(await self._call(f"{self.gate_name}/drive_by_hand", request))

    async def _record(self, name: str, request) -> Answer:
        response = await self._call(f"{self.recorder_name}/{name}", request)
        return self._said(response, f"no {self.recorder_name} runs")

    async def _trigger(self, name: str) -> Answer:
        return self._said(await self._call(f"{self.gate_name}/{name}", Trigger.Request()))

    def _said(self, response, otherwise: str = "") -> Answer:
        if response is None:
            return Answer(False, otherwise or f"{self.gate_name} does not answer")
        return Answer(response.success, response.message)

    async def _call(self, name: str, request):
        """The answer of a service; None without one."""
        client = self._clients[name]
        if not await self._until(client.service_is_ready, READY_WITHIN):
            return None
        loop = asyncio.get_running_loop()
        for _ in range(TRIES):
            answered = loop.create_future()

            def hand_over(future, answered=answered) -> None:  # in the executor's thread
                loop.call_soon_threadsafe(_settle, answered, future.result())

            future = client.call_async(request)
            future.add_done_callback(hand_over)
            try:
                return await asyncio.wait_for(answered, ANSWER_WITHIN)
            except asyncio.TimeoutError:
                client.remove_pending_request(future)
        return None

    async def _until(self, condition: Callable[[], bool], within: float = FOLLOWS_WITHIN) -> bool:
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                return False
            await asyncio.sleep(LOOK_AGAIN)
        return True


_NAMES = {
    "vehicle.wheelbase": float,
    "vehicle.max_steering_angle": float,
    "gate.max_speed": float,
    "engagement.dead_man": bool,
    "manual": bool,
    "proposal_type": str,
}


def _value(value) -> object:
    return {
        ParameterType.PARAMETER_BOOL: value.bool_value,
        ParameterType.PARAMETER_DOUBLE: value.double_value,
        ParameterType.PARAMETER_INTEGER: float(value.integer_value),
        ParameterType.PARAMETER_STRING: value.string_value,
    }.get(value.type)


def _settings(values: dict[str, object]) -> GateSettings:
    for name, kind in _NAMES.items():
        if not isinstance(values[name], kind):
            raise ConfigError(name, values[name], f"a {kind.__name__}, from a gate of this release")
    vehicle = VehicleConfig(
        wheelbase=values["vehicle.wheelbase"],
        max_steering_angle=values["vehicle.max_steering_angle"],
    )
    return GateSettings(
        vehicle,
        values["gate.max_speed"],
        values["engagement.dead_man"],
        values["manual"],
        values["proposal_type"],
    )


def _settle(answered: asyncio.Future, response: object) -> None:
    if not answered.done():
        answered.set_result(response)
