"""Whose proposals the gate takes: the policy's on `proposal`, or those of a person who drives by
hand on `manual`. Both are proposals: the gate limits either in the same way."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping

from rclpy.node import Node
from rclpy.subscription import Subscription
from std_srvs.srv import SetBool

from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.errors import ConfigError
from liquid_control.ros import qos
from liquid_control.ros.publisher_conflicts import HEARD_FOR, Senders


class Driver(enum.Enum):
    """Whose proposals count."""

    POLICY = "policy"
    HAND = "hand"


ONCE_ENGAGED = {
    Driver.POLICY: "the policy drives once engaged",
    Driver.HAND: "a person drives once engaged, by proposals on manual",
}


class ProposalSource:
    """`driver`: whose proposals count, the policy's until `~/drive_by_hand` says otherwise.
    `policy_heard`: whether the policy has ever proposed.

    It changes only while the gate is disengaged, so that no silence of a person hands the vehicle
    to the policy, and no request of the policy to a person. The other's proposals do not count.
    Raises ConfigError where `manual` is wanted and the gate engages automatically: a gate that
    starts again would let the policy drive in place of the person.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        manual: bool,
        engagement: EngagementConfig,
        state: Callable[[], State],
        take: Callable[[object], None],
        pass_over: Callable[[object], None] = lambda message: None,
    ) -> None:
        """`kind`: the message class. `take` is called with each proposal that counts, `pass_over`
        with the policy's while a person drives; `state` is the gate's."""
        if manual and engagement.engage != "manual":
            expected = "manual, with manual: true"
            raise ConfigError("engagement.engage", engagement.engage, expected)
        self.driver, self.policy_heard = Driver.POLICY, False
        self._state, self._take, self._senders = state, take, Senders()
        self._pass_over = pass_over
        if manual:
            heard = self._heard if hasattr(Subscription, "CallbackType") else self._from_hand
            node.create_subscription(kind, "manual", heard, qos.COMMAND_IN)
            node.create_service(SetBool, "~/drive_by_hand", self._serve)

    def from_policy(self, message: object) -> None:
        """Takes a message of `proposal`."""
        self.policy_heard = True
        if self.driver is Driver.POLICY:
            self._take(message)
        else:
            self._pass_over(message)

    def conflicts(self) -> tuple[str, ...]:
        """Whether several nodes drive by hand at the same time (where rclpy names the sender)."""
        if self.driver is Driver.HAND and self._both_heard():
            return ("several nodes drive by hand",)
        return ()

    def _both_heard(self) -> bool:
        return time.monotonic() - self._senders.returned_at <= HEARD_FOR

    def _heard(self, message: object, information: Mapping) -> None:
        self._senders.hear(information, time.monotonic())
        self._from_hand(message)

    def _from_hand(self, message: object) -> None:
        if self.driver is Driver.HAND:
            self._take(message)

    def _serve(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        wanted = Driver.HAND if request.data else Driver.POLICY
        response.success = wanted is self.driver or self._state() is State.DISENGAGED
        if response.success:
            self.driver = wanted
            response.message = ONCE_ENGAGED[wanted]
        else:
            response.message = f"{self._state().value}: take over first"
        return response
