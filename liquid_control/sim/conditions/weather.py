"""Weather and light: how they change the appearance of a road, and the parts of the scene that only
they have: snow, shadows on the road."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.conditions.condition import Condition
from liquid_control.sim.road import LANE_WIDTH, Road

SUN_ELEVATION = 0.12
SUN_SPREAD = 0.25
"""A low sun stands within this of where the road leads on the whole [rad]."""

HEADLAMP_REACH = 38.0
ABOVE_ROAD = 0.02
SNOW = np.array([0.9, 0.92, 0.95])
TRACKS = (-0.78, 0.78, LANE_WIDTH - 0.78, LANE_WIDTH + 0.78)
"""Where wheels have cleared the snow [m left of the lane's centre]."""


def apply_weather(
    appearance: Appearance, condition: Condition, road: Road, rng: np.random.Generator
) -> Appearance:
    """The drawn appearance of a road in the condition's weather and light."""
    if condition.winter:
        appearance = dataclasses.replace(
            appearance,
            snow=1.0,
            ground=_towards(appearance.ground, SNOW, 0.9),
            foliage=_towards(appearance.foliage, SNOW, 0.55),
            asphalt=_towards(appearance.asphalt, np.array([0.3, 0.31, 0.33]), 0.5),
            sky_high=(0.78, 0.8, 0.83),
            sky_low=(0.86, 0.87, 0.88),
            ambient=0.5,
            diffuse=0.3,
        )
    if condition.rain:
        appearance = dataclasses.replace(
            appearance,
            asphalt=_towards(appearance.asphalt, np.zeros(3), 0.2),
            ground=_towards(appearance.ground, np.zeros(3), 0.2),
            sky_high=(0.5, 0.52, 0.55),
            sky_low=(0.62, 0.64, 0.66),
            ambient=0.45,
            diffuse=0.25,
        )
    if condition.night:
        appearance = dataclasses.replace(
            appearance,
            sky_high=(0.02, 0.02, 0.03),
            sky_low=(0.02, 0.02, 0.03),
            ambient=0.75,
            diffuse=0.0,
            fog=HEADLAMP_REACH,
        )
    if condition.low_sun:
        azimuth = float(np.arctan2(road.y[-1], road.x[-1]) + rng.uniform(-SUN_SPREAD, SUN_SPREAD))
        appearance = dataclasses.replace(
            appearance,
            sun_elevation=SUN_ELEVATION,
            sun_azimuth=azimuth,
            sky_low=(1.0, 0.93, 0.8),
            diffuse=0.45,
        )
    if condition.visibility:
        haze = appearance.sky_low if condition.rain else (0.72, 0.74, 0.76)
        appearance = dataclasses.replace(
            appearance, sky_high=haze, sky_low=haze, fog=condition.visibility
        )
    return dataclasses.replace(appearance, shadows=condition.shadows)


def snow_over(
    texels: np.ndarray, offset: np.ndarray, cover: float, rng: np.random.Generator
) -> np.ndarray:
    """Snow on a road texture (along, across, 3) float in 0..1, at `offset` (across,) [m]: deep over
    both edges, thin between the tracks."""
    along = len(texels)
    drift = _wander(rng, along, 6) * 0.22
    edge = np.maximum(
        -0.5 * LANE_WIDTH + 0.42 + drift[:, None] - offset,
        offset - (1.5 * LANE_WIDTH - 0.42 + drift[::-1, None]),
    )
    deep = np.clip(edge / 0.12 + 0.5, 0.0, 1.0)
    nearest = np.min(
        np.abs(
            offset[None] - np.array(TRACKS)[:, None] - _wander(rng, along, 3)[:, None, None] * 0.08
        ),
        1,
    )
    flakes = cv2.GaussianBlur(rng.random(texels.shape[:2], np.float32), (0, 0), 1.5)
    flakes = np.clip((flakes - flakes.mean()) / flakes.std() * 0.25 + 0.5, 0.0, 1.0)
    thin = np.clip((nearest - 0.22) / 0.25, 0.0, 1.0) * (0.3 + 0.4 * flakes)
    share = (cover * np.maximum(deep, thin))[..., None]
    return texels * (1 - share) + SNOW * (0.93 + 0.07 * flakes[..., None]) * share


def road_shadows(
    road: Road, per_metre: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Blots of crowns and bars of poles a little above the road: vertices (N, 3), faces (M, 3)."""
    slant = rng.uniform(-1.2, 1.2)
    vertices, faces, count = [], [], 0
    for station in np.sort(rng.uniform(6.0, road.length, int(per_metre * road.length))):
        x, y, heading, _ = road.at(station)
        if rng.random() < 0.3:
            half, width = 0.5 * rng.uniform(6.0, 12.0), 0.5 * rng.uniform(0.2, 0.9)
            outline = np.array([[width, half], [-width, half], [-width, -half], [width, -half]])
        else:
            angle = np.arange(14) * 2 * np.pi / 14
            radius = rng.uniform(0.55, 1.0, 14)
            outline = radius[:, None] * np.stack(
                [np.cos(angle) * rng.uniform(0.8, 2.2), np.sin(angle) * rng.uniform(1.2, 4.0)], 1
            )
        left = rng.uniform(-0.9 * LANE_WIDTH, 2.0 * LANE_WIDTH)
        ahead = outline[:, 0] + slant * outline[:, 1] * 0.5
        across = left + outline[:, 1]
        cos, sin = np.cos(heading), np.sin(heading)
        ring = np.stack(
            [
                x + ahead * cos - across * sin,
                y + ahead * sin + across * cos,
                np.full(len(ahead), ABOVE_ROAD),
            ],
            1,
        )
        centre = ring.mean(0, keepdims=True)
        following = np.roll(np.arange(len(ring)), -1)
        faces.append(
            count + np.stack([np.zeros(len(ring), int), 1 + np.arange(len(ring)), 1 + following], 1)
        )
        vertices += [centre, ring]
        count += 1 + len(ring)
    return np.concatenate(vertices), np.concatenate(faces).astype(np.int32)


def _wander(rng: np.random.Generator, count: int, waves: int) -> np.ndarray:
    """A smooth periodic curve (count,) of about unit size."""
    phase = np.arange(count) * 2 * np.pi / count
    turns = np.arange(1, waves + 1)
    size, shift = rng.normal(size=waves) / np.sqrt(waves), rng.uniform(0, 2 * np.pi, waves)
    return (size[:, None] * np.sin(turns[:, None] * phase + shift[:, None])).sum(0) * np.sqrt(2)


def _towards(
    colour: tuple[float, float, float], other: np.ndarray, share: float
) -> tuple[float, float, float]:
    return tuple(float(v) for v in np.array(colour) * (1 - share) + other * share)
