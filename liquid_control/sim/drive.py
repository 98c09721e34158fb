"""The closed loop: a controller drives a world. Collection, evaluation and gymnasium-free tests all
use this one loop."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

from liquid_control.control.controller import Controller
from liquid_control.signals import Action, Command, SpeedSample, Verdict
from liquid_control.sim.truth import Event, Truth
from liquid_control.sim.world import World


@dataclasses.dataclass(frozen=True, eq=False, slots=True)
class Moment:
    """One IMU period of a drive. `action` is the new action when a frame was used in it, else
    None."""

    truth: Truth
    command: Command
    verdict: Verdict
    action: Action | None


def drive(
    world: World,
    controller: Controller,
    disturbance: Callable[[], float] | None = None,
    tap: Callable[[Event], Event] | None = None,
) -> Iterator[Moment]:
    """Yields every IMU period until the road ends; whoever iterates stops earlier or puts the
    vehicle back.

    `disturbance` returns a steering angle [rad] added behind the gate, once per IMU period: the
    recovery noise of collection. `tap` gets every event first, a recorder say; what it returns is
    what the controller gets.
    """
    measured: float | None = None
    angle, cap = 0.0, math.inf
    while not world.truth.finished:
        action = None
        for event in world.advance(angle, cap):
            event = tap(event) if tap else event
            outcome = controller.push(event, world.time_ns)
            action = outcome if isinstance(outcome, Action) else action
            measured = event.speed if isinstance(event, SpeedSample) else measured
        command, verdict = controller.command(measured, world.time_ns)
        if controller.action is not None:  # until the first frame there is nothing to obey
            angle, cap = command.steering_angle, command.speed
        angle = angle if disturbance is None else command.steering_angle + disturbance()
        yield Moment(world.truth, command, verdict, action)
