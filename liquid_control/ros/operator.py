"""Operator input: takeover, emergency stop, dead-man and joystick as topics, engage, emergency stop
and acknowledge as services."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from liquid_control.control.engagement import Answer, Request
from liquid_control.control.guard import OperatorRequest
from liquid_control.ros import qos
from liquid_control.ros.gate_memory import EMERGENCY, Held, Remembered
from liquid_control.ros.health.part import Level, Problem
from liquid_control.ros.joystick import Joystick, JoystickConfig
from liquid_control.ros.polled_subscription import PolledSubscription, sender
from liquid_control.ros.takeover_topics import TAKEOVER_TOPICS

SILENT = 5.0
"""A joystick that holds a takeover or an emergency stop and says nothing for longer is reported: it
may be unplugged, although its driver runs [s]."""
REPEATS = 10
"""A driver that sent so many messages without a change repeats them, so its silence is not a hand
that rests."""


class OperatorInput:
    """Subscribes to `takeover` and those of our own sources, to `emergency_stop`, `enable` (Bool)
    and `joy`; serves `~/engage`, `~/emergency_stop` and `~/acknowledge` (Trigger).

    A takeover lasts from true to false of its source, and while one source holds it, no other
    ends it. An emergency stop cannot be acknowledged between true and false.
    Silence ends neither, so that a dead publisher cannot return control to the policy. Both are
    also heard from a publisher that latched them before this node started. The dead-man is not: a
    latched true says nothing about now, and without a message for `enable_stale_after` [s] it
    counts as released.
    """

    def __init__(
        self,
        node: Node,
        buttons: JoystickConfig,
        enable_stale_after: float,
        answer: Callable[[Request], Answer],
    ) -> None:
        """`answer`: whether a request can be followed now (`Guard.answer`). One that cannot is
        refused, and forgotten."""
        self._node, self._stale_after, self._answer = node, enable_stale_after, answer
        self._joystick = Joystick(buttons)
        self._takeover = dict.fromkeys((*TAKEOVER_TOPICS, "joystick"), False)
        self._emergency = {"topic": False, "joystick": False}
        self._pulses: set[str] = set()
        self._restored: tuple[str, ...] = ()
        self._said: set[tuple[str, int]] = set()
        self._took_over = False
        self._enabled_until, self._joystick_at = 0.0, time.monotonic()
        self._repeats, self._inputs = 0, None
        self._engage_requested = self._acknowledged = False
        self._topics = [
            ("takeover", self._takeover, source, _heard(node, topic))
            for source, topic in TAKEOVER_TOPICS.items()
        ]
        stop = _heard(node, "emergency_stop")
        self._topics.append(("emergency", self._emergency, "topic", stop))
        self._enable = PolledSubscription(node, Bool, "enable", qos.OPERATOR)
        self._joy = PolledSubscription(node, Joy, "joy", qos.OPERATOR)
        for name, request in (
            ("engage", Request.ENGAGE),
            ("emergency_stop", Request.EMERGENCY_STOP),
            ("acknowledge", Request.ACKNOWLEDGE),
        ):
            node.create_service(Trigger, f"~/{name}", partial(self._serve, request))

    def take(self, faults: tuple[str, ...]) -> OperatorRequest:
        """The request now; edges are handed out once, and a takeover or an emergency stop that
        came and went since the last call is in it. `faults` found elsewhere join an emergency
        stop."""
        self._listen()
        emergency = "emergency" in self._pulses or any(self._emergency.values())
        self._took_over = "takeover" in self._pulses or any(self._takeover.values())
        request = OperatorRequest(
            takeover=self._took_over,
            enabled=time.monotonic() <= self._enabled_until,
            engage_requested=self._engage_requested,
            acknowledged=self._acknowledged,
            faults=(*((EMERGENCY,) if emergency else ()), *self._restored, *faults),
        )
        self._restored = ()
        self._engage_requested = self._acknowledged = False
        self._pulses.clear()
        return request

    @property
    def held(self) -> Held:
        """What the operator holds, as of the last `take`."""
        return Held(self._took_over, _sources(self._takeover), _sources(self._emergency))

    def restore(self, before: Remembered) -> None:
        """Goes on where the gate before this one ended."""
        self._takeover |= dict.fromkeys(before.takeover, True)
        self._emergency |= dict.fromkeys(before.pressed, True)
        self._restored = (before.fault,) if before.fault else ()
        if before.waits:  # after any takeover, engaging takes a request
            self._pulses.add("takeover")

    def problems(self) -> tuple[Problem, ...]:
        """What keeps the operator from being heard."""
        used, found = self._joystick.config.used, []

        def add(code: str, text: str, remedy: str) -> None:
            found.append(Problem(code, Level.WARN, text, remedy))

        if self._joystick.unlike:
            remedy = "another pad, or another mode of it: liquid-control joystick shows which"
            add("preset", self._joystick.unlike, remedy)
        missing = {} if self._joystick.unlike else self._joystick.missing
        for name, count in missing.items():
            has = f"{count} buttons, 0 to {count - 1}" if count else "no buttons"
            add(name, f"joystick.{name} {used[name]}: the joystick has {has}", "choose another")
        silent = time.monotonic() - self._joystick_at
        if used and not self._is_published("joy"):
            text = "joystick buttons are configured and no node publishes joy"
            add("joy", text, "start the joystick's driver, or remap joy")
        elif used and self._repeats >= REPEATS and silent > SILENT:
            text = f"the joystick repeated its messages and is silent for {silent:.0f} s"
            add("joy silent", text, "is it unplugged? its buttons are not heard")
        topics = [(name, self._takeover[source]) for source, name in TAKEOVER_TOPICS.items()]
        for topic, held in (*topics, ("emergency_stop", self._emergency["topic"])):
            if held and not self._is_published(topic):
                add(topic, f"{topic} is held true and no node publishes it", "publish false")
        for topic, held in (("takeover", self._takeover), ("emergency_stop", self._emergency)):
            if held["joystick"] and silent > SILENT:
                text = f"{topic} is held by a joystick that is silent for {silent:.0f} s"
                add(f"{topic} joystick", text, "plug it in, and release the button")
        return tuple(found)

    def _is_published(self, topic: str) -> bool:
        return bool(self._node.get_publishers_info_by_topic(topic))

    def _listen(self) -> None:
        for name, held, source, subscriptions in self._topics:
            for subscription in subscriptions:
                for message, _ in subscription.take():
                    self._note(name, held, source, message.data)
        for message, received_ns in self._enable.take():
            self._on_enable(message.data, received_ns)
        for message, information in self._joy.take_with_information():
            self._on_joystick(message, information)

    def _note(self, name: str, held: dict[str, bool], source: str, value: bool) -> None:
        held[source] = value
        if value:
            self._pulses.add(name)

    def _on_enable(self, held: bool, received_ns: int) -> None:
        """Counts from the arrival of the message [ns of the system's clock], where the middleware
        knows it: it may have waited for this decision."""
        waited = max(time.time_ns() - received_ns, 0) / 1e9 if received_ns > 0 else 0.0
        self._enabled_until = time.monotonic() + self._stale_after - waited if held else 0.0

    def _on_joystick(self, message: Joy, information: dict) -> None:
        now, inputs = time.monotonic(), (message.buttons, message.axes)
        self._repeats += inputs == self._inputs and now - self._joystick_at < SILENT
        self._joystick_at, self._inputs = now, inputs
        joystick, presses = self._joystick, self._joystick.engage_presses
        joystick.hear(message.buttons, sender(information), len(message.axes))
        if joystick.takeover is not None:
            self._note("takeover", self._takeover, "joystick", joystick.takeover)
        if joystick.emergency is not None:
            self._note("emergency", self._emergency, "joystick", joystick.emergency)
        if "enable_button" in joystick.config.used:
            self._on_enable(joystick.enabled, information.get("received_timestamp", 0))
        if joystick.engage_presses > presses:
            answer = self._request(Request.ENGAGE)
            self._node.get_logger().info(f"engage button: {answer.reason}")
        if joystick.unlike and (joystick.unlike, 0) not in self._said:
            self._said.add((joystick.unlike, 0))
            self._node.get_logger().warning(f"{joystick.unlike}: it is not heard")
        for name, count in () if joystick.unlike else joystick.missing.items():
            if (name, count) not in self._said:
                self._said.add((name, count))
                self._node.get_logger().warning(
                    f"joystick.{name} is {joystick.config.used[name]}, the joystick has "
                    f"{count} buttons, counted from 0: choose one of them"
                )

    def _serve(self, request: Request, _, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._request(request)
        return response

    def _request(self, request: Request) -> Answer:
        answer = self._answer(request)
        if not answer.accepted and request is Request.ENGAGE and self.held.takeover:
            by = ", ".join(self.held.takeover)
            answer = answer._replace(reason=f"{answer.reason} (held by: {by})")
        if answer.accepted and request is Request.EMERGENCY_STOP:
            self._pulses.add("emergency")
        self._engage_requested |= answer.accepted and request is Request.ENGAGE
        self._acknowledged |= answer.accepted and request is Request.ACKNOWLEDGE
        return answer


def _heard(node: Node, topic: str) -> tuple[PolledSubscription, PolledSubscription]:
    """Every message of a topic, and the latest that a latched publisher sent before."""
    return (
        PolledSubscription(node, Bool, topic, qos.OPERATOR),
        PolledSubscription(node, Bool, topic, qos.LATCHED),
    )


def _sources(held: dict[str, bool]) -> tuple[str, ...]:
    return tuple(source for source, is_held in held.items() if is_held)
