"""Controller and gate of a policy or an expert in the recorded world: they let the recorded driving
through."""

from __future__ import annotations

import dataclasses

from liquid_control.control.controller import Controller
from liquid_control.control.safety import SafetyGate
from liquid_control.deploy.runtime import Runtime
from liquid_control.sim.recorded.world import RecordedWorld

COMFORT = 20.0
"""Lateral acceleration [m/s²] up to which the policy's speed is not lowered in bends: the speed is
the recorded one."""


def recorded_driver(
    world: RecordedWorld, runtime: Runtime, patience: float = 0.0
) -> tuple[Controller, SafetyGate]:
    """Controller and gate of a drive. `patience` [s]: how much longer the gate waits for a
    picture."""
    road = world.recording
    controller = Controller(
        runtime,
        speed=world.task.set_speed,
        comfort_lateral_acceleration=COMFORT,
        vehicle=road.vehicle,
    )
    limits = dataclasses.replace(road.gate, stale_after=road.gate.stale_after + patience)
    return controller, SafetyGate(limits, road.vehicle)
