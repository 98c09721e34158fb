"""Writes the MuJoCo model of one road: the vehicle's MJCF, the road strip, ground, sky and
roadside.

The road is one mesh strip whose texture (edge lines, dashes, asphalt) repeats along the arc length;
the roadside is one more mesh coloured through a palette. Two draw calls keep software
rendering fast.
"""

from __future__ import annotations

import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.conditions.weather import road_shadows, snow_over
from liquid_control.sim.rendering import mujoco
from liquid_control.sim.road import LANE_WIDTH, SPACING, Road

STRIP_LEFT = 1.5 * LANE_WIDTH + 0.5
STRIP_RIGHT = -0.5 * LANE_WIDTH - 0.5
DASH_PERIOD = 12.0
DASH_LENGTH = 4.0
LINE_WIDTH = 0.18
TEXELS_ACROSS = 256
TEXELS_ALONG = 256
PALETTE_CELLS = 8
SHADOW = (0.0, 0.0, 0.02, 0.5)


def build_model(
    vehicle_xml: str,
    road: Road,
    appearance: Appearance,
    rng: np.random.Generator,
    trees: int = 70,
    weather: np.random.Generator | None = None,
) -> mujoco.MjModel:
    """Compiles the model of a vehicle on a road; `rng` places the roadside and the grain of the
    surfaces, `weather` snow and shadows."""
    weather = weather or np.random.default_rng(0)
    spec = mujoco.MjSpec.from_string(vehicle_xml)
    _add_surface(spec, "road", _road_texture(rng, appearance, weather))
    _add_surface(spec, "ground", _grain(rng, 128, 0.12, np.array(appearance.ground)))
    _add_surface(spec, "roadside", _palette(rng, appearance))
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=appearance.sky_low,
        rgb2=appearance.sky_high,
        width=16,
        height=96,
    )
    _add_mesh(spec, "road", *_road_strip(road))
    _add_mesh(spec, "roadside", *_roadside(road, rng, trees))
    _add_mesh(
        spec, "ground", *(_tiled_ground(road, appearance.fog) if appearance.fog else _ground(road))
    )
    if appearance.shadows:
        _add_shadows(spec, *road_shadows(road, appearance.shadows, weather))
    return spec.compile()


def _add_surface(spec: mujoco.MjSpec, name: str, texels: np.ndarray) -> None:
    texture = spec.add_texture(
        name=name,
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        nchannel=3,
        height=texels.shape[0],
        width=texels.shape[1],
    )
    texture.data = np.ascontiguousarray(texels).tobytes()
    material = spec.add_material(name=name, specular=0.0, shininess=0.0)
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def _add_mesh(
    spec: mujoco.MjSpec, name: str, vertices: np.ndarray, faces: np.ndarray, texcoords: np.ndarray
) -> None:
    mesh = spec.add_mesh(name=name, inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    mesh.uservert, mesh.userface, mesh.usertexcoord = (
        vertices.ravel(),
        faces.ravel(),
        texcoords.ravel(),
    )
    spec.worldbody.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=name,
        contype=0,
        conaffinity=0,
    )


def _add_shadows(spec: mujoco.MjSpec, vertices: np.ndarray, faces: np.ndarray) -> None:
    mesh = spec.add_mesh(name="shadows", inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL)
    mesh.uservert, mesh.userface = vertices.ravel(), faces.ravel()
    spec.worldbody.add_geom(
        name="shadows",
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname="shadows",
        rgba=SHADOW,
        contype=0,
        conaffinity=0,
    )


def _ground(road: Road) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One quad under the whole road: a MuJoCo plane would be tessellated finely at ten times the
    cost of all else."""
    margin, tile, height = 400.0, 8.0, -0.06
    low = np.array([road.x.min(), road.y.min()]) - margin
    high = np.array([road.x.max(), road.y.max()]) + margin
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]]])
    return (
        np.concatenate([corners, np.full((4, 1), height)], 1),
        np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        corners / tile,
    )


def _tiled_ground(road: Road, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tiles as far from the road as one sees: OpenGL computes fog at corners, so one large quad
    would drown in it."""
    tile, height = max(8.0, reach / 7.5), -0.06
    spread = int(np.ceil(reach / tile))
    around = np.stack(
        np.meshgrid(*[np.arange(-spread, spread + 1)] * 2, indexing="ij"), -1
    ).reshape(-1, 2)
    below = np.unique(np.floor(np.stack([road.x, road.y], 1) / tile).astype(int), axis=0)
    tiles = np.unique((below[:, None] + around).reshape(-1, 2), axis=0)
    corners, faces = np.unique(
        (tiles[:, None] + [[0, 0], [1, 0], [1, 1], [0, 1]]).reshape(-1, 2),
        axis=0,
        return_inverse=True,
    )
    faces = faces.reshape(-1, 4)[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3).astype(np.int32)
    return (
        np.concatenate([corners * tile, np.full((len(corners), 1), height)], 1),
        faces,
        corners * tile / 8.0,
    )


