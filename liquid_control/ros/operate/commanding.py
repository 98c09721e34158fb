"""The command sockets: what pages want, in the order in which it comes, and what follows from
silence. Runs in the server's loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from aiohttp import WSMsgType, web

from liquid_control.ros.operate.robot import Robot
from liquid_control.ros.operate.seat import TICK, Connection, Order, Outcome, Seat


class Commanding:
    """`lost`: why the last page that drove does not any more."""

    def __init__(self, seat: Seat, robot: Robot, log: Callable[[str], None]) -> None:
        self.seat, self._robot, self._log = seat, robot, log
        self.lost = ""
        self._sockets: dict[Connection, web.WebSocketResponse] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task] = set()

    def __len__(self) -> int:
        return len(self._sockets)

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Hears one page until it ends, or does not keep to the protocol."""
        connection = self.seat.open()
        self._sockets[connection] = socket
        tasks = [
            asyncio.create_task(self._tick(connection, socket)),
            asyncio.create_task(self._robot.learn_settings()),
        ]
        try:
            async for frame in socket:
                data = frame.data if frame.type is WSMsgType.TEXT else None
                outcome = self.seat.hear(connection, data, time.monotonic())
                self._follow(connection, outcome)
                if outcome.close:
                    break
        finally:
            for task in tasks:
                task.cancel()
            del self._sockets[connection]
            self._follow(connection, self.seat.closed(connection))

    async def close(self) -> None:
        """Ends all sockets; a vehicle that a page drives is taken over first."""
        if self.seat.driver is not None:
            self._follow(None, self.seat.closed(self.seat.driver))
        for socket in [*self._sockets.values()]:
            await socket.close()

    async def _tick(self, connection: Connection, socket: web.WebSocketResponse) -> None:
        """Numbers for the page to send back, and who drives; the first message has its word."""
        await socket.send_json({"session": connection.session, "beat": TICK})
        while not socket.closed:
            tick, driver = self.seat.tick(connection, time.monotonic()), self.seat.driver
            said = {"tick": tick, "drives": driver is connection, "taken": driver is not None}
            await socket.send_json(said)
            await asyncio.sleep(TICK)

    def _follow(self, connection: Connection | None, outcome: Outcome) -> None:
        """Carries out what follows from a message or from silence. Takes over at once; what waits
        for an answer goes on in a task."""
        if outcome.lost:
            self._robot.take_over()
            self.lost = outcome.lost
            self._log(f"the page that drove does not any more: {outcome.lost}")
        if outcome.refused:
            self._say(connection, False, outcome.refused)
        if outcome.order is Order.TAKEOVER:
            self._say(connection, *self._robot.take_over())
        elif outcome.order is Order.ALIVE:
            self._robot.alive(outcome.stick)
        elif outcome.order is not None:
            self._run(self._obey(connection, outcome.order))
        if self._timer is None:
            self._set_timer()

    def _set_timer(self) -> None:
        """To the end of the turn of the page that drives."""
        if self.seat.driver is not None:
            left = max(self.seat.ends_at - time.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(left, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._follow(None, self.seat.check(time.monotonic()))

    async def _obey(self, connection: Connection | None, order: Order) -> None:
        answer = await self._robot.obey(order)
        self._log(f"{order.value}: {answer.text}")
        self._say(connection, answer.accepted, answer.text, order.value)

    def _say(
        self, connection: Connection | None, accepted: bool, text: str, order: str = ""
    ) -> None:
        socket = self._sockets.get(connection)
        if socket is not None:
            said = {"answer": text, "accepted": accepted, "order": order}
            self._run(self._send(socket, said))

    async def _send(self, socket: web.WebSocketResponse, said: dict) -> None:
        try:
            await socket.send_json(said)
        except (ConnectionError, RuntimeError):  # it has ended meanwhile
            pass

    def _run(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # asyncio itself keeps no reference
        task.add_done_callback(self._tasks.discard)
