"""Gate, policy and robot as real processes on a separate ROS domain, to be killed, frozen and
started again, under an observer."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from liquid_control.errors import DriveError
from liquid_control.ros.dds_transport import transport
from liquid_control.ros.node_processes import (
    Child,
    Children,
    EnvironmentVariables,
    isolated_environment,
)
from liquid_control.stress.processes.observer import LIMITS, Observer

PATIENCE = 30.0
"""Seconds that a loaded machine gets to start everything."""


@dataclasses.dataclass(frozen=True)
class Cast:
    """Who takes part. `robot`: "sensors", camera and motion in one process; "apart", each in its
    own; or "sim", the real sim_node.

    `policy_prefix` puts the policy into another network; pictures then travel as JPEG.
    `environment`: of all processes, instead of an isolated domain of this machine. `hear_commands`:
    whether the observer listens to the commands themselves. `policy_parameters`: further ones.
    """

    model: Path
    pictures: Path
    logs: Path
    robot: str = "sensors"
    policy_prefix: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    hear_commands: bool = True
    policy_parameters: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def children(self) -> list[Child]:
        """The gate, the policy, and who is the robot."""
        here = "liquid_control.stress.processes.sensors"
        compressed = bool(self.policy_prefix)
        policy = {
            "model": str(self.model),
            "image_transport": "compressed" if compressed else "raw",
            **self.policy_parameters,
        }
        camera, motion = (
            {"pictures": str(self.pictures), "compressed": compressed},
            {"motion": True},
        )
        robots = {
            "sensors": [Child("sensors", here, {**camera, **motion})],
            "apart": [
                Child("camera", here, {**camera, "motion": False}),
                Child("motion", here, motion),
            ],
            "sim": [
                Child(
                    "sim_node", "liquid_control.ros.sim_node", {"seed": 7, "world.length": 2000.0}
                )
            ],
        }
        nodes = [
            Child(
                "safety_node",
                "liquid_control.ros.safety_node",
                {"gate.max_acceleration": LIMITS.max_acceleration, "state_folder": "none"},
            ),
            Child("policy_node", "liquid_control.ros.policy_node", policy, self.policy_prefix),
        ]
        return [*nodes, *robots[self.robot]]


class Rig:
    """A context. Raises DriveError when something does not start, dies unasked, or is waited for in
    vain."""

    def __init__(self, cast: Cast) -> None:
        self.cast = cast
        self._by_name = {child.name: child for child in cast.children()}
        self._gone: set[str] = set()
        self._frozen: set[str] = set()
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Rig:
        with contextlib.ExitStack() as stack:
            environment, claim = (
                (dict(self.cast.environment), None)
                if self.cast.environment
                else isolated_environment()
            )
            if claim:
                stack.enter_context(claim)
            environment["ROS_LOG_DIR"] = str(self.cast.logs)
            context = Context()
            with EnvironmentVariables(
                environment | transport({**os.environ, **environment}, shared_memory=True)
            ):
                rclpy.init(args=[], context=context, signal_handler_options=SignalHandlerOptions.NO)
                stack.callback(rclpy.try_shutdown, context=context)
                self.observer = stack.enter_context(Observer(context, self.cast.hear_commands))
            self.children = stack.enter_context(
                Children(self._by_name.values(), environment, self.cast.logs)
            )
            stack.callback(self._thaw_all)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_) -> None:
        self._open.close()

    def engaged(self) -> None:
        """Waits until the policy drives at a speed that leaves room for a safe stop; a simulated
        road has slow bends."""
        speed = 5.0 if self.cast.robot == "sim" else 10.0

        def drives() -> bool:
            last = self.observer.decided[-1] if self.observer.decided else None
            return (
                last is not None
                and last.drives
                and self.observer.state == "engaged"
                and last.command.speed >= speed
            )

        self.until(drives, "the policy to drive", 4 * PATIENCE)

    def until(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        deadline = time.monotonic() + patience
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise DriveError(
                    f"waited {patience:.0f} s for {what}; the gate is {self.observer.states[-1:]}"
                )
            time.sleep(0.005)

    def measure(self, value: Callable[[], float | None], patience: float) -> float | None:
        """What `value` says as soon as it says something; None when it does not in time."""
        deadline = time.monotonic() + patience
        while (found := value()) is None and time.monotonic() < deadline:
            self.check()
            time.sleep(0.005)
        return found

    def check(self) -> None:
        """Raises DriveError when a process died without being killed by the test."""
        for name in self.children.died():
            if name not in self._gone:
                raise DriveError(
                    f"{name} ended with code {self.children.exit_codes[name]}: "
                    f"{self.children.last_words(name)}"
                )

    def kill(self, name: str, signum: int = signal.SIGKILL) -> int:
        """Kills a process; returns when [steady ns] that began, which is not later than its
        death."""
        self._gone.add(name)
        began = self.children.send_signal(name, signum)
        self.children.await_end(name)
        return began

    def start(self, name: str, child: Child | None = None) -> int:
        """Starts a process of the cast again, or one more; returns when [steady ns]."""
        began = time.monotonic_ns()
        self.children.start(child or self._by_name[name])
        self._gone.discard(name)
        return began

    def freeze(self, name: str) -> int:
        self._frozen.add(name)
        return self.children.send_signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> int:
        self._frozen.discard(name)
        return self.children.send_signal(name, signal.SIGCONT)

    def ask_gate(self, service: str) -> None:
        """Calls one of the gate's services until it answers: the first answer may be lost, when it
        does not know our reader yet."""
        client = self.observer.node.create_client(Trigger, f"safety_node/{service}")
        self.until(client.service_is_ready, f"the gate's {service}")
        for _ in range(10):
            answer = client.call_async(Trigger.Request())
            if self.measure(lambda answer=answer: answer.done() or None, 1.0):
                break
        self.observer.node.destroy_client(client)

    def _thaw_all(self) -> None:
        for name in list(self._frozen):
            self.thaw(name)
