"""What a seed draws: road, cruise speed, speed plan, appearance and vehicle. A seed draws the same
in MuJoCo and in the twin."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from liquid_control.config import WorldConfig
from liquid_control.sim.appearance import Appearance, draw_appearance
from liquid_control.sim.bodies.body import Parameters
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.conditions.weather import apply_weather
from liquid_control.sim.road import Road, build_road
from liquid_control.sim.seeds import streams
from liquid_control.sim.tasks.task import Task


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """`cruise` [m/s]; `plan` (N,) [m/s], the task's for the road. The generators have drawn what is
    here, and what follows is drawn from them: `surfaces` the grain of the surfaces and the
    roadside, `weather` snow and shadows, `sensing` noise and time stamps, `delivery` silences and
    errors of stamps."""

    road: Road
    cruise: float
    plan: np.ndarray
    appearance: Appearance
    parameters: Parameters
    surfaces: np.random.Generator
    weather: np.random.Generator
    sensing: np.random.Generator
    delivery: np.random.Generator


def draw(
    config: WorldConfig,
    seed: int,
    held_out: bool,
    condition: Condition,
    task: Task,
    draw_body: Callable[[np.random.Generator], Parameters],
) -> Drawn:
    """What `seed` draws. `config`: that of the world under the condition; `held_out`: see
    `sim.seeds`; `draw_body`: see `Body.draw`. Raises ConfigError for a seed out of range."""
    shape, appearances, bodies, sensing, weather, delivery = streams(seed, held_out, 6)
    road = build_road(
        shape, config.length, condition.sharpest_curvature, condition.gentlest_curvature
    )
    cruise = shape.uniform(config.cruise_low, config.cruise_high)
    stratum = None if config.stratum < 0 else config.stratum
    drawn = draw_appearance(appearances, stratum)
    return Drawn(
        road,
        cruise,
        task.speed_plan(road, cruise),
        apply_weather(drawn, condition, road, weather),
        condition.body(draw_body(bodies)),
        appearances,
        weather,
        sensing,
        delivery,
    )