def _road_strip(road: Road) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (N, 3), faces (M, 3) counter-clockwise from above, texture coordinates (N, 2)."""
    step = max(int(1.0 / SPACING), 1)
    station = np.arange(0, len(road.x), step) * SPACING
    x, y, heading = road.x[::step], road.y[::step], road.heading[::step]
    normal = np.stack([-np.sin(heading), np.cos(heading)], 1)
    centre = np.stack([x, y], 1)
    rows = np.stack([centre + STRIP_RIGHT * normal, centre + STRIP_LEFT * normal], 1).reshape(-1, 2)
    vertices = np.concatenate([rows, np.zeros((len(rows), 1))], 1)
    first = np.arange(len(x) - 1)[:, None] * 2
    faces = np.concatenate([first + [0, 2, 1], first + [1, 2, 3]]).astype(np.int32)
    along = np.repeat(station / DASH_PERIOD, 2)
    across = np.tile([0.0, 1.0], len(x))
    return vertices, faces, np.stack([across, along], 1)


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


def _roadside(
    road: Road, rng: np.random.Generator, trees: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trees (trunk and cone crown) and reflector poles along the road as one mesh; colours by
    palette cell."""
    parts = []
    for _ in range(trees):
        left = rng.random() < 0.5
        offset = (
            STRIP_LEFT + rng.uniform(2.5, 25.0) if left else STRIP_RIGHT - rng.uniform(2.0, 25.0)
        )
        height, width = rng.uniform(2.5, 9.0), rng.uniform(1.0, 2.4)
        place = _roadside_point(road, rng.uniform(0, road.length), offset)
        if place is None:
            continue
        cell = int(rng.integers(1, 5))
        parts.append(_cone(place, 0.0, 0.3 * height, 0.16, 0.14, 0))
        parts.append(_cone(place, 0.25 * height, height, width, 0.02, cell))
    for station in np.arange(rng.uniform(0, 50), road.length, 50.0):
        for offset in (STRIP_LEFT + 0.6, STRIP_RIGHT - 0.6):
            place = _roadside_point(road, station, offset)
            if place is not None:
                parts.append(_cone(place, 0.0, 1.0, 0.06, 0.05, 5))
    if not parts:
        parts.append(_cone(np.array([-50.0, 0.0]), 0.0, 1.0, 0.1, 0.1, 0))
    counts = np.cumsum([0] + [len(p[0]) for p in parts[:-1]])
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] + n for p, n in zip(parts, counts, strict=True)]).astype(np.int32),
        np.concatenate([p[2] for p in parts]),
    )


def _roadside_point(road: Road, station: float, offset: float) -> np.ndarray | None:
    """A point at the roadside, or None where another stretch of the road passes it."""
    x, y, heading, _ = road.at(station)
    place = np.array([x - offset * np.sin(heading), y + offset * np.cos(heading)])
    nearest = np.min((road.x - place[0]) ** 2 + (road.y - place[1]) ** 2) ** 0.5
    return place if nearest > min(abs(offset), STRIP_LEFT + 2.0) - 0.5 else None


def _cone(
    place: np.ndarray,
    bottom: float,
    top: float,
    radius_bottom: float,
    radius_top: float,
    cell: int,
    sides: int = 6,
):
    """A frustum: vertices (2 sides, 3), side faces, texture coordinates inside one palette cell."""
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    low = np.concatenate([place + radius_bottom * ring, np.full((sides, 1), bottom)], 1)
    high = np.concatenate([place + radius_top * ring, np.full((sides, 1), top)], 1)
    i = np.arange(sides)
    j = (i + 1) % sides
    faces = np.concatenate([np.stack([i, j, i + sides], 1), np.stack([j, j + sides, i + sides], 1)])
    return (
        np.concatenate([low, high]),
        faces,
        np.tile([(cell + 0.5) / PALETTE_CELLS, 0.5], (2 * sides, 1)),
    )


def _palette(rng: np.random.Generator, appearance: Appearance) -> np.ndarray:
    """Cells: trunk, four foliages, pole, two spare; (8, 64, 3) uint8."""
    foliage = [np.array(appearance.foliage) * rng.uniform(0.7, 1.4) for _ in range(4)]
    cells = np.array(
        [[0.30, 0.22, 0.15], *foliage, [0.85, 0.85, 0.82], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]
    )
    return np.repeat(np.repeat((np.clip(cells, 0, 1) * 255).astype(np.uint8)[None], 8, 1), 8, 0)


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
