"""What the twin's camera sees of its roads: textures with their smaller copies, colours, light, and
what stands beside the road; as arrays with one row for each road."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from liquid_control.sim.drawn import Drawn
from liquid_control.sim.scenery import GROUND_TEXELS, TEXELS_ALONG, Scenery, cones, draw_scenery

(AMBIENT, DIFFUSE, SUN_X, SUN_Y, SUN_Z, FOG, HIGH, LOW) = (0, 1, 2, 3, 4, 5, 6, 9)
"""Columns of a light: ambient and diffuse, direction to the sun, distance at which fog hides
everything [m], colours of the sky above and at the horizon."""
LIGHT = 12
(PLACE_X, PLACE_Y, BOTTOM, TOP, RADIUS_BOTTOM, RADIUS_TOP, COLOUR) = range(7)
"""Columns of a frustum: place, heights, radii [m], colour in 0 to 1."""
FRUSTUM = 9


class Looks(NamedTuple):
    """Texels are those of the road, then of the ground, each followed by its copies of half the
    size, down to one texel."""

    texels: object  # (R, TEXELS) int32: red, green << 8, blue << 16
    lights: object  # (R, LIGHT) float32
    standing: object  # (R, T, FRUSTUM) float32
    count: object  # (R,) int64, frustums


def pyramid(texels: np.ndarray) -> np.ndarray:
    """A texture (n, n, 3) uint8 and its copies of half the size, (4 n² / 3,) int32."""
    level, levels = texels, []
    while True:
        levels.append(level.reshape(-1, 3))
        if len(level) == 1:
            return np.concatenate(levels).astype(np.int32) @ np.array(
                [1, 1 << 8, 1 << 16], np.int32
            )
        half = level.reshape(len(level) // 2, 2, -1, 2, 3).astype(np.uint16).sum((1, 3))
        level = ((half + 2) // 4).astype(np.uint8)


def looks_of(drawn: Sequence[Drawn], trees: int) -> Looks:
    """The looks of roads whose generators have drawn no scenery yet."""
    sceneries = [
        draw_scenery(one.road, one.appearance, one.surfaces, trees, one.weather) for one in drawn
    ]
    frustums = [_frustums(scenery) for scenery in sceneries]
    standing = np.zeros((len(drawn), max(map(len, frustums)), FRUSTUM), np.float32)
    for row, given in zip(standing, frustums, strict=True):
        row[: len(given)] = given
    texels = [np.concatenate([pyramid(one.road), pyramid(one.ground)]) for one in sceneries]
    return Looks(
        np.stack(texels),
        np.array([_light(one) for one in drawn], np.float32),
        standing,
        np.array([len(given) for given in frustums], np.int64),
    )


def _frustums(scenery: Scenery) -> np.ndarray:
    palette = scenery.palette / 255.0
    rows = [
        (*place, bottom, top, low, high, *palette[cell])
        for place, bottom, top, low, high, cell in cones(scenery)
    ]
    return np.reshape(rows, (-1, FRUSTUM))


def _light(drawn: Drawn) -> list[float]:
    look = drawn.appearance
    level = math.cos(look.sun_elevation)
    sun = level * math.cos(look.sun_azimuth), level * math.sin(look.sun_azimuth)
    return [
        look.ambient,
        look.diffuse,
        *sun,
        math.sin(look.sun_elevation),
        look.fog,
        *look.sky_high,
        *look.sky_low,
    ]


def texels_of(size: int) -> int:
    """In a texture of a size and all its copies."""
    return (4 * size * size - 1) // 3


GROUND_FROM = texels_of(TEXELS_ALONG)
"""The ground's first texel."""
TEXELS = GROUND_FROM + texels_of(GROUND_TEXELS)
LAST = TEXELS_ALONG.bit_length() - 1
"""The level of one texel, of the road."""
LEVELS = np.zeros((2, LAST + 1, 3), np.int64)
"""Of the road's texture and the ground's by level: first texel, size less 1, and log2 of the size;
where the ground has no smaller copy, the smallest."""
for _kind, (_begin, _size) in enumerate(((0, TEXELS_ALONG), (GROUND_FROM, GROUND_TEXELS))):
    for _level in range(LAST + 1):
        _side = max(_size >> _level, 1)
        LEVELS[_kind, _level] = (
            _begin + texels_of(_size) - texels_of(_side),
            _side - 1,
            _side.bit_length() - 1,
        )
SCALES = 0.5 ** np.arange(LAST + 1)
"""Size of a level as a share of the first one's."""
