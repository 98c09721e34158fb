"""How a lane may look: floor, lines, light and what stands behind, drawn at random; and the
textures of floors and backgrounds that looks refer to."""

from __future__ import annotations

import dataclasses
import functools
import math

import cv2
import numpy as np

TEXTURES, TEXTURE_SIDE = 24, 512
BACKDROPS, BACKDROP_ROWS, BACKDROP_COLUMNS = 12, 128, 1024
LEAST_CONTRAST = 45.0
"""Least distance between a line and the floor below it, in RGB of 0..255."""
LUMA = np.array([0.299, 0.587, 0.114])
"""Weights of red, green and blue in the brightness that is seen."""
CLUTTER = 6
"""Most things that lie about within sight."""


@dataclasses.dataclass(frozen=True)
class Line:
    """`place` of its middle to the left of the lane's, `width`, `stroke` and `gap` (0: solid) in
    lane widths."""

    place: float
    width: float
    colour: tuple[float, float, float]
    stroke: float = 0.0
    gap: float = 0.0


@dataclasses.dataclass(frozen=True)
class Look:
    """Colours are RGB in 0..255. `lane`: of the lane itself, None as the floor; it is `lane_width`
    times as wide as the lane. `texel`: side of a texture's pixel [lane widths]. `wall`: distance at
    which the floor ends [lane widths]. `light`: gain of each channel."""

    floor: tuple[float, float, float]
    lane: tuple[float, float, float] | None
    lane_width: float
    lines: tuple[Line, ...]
    texture: int
    texel: float
    texture_depth: float
    turned: float
    backdrop: int
    wall: float
    recorded_backdrop: bool
    light: tuple[float, float, float]
    vignette: float
    clutter: tuple[tuple[float, float, float, float, float, tuple[float, float, float]], ...]
    """Place ahead and to the left, radii [lane widths], angle [rad] and colour of each thing."""


def draw_look(rng: np.random.Generator) -> Look:
    """A look of the lane at random."""
    floor = _ground_colour(rng)
    lane = _ground_colour(rng) if rng.random() < 0.35 else None
    width = float(np.exp(rng.uniform(np.log(0.75), np.log(1.6))))
    lines = _lines(rng, np.array(lane or floor), np.array(floor), width, lane is not None)
    warm = rng.uniform(-0.1, 0.14)
    light = rng.uniform(0.55, 1.25) * np.array([1.0 + warm, 1.0, 1.0 - warm])
    count = int(rng.integers(CLUTTER + 1)) if rng.random() < 0.6 else 0
    return Look(
        floor,
        lane,
        width * float(rng.uniform(1.0, 1.4)),
        lines,
        int(rng.integers(TEXTURES)),
        float(np.exp(rng.uniform(np.log(0.006), np.log(0.04)))),
        float(rng.uniform(0.2, 1.3)),
        float(rng.uniform(0.0, 2 * math.pi)),
        int(rng.integers(BACKDROPS)),
        float(np.exp(rng.uniform(np.log(5.0), np.log(60.0)))),
        bool(rng.random() < 0.5),
        tuple(light.tolist()),
        float(rng.uniform(0.0, 0.45)),
        tuple(_thing(rng) for _ in range(count)),
    )


def _lines(
    rng: np.random.Generator, lane: np.ndarray, floor: np.ndarray, width: float, edged: bool
) -> tuple[Line, ...]:
    """Lines of a lane on grounds of these colours. Where the lane has a colour of its own
    (`edged`) it needs none."""
    if edged and np.linalg.norm(lane - floor) > LEAST_CONTRAST and rng.random() < 0.25:
        return ()
    thick, lines = float(np.exp(rng.uniform(np.log(0.03), np.log(0.16)))), []
    colour = _line_colour(rng, lane)
    missing = int(rng.integers(2)) if rng.random() < 0.12 else -1
    for index, side in enumerate((1.0, -1.0)):
        if index == missing:
            continue
        other = rng.random() < 0.3
        lines.append(
            Line(
                side * width / 2,
                thick,
                _line_colour(rng, lane) if other else colour,
                *(_dashes(rng) if rng.random() < 0.25 else (0.0, 0.0)),
            )
        )
    if rng.random() < 0.25 or missing >= 0:
        dashes = _dashes(rng) if rng.random() < 0.7 else (0.0, 0.0)
        lines.append(Line(0.0, 0.7 * thick, _line_colour(rng, lane), *dashes))
    if rng.random() < 0.15:  # another lane at one side
        side = rng.choice((-1.0, 1.0))
        lines.append(Line(side * 1.5 * width, thick, colour))
    if rng.random() < 0.25:  # another part of the course
        place = rng.choice((-1.0, 1.0)) * rng.uniform(2.5, 8.0)
        lines += [Line(place + side * width / 2, thick, colour) for side in (-1.0, 1.0)]
    return tuple(lines)


