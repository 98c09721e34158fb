"""The bodies that a world can be built with, by name."""

from __future__ import annotations

from liquid_control.sim.bodies.body import Body
from liquid_control.sim.bodies.car import Car

BODIES: dict[str, type[Body]] = {"car": Car}
