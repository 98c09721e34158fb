"""One drive in the simulated world through the robot's controller and gate, with faults: every
decision of the gate is recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from liquid_control.config import GateConfig, WorldConfig
from liquid_control.control.controller import Controller
from liquid_control.control.engagement import State
from liquid_control.control.guard import Guard, OperatorRequest
from liquid_control.control.loop import Loop
from liquid_control.control.vehicle import steering_angle
from liquid_control.deploy.runtime import Runtime
from liquid_control.signals import Action, Command, Frame, ImuSample, SpeedSample, SteeringSample
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.sim.tasks.lane_keeping import expert_curvature
from liquid_control.sim.world import World
from liquid_control.stress.faults.injection import SOURCES, Fault, Tap, pass_through

EPOCH, BOOT = 1_760_000_000_000_000_000, 5_000_000_000
"""Where the stamps' clock and the steady one stand when the drive begins [ns]."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """One decision of the gate, and where the vehicle was. `known_speed`: the measured speed that
    the gate used; `last_speed`: the last one that it knew."""

    seconds: float
    state: State
    reason: str
    command: Command | None
    steady_ns: int
    known_speed: float | None
    last_speed: float | None
    lane_offset: float
    speed: float
    departed: bool


def run_course(
    runtime: Runtime,
    seed: int,
    seconds: float,
    faults: Fault | Sequence[Fault] | None,
    request: OperatorRequest | Callable[[float], OperatorRequest] = OperatorRequest(),  # noqa: B008
) -> list[Tick]:
    """Drives a held-out road. The expert steers until the gate engages and after a takeover.
    `request`: the operator's, or a function of the time [s]."""
    faults = [faults] if isinstance(faults, Fault) else faults or ()
    world = World(
        WorldConfig(length=max(20.0 * seconds, 100.0), cruise_high=12.0), seed, held_out=True
    )
    controller, guard = Controller(runtime, speed=20.0), Guard(GateConfig(), VEHICLE)
    taps = {
        source: [Tap(fault, seed) for fault in faults if fault.source == source]
        for source in SOURCES
    }
    ticks: list[Tick] = []
    command: Command | None = None
    loop = Loop(silence=guard.config.proposal_stale_after)
    while world.time_ns < seconds * 1e9 and not world.truth.finished:
        if command is None:
            events = world.advance(steering_angle(expert_curvature(world), VEHICLE))
        else:
            events = world.advance(command.steering_angle, command.speed)
        now, now_ns, steady_ns = world.time_ns * 1e-9, EPOCH + world.time_ns, BOOT + world.time_ns
        proposals = _sense(controller, guard, taps, events, now, now_ns, steady_ns)
        angle = SteeringSample(now_ns, world.truth.steering_angle, None)
        guard.push_steering_angle(angle, now_ns, steady_ns)
        fresh = [
            guard.push_proposal(action, now_ns, steady_ns)
            for action in pass_through(taps["command"], proposals, now)
        ]
        if loop.wake(steady_ns, proposed=any(fresh)):
            requested = request(now) if callable(request) else request
            decision = guard.tick(now_ns, steady_ns, requested)
            truth = world.truth
            command = decision.command
            ticks.append(
                Tick(
                    now,
                    decision.state,
                    decision.reason,
                    command,
                    steady_ns,
                    guard.known_speed(steady_ns),
                    guard.last_speed,
                    truth.lane_offset,
                    truth.speed,
                    world.task.is_terminated(truth),
                )
            )
    world.close()
    return ticks


def _sense(
    controller: Controller,
    guard: Guard,
    taps: dict[str, list[Tap]],
    events: list,
    now: float,
    now_ns: int,
    steady_ns: int,
) -> list[Action]:
    """Pushes the arriving samples into controller and gate; returns the policy's proposals."""
    arrived = {
        source: pass_through(
            taps[source],
            [
                dataclasses.replace(e, stamp_ns=EPOCH + e.stamp_ns)
                for e in events
                if isinstance(e, kind)
            ],
            now,
        )
        for source, kind in (("imu", ImuSample), ("speed", SpeedSample), ("camera", Frame))
    }
    for sample in arrived["imu"]:
        controller.push(sample)
    for sample in arrived["speed"]:
        controller.push(sample)
        guard.push_speed(sample, now_ns, steady_ns)
    outcomes = [controller.push(frame, now_ns) for frame in arrived["camera"]]
    return [outcome for outcome in outcomes if isinstance(outcome, Action)]