def _dashes(rng: np.random.Generator) -> tuple[float, float]:
    return float(rng.uniform(0.2, 1.0)), float(rng.uniform(0.15, 0.8))


def _thing(rng: np.random.Generator) -> tuple:
    return (
        float(rng.uniform(1.0, 12.0)),
        float(rng.uniform(-5.0, 5.0)),
        float(rng.uniform(0.0, math.pi)),
        float(rng.uniform(0.1, 0.9)),
        float(rng.uniform(0.05, 0.5)),
        tuple(rng.uniform(10.0, 245.0, 3).tolist()),
    )


def _ground_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """Mostly greys, browns and the like; one in five is of any colour."""
    if rng.random() < 0.2:
        return tuple(rng.uniform(20.0, 230.0, 3).tolist())
    tint = rng.uniform(-0.28, 0.28)
    grey = rng.uniform(35.0, 205.0) * np.array([1.0 + tint, 1.0, 1.0 - tint])
    return tuple(np.clip(grey * rng.uniform(0.93, 1.07, 3), 5.0, 250.0).tolist())


def _line_colour(rng: np.random.Generator, ground: np.ndarray) -> tuple[float, float, float]:
    """White, yellow, dark, as bright as the ground or of any colour that can be told from it."""
    while True:
        kind = rng.random()
        if kind < 0.25:
            colour = np.full(3, rng.uniform(200.0, 250.0))
        elif kind < 0.35:
            colour = np.array([rng.uniform(200, 250), rng.uniform(160, 220), rng.uniform(20, 90)])
        elif kind < 0.45:
            colour = np.full(3, rng.uniform(10.0, 55.0))
        else:
            colour = rng.uniform(15.0, 245.0, 3)
        if kind > 0.75:
            colour += (ground - colour) @ LUMA + rng.uniform(-15.0, 15.0)
            colour = np.clip(colour, 5.0, 250.0)
        if np.linalg.norm(colour - ground) > LEAST_CONTRAST:
            return tuple(colour.tolist())


@functools.lru_cache(maxsize=1)
def textures() -> tuple[np.ndarray, ...]:
    """Gains less 1 (TEXTURE_SIDE, TEXTURE_SIDE) float32: grain, stains, planks and tiles."""
    rng, side = np.random.default_rng(0x7E7), TEXTURE_SIDE
    return tuple(_one_texture(rng, side, index % 4) for index in range(TEXTURES))


def _one_texture(rng: np.random.Generator, side: int, kind: int) -> np.ndarray:
    gain = _noise(rng, side, 128, 0.08) + _noise(rng, side, 24, 0.05)
    gain += _noise(rng, side, float(rng.uniform(1.0, 4.0)), 0.12)
    if kind >= 2:
        across = int(rng.integers(16, 128))
        along = across if kind == 3 else int(rng.integers(128, 512))
        rows, columns = np.ogrid[:side, :side]
        shift = rng.integers(0, along, side // across + 2) * (kind == 2)
        columns = (columns + shift[rows // across]) % side
        shades = rng.normal(0.0, 0.08, (side // across + 2, side // along + 2))
        gain = gain + shades[rows // across, columns // along]
        joint = (rows % across < 2) | (columns % along < 2)
        gain[joint] -= rng.uniform(-0.2, 0.35)
    return np.clip(gain, -0.8, 1.0).astype(np.float32)


def _noise(rng: np.random.Generator, side: int, size: float, deviation: float) -> np.ndarray:
    few = rng.normal(0.0, deviation, (max(int(side / size), 2),) * 2).astype(np.float32)
    return cv2.resize(few, (side, side), interpolation=cv2.INTER_CUBIC)


@functools.lru_cache(maxsize=1)
def backdrops() -> tuple[np.ndarray, ...]:
    """What stands around the floor, (BACKDROP_ROWS, BACKDROP_COLUMNS, 3) uint8 each: rows by
    elevation, columns by bearing."""
    rng, found = np.random.default_rng(0xBAC), []
    for _ in range(BACKDROPS):
        picture = np.empty((BACKDROP_ROWS, BACKDROP_COLUMNS, 3), np.uint8)
        picture[:] = rng.uniform(60.0, 230.0) * rng.uniform(0.85, 1.1, 3)
        for _ in range(int(rng.integers(10, 60))):
            x, y = int(rng.integers(BACKDROP_COLUMNS)), int(rng.integers(-20, BACKDROP_ROWS))
            size = int(rng.integers(8, 120)), int(rng.integers(4, 90))
            colour = rng.uniform(10.0, 245.0, 3).tolist()
            cv2.rectangle(picture, (x, y), (x + size[0], y + size[1]), colour, -1)
        found.append(cv2.GaussianBlur(picture, (3, 3), 0))
    return tuple(found)
