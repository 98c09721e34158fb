"""What a road and its surroundings look like, as numbers: the grain of the surfaces with the road's
lines, the colours and places of what stands beside it. Knows no engine."""

from __future__ import annotations

import dataclasses

import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.conditions.weather import snow_over
from liquid_control.sim.road import LANE_WIDTH, Road

STRIP_LEFT = 1.5 * LANE_WIDTH + 0.5
STRIP_RIGHT = -0.5 * LANE_WIDTH - 0.5
DASH_PERIOD = 12.0
DASH_LENGTH = 4.0
LINE_WIDTH = 0.18
TEXELS_ACROSS = 256
TEXELS_ALONG = 256
PALETTE_CELLS = 8
SIDES = 6
"""Of a trunk, a crown and a pole."""
GROUND_TEXELS = 128
GROUND_TILE = 8.0
"""The ground's grain repeats after so many metres."""
GROUND_HEIGHT = -0.06
"""The ground lies below the road's strip [m]."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scenery:
    """`road` (TEXELS_ALONG, TEXELS_ACROSS, 3) uint8 RGB: one dash period along, the strip across.
    `ground` (GROUND_TEXELS, GROUND_TEXELS, 3) uint8: one tile. `palette` (PALETTE_CELLS, 3) uint8:
    trunk, four foliages, pole. `trees` (T, 5): x, y, height, radius of the crown [m], cell of the
    palette; `poles` (P, 2): x, y."""

    road: np.ndarray
    ground: np.ndarray
    palette: np.ndarray
    trees: np.ndarray
    poles: np.ndarray


def draw_scenery(
    road: Road,
    appearance: Appearance,
    rng: np.random.Generator,
    trees: int,
    weather: np.random.Generator,
) -> Scenery:
    """`rng` draws the grain and the roadside, `weather` the snow."""
    strip = _road_texture(rng, appearance, weather)
    ground = _grain(rng, GROUND_TEXELS, 0.12, np.array(appearance.ground))
    return Scenery(strip, ground, _palette(rng, appearance), *_roadside(road, rng, trees))


def cones(scenery: Scenery) -> list[tuple]:
    """Everything that stands beside the road, as frustums: place (2,), bottom, top, radius of the
    bottom and of the top [m], cell of the palette."""
    parts = []
    for x, y, height, width, cell in scenery.trees.tolist():
        place = np.array([x, y])
        parts.append((place, 0.0, 0.3 * height, 0.16, 0.14, 0))
        parts.append((place, 0.25 * height, height, width, 0.02, int(cell)))
    parts += [(place, 0.0, 1.0, 0.06, 0.05, 5) for place in scenery.poles]
    return parts


def _road_texture(
    rng: np.random.Generator, appearance: Appearance, weather: np.random.Generator
) -> np.ndarray:
    """One dash period (along, across, 3) uint8: asphalt with grain, worn edge lines, a dashed
    centre line."""
    texels = (
        _grain(rng, TEXELS_ALONG, 0.06, np.array(appearance.asphalt), TEXELS_ACROSS).astype(
            np.float32
        )
        / 255
    )
    offset = STRIP_RIGHT + (np.arange(TEXELS_ACROSS) + 0.5) / TEXELS_ACROSS * (
        STRIP_LEFT - STRIP_RIGHT
    )
    wear = rng.uniform(0.75, 1.0)

    def paint(position: float, colour: tuple, rows: slice) -> None:
        columns = np.abs(offset - position) < LINE_WIDTH / 2
        texels[rows, columns] = texels[rows, columns] * (1 - wear) + np.array(colour) * wear

    paint(-0.5 * LANE_WIDTH + 0.1, appearance.edge_line, slice(None))
    paint(1.5 * LANE_WIDTH - 0.1, appearance.edge_line, slice(None))
    paint(
        0.5 * LANE_WIDTH,
        appearance.centre_line,
        slice(0, int(TEXELS_ALONG * DASH_LENGTH / DASH_PERIOD)),
    )
    if appearance.snow:
        texels = snow_over(texels, offset, appearance.snow, weather)
    return (np.clip(texels, 0, 1) * 255).astype(np.uint8)


def _roadside(road: Road, rng: np.random.Generator, trees: int) -> tuple[np.ndarray, np.ndarray]:
    """Trees and reflector poles along the road, where no other stretch of it passes."""
    grown, poles = [], []
    for _ in range(trees):
        left = rng.random() < 0.5
        offset = (
            STRIP_LEFT + rng.uniform(2.5, 25.0) if left else STRIP_RIGHT - rng.uniform(2.0, 25.0)
        )
        height, width = rng.uniform(2.5, 9.0), rng.uniform(1.0, 2.4)
        place = _roadside_point(road, rng.uniform(0, road.length), offset)
        if place is None:
            continue
        grown.append((*place, height, width, int(rng.integers(1, 5))))
    for station in np.arange(rng.uniform(0, 50), road.length, 50.0):
        for offset in (STRIP_LEFT + 0.6, STRIP_RIGHT - 0.6):
            place = _roadside_point(road, station, offset)
            if place is not None:
                poles.append(place)
    return np.reshape(grown, (-1, 5)), np.reshape(poles, (-1, 2))


def _roadside_point(road: Road, station: float, offset: float) -> np.ndarray | None:
    """A point at the roadside, or None where another stretch of the road passes it."""
    x, y, heading, _ = road.at(station)
    place = np.array([x - offset * np.sin(heading), y + offset * np.cos(heading)])
    nearest = np.min((road.x - place[0]) ** 2 + (road.y - place[1]) ** 2) ** 0.5
    return place if nearest > min(abs(offset), STRIP_LEFT + 2.0) - 0.5 else None


def _palette(rng: np.random.Generator, appearance: Appearance) -> np.ndarray:
    """Cells: trunk, four foliages, pole, two spare; (PALETTE_CELLS, 3) uint8."""
    foliage = [np.array(appearance.foliage) * rng.uniform(0.7, 1.4) for _ in range(4)]
    cells = np.array(
        [[0.30, 0.22, 0.15], *foliage, [0.85, 0.85, 0.82], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    )
    return (np.clip(cells, 0, 1) * 255).astype(np.uint8)


def _grain(
    rng: np.random.Generator,
    rows: int,
    strength: float,
    colour: np.ndarray,
    columns: int | None = None,
) -> np.ndarray:
    """A tileable surface of `colour` whose brightness varies by `strength` with a 1/f spectrum;
    (rows, columns, 3) uint8."""
    columns = columns or rows
    frequency = np.hypot(
        np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None] * columns
    )
    spectrum = np.fft.rfft2(rng.normal(size=(rows, columns))) / np.maximum(frequency, 2.0)
    noise = np.fft.irfft2(spectrum, s=(rows, columns))
    brightness = 1 + strength * noise / noise.std()
    return (np.clip(colour * brightness[..., None], 0, 1) * 255).astype(np.uint8)
