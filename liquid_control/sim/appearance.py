"""Domain randomisation of the appearance of a road: colours and light.

Appearances are stratified: a stratum fixes whether ground, asphalt and light are dark or bright, so
that a set of roads is spread evenly over their combinations. Ground as bright as the asphalt is the
hardest for a policy.
"""

from __future__ import annotations

import dataclasses

import numpy as np

STRATA = 8


@dataclasses.dataclass(frozen=True)
class Appearance:
    """Colours in 0..1 RGB and light of a road; the last three are set by weather (sim.conditions)
    and never drawn.

    `fog`: distance at which fog hides everything [m], 0 is clear. `snow`: cover of the road, 0 to
    1. `shadows`: on the road [1/m].
    """

    asphalt: tuple[float, float, float]
    ground: tuple[float, float, float]
    edge_line: tuple[float, float, float]
    centre_line: tuple[float, float, float]
    sky_high: tuple[float, float, float]
    sky_low: tuple[float, float, float]
    ambient: float
    diffuse: float
    sun_azimuth: float
    sun_elevation: float
    foliage: tuple[float, float, float]
    fog: float = 0.0
    snow: float = 0.0
    shadows: float = 0.0


def draw_appearance(rng: np.random.Generator, stratum: int | None = None) -> Appearance:
    """An appearance of a stratum in 0..STRATA-1, or of any when None."""
    stratum = int(rng.integers(STRATA)) if stratum is None else stratum % STRATA
    bright_ground, bright_asphalt, bright_light = stratum & 1, stratum >> 1 & 1, stratum >> 2 & 1
    grey = rng.uniform(0.38, 0.58) if bright_asphalt else rng.uniform(0.18, 0.38)
    ground_level = rng.uniform(0.38, 0.62) if bright_ground else rng.uniform(0.15, 0.38)
    tint = rng.uniform(0.7, 1.3, 3)
    if rng.random() < 0.6:
        tint = np.array([rng.uniform(0.65, 1.05), rng.uniform(1.0, 1.35), rng.uniform(0.35, 0.75)])
    white = rng.uniform(0.75, 1.0)
    yellow = np.array([1.0, rng.uniform(0.7, 0.85), rng.uniform(0.1, 0.35)])
    centre = yellow * rng.uniform(0.8, 1.0) if rng.random() < 0.35 else np.full(3, white)
    sky = np.array([rng.uniform(0.2, 0.7), rng.uniform(0.4, 0.8), rng.uniform(0.6, 1.0)])
    haze = rng.uniform(0.6, 0.95)
    return Appearance(
        asphalt=_colour(grey * rng.uniform(0.93, 1.07, 3)),
        ground=_colour(ground_level * tint),
        edge_line=_colour(np.full(3, white)),
        centre_line=_colour(centre),
        sky_high=_colour(sky),
        sky_low=_colour(haze * rng.uniform(0.95, 1.05, 3)),
        ambient=rng.uniform(0.35, 0.5) if bright_light else rng.uniform(0.2, 0.35),
        diffuse=rng.uniform(0.5, 0.8) if bright_light else rng.uniform(0.25, 0.5),
        sun_azimuth=rng.uniform(-np.pi, np.pi),
        sun_elevation=rng.uniform(0.35, 1.3),
        foliage=_colour(
            rng.uniform(0.15, 0.5) * np.array([rng.uniform(0.5, 1.2), 1.0, rng.uniform(0.3, 0.7)])
        ),
    )


def _colour(values: np.ndarray) -> tuple[float, float, float]:
    return tuple(float(v) for v in np.clip(values, 0.02, 1.0))
