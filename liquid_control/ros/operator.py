"""Operator input: takeover, dead-man and joystick as topics, engage, emergency stop and acknowledge
as services."""

from __future__ import annotations

import dataclasses
import time

from rclpy.node import Node
from sensor_msgs.msg import Joy
from std_msgs.msg import Bool
from std_srvs.srv import Trigger

from liquid_control.config import check, number
from liquid_control.control.guard import OperatorRequest
from liquid_control.ros import qos


@dataclasses.dataclass(frozen=True)
class JoystickConfig:
    """Buttons of a `sensor_msgs/Joy`, counted from 0."""

    takeover_button: int = number(-1, -1, 63, "", "takeover while held; -1: none")
    enable_button: int = number(-1, -1, 63, "", "dead-man switch; -1: none")
    engage_button: int = number(-1, -1, 63, "", "requests to engage when pressed; -1: none")

    def __post_init__(self) -> None:
        check(self)


class OperatorInput:
    """Subscribes to `takeover`, `enable` (Bool) and `joy`; serves `~/engage`, `~/emergency_stop`
    and `~/acknowledge` (Trigger).

    A takeover lasts from true to false. Silence does not end it, so that a dead publisher cannot
    return control to the policy. A dead-man without a message for `enable_stale_after` [s] counts
    as released.
    """

    def __init__(self, node: Node, buttons: JoystickConfig, enable_stale_after: float) -> None:
        self._buttons, self._stale_after = buttons, enable_stale_after
        self._takeover = {"topic": False, "joystick": False}
        self._enabled_until = 0.0
        self._pressed = self._engage_requested = self._acknowledged = False
        self._emergency = False
        node.create_subscription(Bool, "takeover", self._on_takeover, qos.OPERATOR)
        node.create_subscription(
            Bool, "enable", lambda message: self._on_enable(message.data), qos.OPERATOR
        )
        node.create_subscription(Joy, "joy", self._on_joystick, qos.OPERATOR)
        for name, note in (
            ("engage", self._on_engage),
            ("emergency_stop", self._on_emergency),
            ("acknowledge", self._on_acknowledge),
        ):
            node.create_service(
                Trigger, f"~/{name}", lambda request, response, note=note: _answer(response, note())
            )

    def take(self, faults: tuple[str, ...]) -> OperatorRequest:
        """The request now; edges are handed out once. `faults` found elsewhere join an emergency
        stop."""
        emergency = ("emergency stop",) if self._emergency else ()
        request = OperatorRequest(
            takeover=any(self._takeover.values()),
            enabled=time.monotonic() <= self._enabled_until,
            engage_requested=self._engage_requested,
            acknowledged=self._acknowledged,
            faults=(*emergency, *faults),
        )
        self._engage_requested = self._acknowledged = self._emergency = False
        return request

    def _on_takeover(self, message: Bool) -> None:
        self._takeover["topic"] = message.data

    def _on_enable(self, held: bool) -> None:
        self._enabled_until = time.monotonic() + self._stale_after if held else 0.0

    def _on_joystick(self, message: Joy) -> None:
        def is_down(button: int) -> bool:
            return 0 <= button < len(message.buttons) and bool(message.buttons[button])

        self._takeover["joystick"] = is_down(self._buttons.takeover_button)
        if self._buttons.enable_button >= 0:
            self._on_enable(is_down(self._buttons.enable_button))
        down = is_down(self._buttons.engage_button)
        self._engage_requested |= down and not self._pressed
        self._pressed = down

    def _on_engage(self) -> str:
        self._engage_requested = True
        return "requested; engages once all inputs are healthy"

    def _on_emergency(self) -> str:
        self._emergency = True
        return "stopping; latched until acknowledged"

    def _on_acknowledge(self) -> str:
        self._acknowledged = True
        return "acknowledged; engage again when ready"


def _answer(response: Trigger.Response, message: str) -> Trigger.Response:
    response.success, response.message = True, message
    return response
