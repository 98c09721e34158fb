"""How the recorded vehicle moves beside its path: a kinematic bicycle along the curved path.

The vehicle follows the path as the recorded one did as long as it is commanded as the driver was;
what the command differs by acts on the curvature a response delay later. So slip, an offset of the
steering and noise of the driver, which the recording holds, do not count as the policy's.
"""

from __future__ import annotations

import math
from collections import deque

from liquid_control.control.vehicle import curvature
from liquid_control.sim.bodies.body import TIMESTEP
from liquid_control.sim.recorded.road import RecordedRoad

LAG_SHARE = 0.3
"""Of the response delay that is a lag of first order; the rest is dead time."""
SHARPEST = 0.2
"""Least of 1 - curvature x offset: at the centre of a bend the station is not defined."""


class RecordedMotion:
    """State of the vehicle: `station`, `offset` [m], `heading_error` [rad] beside the path, `speed`
    [m/s], `curvature` that it drives [1/m]. `factor` on the recorded speed, which the vehicle does
    not exceed unless it `obeys` the commanded one."""

    def __init__(self, road: RecordedRoad, factor: float = 1.0, obeys: bool = False) -> None:
        self._road, self._factor, self._obeys = road, factor, obeys
        delay = max(road.response_delay - road.hold, 0.0)  # of a command in effect from now on
        lag = LAG_SHARE * delay
        self._share = 1.0 - math.exp(-TIMESTEP / lag) if lag > 0.0 else 1.0
        self._dead = max(round((delay - lag) / TIMESTEP), 0)
        self._faster, self._slower = (limit * TIMESTEP for limit in road.accelerations)
        self.place(0.0, 0.0, 0.0)

    def place(
        self, station: float, offset: float, heading_error: float, speed: float | None = None
    ) -> None:
        """Puts the vehicle beside the path, commanded as the driver was, at a speed [m/s] or at the
        recorded one."""
        self.station, self.offset, self.heading_error = station, offset, heading_error
        self.speed = self.limit if speed is None else speed
        self._pending = deque([0.0] * self._dead)
        self._deviation = 0.0
        self.curvature = self._road.line.at(station)[3]

    @property
    def limit(self) -> float:
        """The recorded speed here, times the factor [m/s]."""
        return self._factor * self._road.speed_at(self.station)

    def step(self, steering_angle: float, cap: float) -> None:
        """One time step with a commanded front-wheel angle [rad] and an upper limit on the speed
        [m/s]; without a limit the speed is the recorded one."""
        road = self._road
        difference = curvature(steering_angle, road.vehicle) - road.held_at(self.station)
        self._pending.append(road.response_gain * difference)
        self._deviation += (self._pending.popleft() - self._deviation) * self._share
        wanted = max(cap, 0.0)
        wanted = wanted if self._obeys and cap < math.inf else min(self.limit, wanted)
        change = wanted - self.speed
        self.speed += min(max(change, -self._slower), self._faster)
        along = road.line.at(self.station)[3]
        self.curvature = along + self._deviation
        length = self.speed * TIMESTEP
        narrowed = max(1.0 - along * self.offset, SHARPEST)
        passed = length * math.cos(self.heading_error) / narrowed
        self.offset += length * math.sin(self.heading_error)
        self.heading_error += length * self.curvature - passed * along
        self.station += passed

    def predicted(self) -> tuple[float, float, float]:
        """Station, offset and heading error when a command of now takes effect: what was commanded
        before still acts."""
        step = self.speed * TIMESTEP
        offset, error, deviation = self.offset, self.heading_error, self._deviation
        for pending in self._pending:
            deviation += (pending - deviation) * self._share
            offset += step * error
            error += step * deviation
        # The lag of what is left of the last deviation.
        error += step * deviation * (1.0 / self._share - 1.0)
        return self.station + step * len(self._pending), offset, error
