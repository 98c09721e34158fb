"""The closed loop: controller and safety gate drive a world. Collection, evaluation and the
explanation of policies use it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from liquid_control.control.controller import Controller
from liquid_control.control.loop import Loop
from liquid_control.control.safety import SafetyGate
from liquid_control.signals import Action, Command, SpeedSample, Verdict
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.driven_world import STEPS_PER_ADVANCE, DrivenWorld
from liquid_control.sim.truth import Event, Truth

IMU_PERIOD = STEPS_PER_ADVANCE * TIMESTEP
"""Of one `advance` of a world [s]."""


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Step:
    """One IMU period of a drive: the command in effect after it and the gate's verdict on it.
    `action`: the new action when a frame was used in this period, else None."""

    truth: Truth
    command: Command
    verdict: Verdict
    action: Action | None


def drive(
    world: DrivenWorld,
    controller: Controller,
    gate: SafetyGate,
    disturbance: Callable[[], float] | None = None,
    tap: Callable[[Event], Event] | None = None,
    period: float = IMU_PERIOD,
    measured: float | None = None,
) -> Iterator[Step]:
    """Yields every IMU period until the road ends. The caller may stop earlier, or put the vehicle
    back and reset the controller.

    `disturbance` returns a steering angle [rad] added behind the gate, once per IMU period: the
    recovery noise of collection. `tap` gets every event first, a recorder for example; the
    controller gets what it returns. `period` [s] of the gate's `Loop`; a robot's is
    `control.loop.PERIOD`. `measured` [m/s]: the speed measured last, of a vehicle that moves.
    """
    loop, previous = Loop(period), None
    angle, cap = 0.0, math.inf
    while not world.truth.finished:
        if controller.action is None:  # a new drive, in which no command is in effect yet
            previous = None
        action = None
        for event in world.advance(angle, cap):
            event = tap(event) if tap else event
            outcome = controller.push(event, world.time_ns)
            action = outcome if isinstance(outcome, Action) else action
            measured = event.speed if isinstance(event, SpeedSample) else measured
        if loop.wake(world.time_ns, proposed=action is not None):
            command, verdict = gate.apply(controller.action, measured, world.time_ns, previous)
            previous = command
        if controller.action is not None:
            angle, cap = command.steering_angle, command.speed
        angle = angle if disturbance is None else command.steering_angle + disturbance()
        yield Step(world.truth, command, verdict, action)
