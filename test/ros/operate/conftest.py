"""A server of the operator's page with a robot that only notes its orders."""

from __future__ import annotations

import time

import pytest

from liquid_control.ros.operate.camera import Picture
from liquid_control.ros.operate.robot import Answer
from liquid_control.ros.operate.seat import HeartbeatConfig
from liquid_control.ros.operate.server import Server
from liquid_control.ros.operate.settings import OperatorNodeConfig

PATIENT = HeartbeatConfig(silent_after=2.0, late_after=2.0)
"""For tests in which no page is to be lost on a slow machine."""


class NotingRobot:
    """Stands in for `Robot`: `orders` in their order, with `alive` beats of the page apart."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.beats = 0
        self.sticks = []

    def take_over(self) -> Answer:
        self.orders.append("takeover")
        return Answer(True, "taken over")

    def alive(self, stick) -> None:
        self.beats += 1
        self.sticks.append(stick)

    async def obey(self, order) -> Answer:
        self.orders.append(order.value)
        return Answer(order.value != "acknowledge", f"heard {order.value}")

    async def learn_settings(self) -> None:
        pass


class NotingView:
    def __init__(self) -> None:
        self.is_open, self.opened, self.failures = False, 0, 0

    def open(self) -> None:
        self.is_open, self.opened = True, self.opened + 1

    def close(self) -> None:
        self.is_open = False

    def look(self) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("a message that cannot be shown")

    def facts(self) -> dict:
        return {"gate": {"state": "disengaged"}}


class NotingCamera:
    """Has a new picture at every look."""

    def __init__(self) -> None:
        self.problems, self.chosen, self.taken = {}, set(), 0

    def choose(self, sources: set[str]) -> None:
        self.chosen = sources

    def take(self, name: str) -> Picture:
        self.taken += 1
        return Picture(time.time_ns(), b"\xff\xd8" + name.encode())


@pytest.fixture
def serve():
    """`serve(**settings)`: a running server, with its `robot`, `view` and `camera`."""
    servers = []

    def make(heartbeat: HeartbeatConfig = PATIENT, **settings) -> Server:
        robot, view, camera = NotingRobot(), NotingView(), NotingCamera()
        config = OperatorNodeConfig(**{"port": 0, **settings})
        server = Server(config, heartbeat, robot, view, camera, lambda line: None, time.time_ns)
        server.robot, server.view, server.camera = robot, view, camera
        servers.append(server)
        return server

    yield make
    for server in servers:
        server.close()


def until(condition, what: str, patience: float = 20.0) -> None:
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.01)
