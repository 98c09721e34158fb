"""Recorded roads as worlds that are reset and stepped together."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from liquid_control.errors import ConfigError
from liquid_control.sim.recorded.road import RecordedRoad
from liquid_control.sim.recorded.world import RecordedWorld, RecordedWorldConfig
from liquid_control.sim.seeds import streams
from liquid_control.sim.worlds import LoopedWorlds

LEAST_LEFT = 0.2
"""Share of a road that is left at least where an episode begins on it."""


class RecordedWorlds(LoopedWorlds):
    """Worlds on recorded roads of one vehicle: a seed draws a road, by their lengths, and the
    station at which the episode begins. Policies are given what all recordings measure."""

    def __init__(
        self,
        roads: Sequence[RecordedRoad],
        config: RecordedWorldConfig | None = None,
        time_limit: float = 120.0,
    ) -> None:
        self._roads, self._config = tuple(roads), config or RecordedWorldConfig()
        vehicles = {road.vehicle for road in self._roads}
        if len(vehicles) > 1:
            raise ConfigError("recordings", f"{len(vehicles)} different vehicles", "those of one")
        task = RecordedWorld(self._roads[0], self._config).task
        kept = set.intersection(*(set(road.measured) for road in self._roads))
        measurements = tuple(one for one in task.spec.measurements if one.name in kept)
        super().__init__(dataclasses.replace(task.spec, measurements=measurements), time_limit)
        self.action_limit = task.action_limit

    def renew(self, old: RecordedWorld | None, seed: int, held_out: bool) -> RecordedWorld:
        """See `LoopedWorlds`. Raises ConfigError for a held-out road: recordings are chosen by
        naming them."""
        if held_out:
            raise ConfigError("held_out", True, "false: hold out a recording by not naming it")
        (draw,) = streams(seed, False, 1)
        lengths = np.array([road.path.length for road in self._roads])
        road = self._roads[draw.choice(len(lengths), p=lengths / lengths.sum())]
        begin = float(draw.uniform(0.0, (1.0 - LEAST_LEFT) * road.path.length))
        return RecordedWorld(road, dataclasses.replace(self._config, start=begin), seed)
