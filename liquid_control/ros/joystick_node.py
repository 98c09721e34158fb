"""Driving by hand with a joystick, through the gate: while a button is held, the sticks are
proposals on `manual`. Imports no PyTorch.

Holding the button takes over from the policy, makes the person the one who drives and requests to
engage. Releasing it takes over, and so does a pad that is gone or may be gone; if this node itself
dies, the gate stops the vehicle for want of proposals. Nothing but a request lets the policy drive
after that.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from rclpy.node import Node

from liquid_control.control import engagement
from liquid_control.ros import diagnostics, parameters, process, undeclared
from liquid_control.ros.diagnostics import Report
from liquid_control.ros.node_parameters import NODES
from liquid_control.ros.operate.messages import Stick
from liquid_control.ros.operate.robot import TAKEN_OVER, Robot
from liquid_control.ros.operate.seat import Order
from liquid_control.ros.pads.hand import Press, Wish
from liquid_control.ros.pads.source import DevicePad, TopicPad
from liquid_control.ros.takeover_topics import PAD

PARAMETERS = NODES["joystick_node"]
PERIOD = 0.02
"""Between two looks at the pad, and two proposals [s]."""
ENDS_WITHIN = 1.0
STANDS = 3
"""Number of proposals to stand after a takeover: the gate acts at once on each, and has heard of
the takeover by one of them, whichever came first."""
ORDERS = {
    Press.TAKEOVER: (Order.TAKEOVER,),
    Press.ENGAGE: (Order.BY_POLICY, Order.ENGAGE),
    Press.EMERGENCY_STOP: (Order.EMERGENCY_STOP,),
}
"""What a button does, one after the other as long as each is accepted."""
AGAIN, FOR = 0.5, 4.0
"""While the button is held, the gate is asked so often to engage, and for so long [s]: its inputs
may have to become healthy first."""
DRIVING = tuple(state.value for state in engagement.DRIVING)


class JoystickNode(Node):
    """Raises ConfigError for parameters that break their bounds and for a preset that is not
    there."""

    def __init__(self, **options) -> None:
        super().__init__("joystick_node", **options)
        self.config, stick = parameters.declare_all(self, PARAMETERS)
        undeclared.refuse_undeclared(self, "joystick_node")
        config, preset = self.config, self.config.pad
        self._robot = Robot(self, PAD, config.gate, "recorder_node", config.hand_speed)
        self._pad = (
            TopicPad(self, preset, stick)
            if config.source == "topic"
            else DevicePad(config.device, preset, stick)
        )
        self._wish, self._said, self._turns = Wish(), "", 0
        self._lost = self._stands = 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._live, name="pad", daemon=True)
        self._thread.start()
        diagnostics.publish(self, self._report)

    def _live(self) -> None:
        """In a thread of its own, so that no callback keeps the pad waiting."""
        asyncio.run(self._look())

    async def _look(self) -> None:
        orders: set[asyncio.Task] = set()
        while not self._ending.is_set():
            for order in self._turn(time.monotonic()):
                task = asyncio.get_running_loop().create_task(order)
                orders.add(task)
                task.add_done_callback(orders.discard)
            await asyncio.sleep(PERIOD)
        for task in orders:
            task.cancel()
        if self._robot.look().driver == "hand" and self._wish.stick is not None:
            self._robot.take_over()

    def _turn(self, now: float) -> list:
        """One look at the pad; returns the orders that take their time."""
        self._pad.feed(now)
        if self._pad.hand is None:
            self._tell(self._pad.trouble)
            return []
        self._wish = wish = self._pad.hand.look(now)
        if wish.ended:
            self._end(wish.ended)
        elif self._stands > 0:
            self._stands -= 1
            self._robot.stand()
        started = []
        if Press.TAKEOVER in wish.pressed:
            self._robot.take_over()
        for press in wish.pressed:
            if press is not Press.TAKEOVER:
                started.append(self._obey(ORDERS[press]))
        if wish.began:
            started.append(self._take_the_wheel())
        if wish.stick is not None:
            self._robot.alive(Stick(*wish.stick))
        self._tell(wish.waits or self._pad.trouble)
        return started

    def _end(self, reason: str) -> None:
        """The person drives no more."""
        self._turns, self._stands = self._turns + 1, STANDS
        self._lost += reason != "released"
        if self._robot.look().driver == "hand":
            self._robot.take_over()
            self.get_logger().info(f"taken over: {reason}")

    async def _obey(self, orders: tuple[Order, ...]) -> None:
        """Until one is refused."""
        for order in orders:
            if not await self._ask(order):
                return

    async def _take_the_wheel(self) -> None:
        """Makes the person the one who drives, and engages, while the button is held. A takeover by
        another source ends it."""
        turns, end = self._turns, time.monotonic() + FOR
        if not await self._ask(Order.BY_HAND):
            return
        while turns == self._turns and time.monotonic() < end:
            await self._ask(Order.ENGAGE)
            again = time.monotonic() + AGAIN
            while time.monotonic() < again:
                gate = self._robot.look()
                if gate.state in DRIVING or gate.reason == TAKEN_OVER:
                    return
                await asyncio.sleep(PERIOD)

    async def _ask(self, order: Order) -> bool:
        answer = await self._robot.obey(order)
        line = f"{order.value}: {answer.text}"
        if answer.accepted:  # rclpy wants one severity for each line that logs
            self.get_logger().info(line)
        else:
            self.get_logger().warning(line)
        return answer.accepted

    def _tell(self, trouble: str) -> None:
        if trouble and trouble != self._said:
            self.get_logger().warning(trouble)
        self._said = trouble

    def destroy_node(self) -> None:
        """A vehicle that the pad drives is taken over first."""
        self._ending.set()
        self._thread.join(ENDS_WITHIN)
        super().destroy_node()

    def _report(self) -> Report:
        hand, wish = self._pad.hand, self._wish
        values = {
            "pad": self._pad.name,
            "preset": hand.preset.name if hand else "",
            "driving": wish.stick is not None,
            "lost": self._lost,
            "gate": self._robot.gate.state,
        }
        trouble = self._pad.trouble or wish.waits
        level = diagnostics.WARN if trouble else diagnostics.OK
        return Report(level, trouble or ("driving" if wish.stick else "waiting"), values)


def main() -> int:
    return process.run(JoystickNode)


if __name__ == "__main__":
    sys.exit(main())
