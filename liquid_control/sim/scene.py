"""Writes the MuJoCo model of one road: the vehicle's MJCF, the road strip, ground, sky and
roadside.

The road is one mesh strip whose texture (edge lines, dashes, asphalt) repeats along the arc length;
the roadside is one more mesh coloured through a palette. Two draw calls keep software
rendering fast.
"""

from __future__ import annotations

import numpy as np

from liquid_control.sim.appearance import Appearance
from liquid_control.sim.conditions.weather import road_shadows
from liquid_control.sim.rendering import mujoco
from liquid_control.sim.road import SPACING, Road
from liquid_control.sim.scenery import (
    DASH_PERIOD,
    GROUND_HEIGHT,
    GROUND_TILE,
    PALETTE_CELLS,
    SIDES,
    STRIP_LEFT,
    STRIP_RIGHT,
    Scenery,
    cones,
    draw_scenery,
)

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
    scenery = draw_scenery(road, appearance, rng, trees, weather)
    _add_surface(spec, "road", scenery.road)
    _add_surface(spec, "ground", scenery.ground)
    _add_surface(spec, "roadside", _cells(scenery.palette))
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
    _add_mesh(spec, "roadside", *_roadside(scenery))
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
    margin, tile, height = 400.0, GROUND_TILE, GROUND_HEIGHT
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
    tile, height = max(GROUND_TILE, reach / 7.5), GROUND_HEIGHT
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
        corners * tile / GROUND_TILE,
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


def _roadside(scenery: Scenery) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trees and poles as one mesh; colours by palette cell."""
    standing = cones(scenery) or [(np.array([-50.0, 0.0]), 0.0, 1.0, 0.1, 0.1, 0)]
    parts = [_cone(*one) for one in standing]
    counts = np.cumsum([0] + [len(p[0]) for p in parts[:-1]])
    return (
        np.concatenate([p[0] for p in parts]),
        np.concatenate([p[1] + n for p, n in zip(parts, counts, strict=True)]).astype(np.int32),
        np.concatenate([p[2] for p in parts]),
    )


def _cells(palette: np.ndarray) -> np.ndarray:
    """The palette as a texture (8, 64, 3), eight texels to a cell."""
    return np.repeat(np.repeat(palette[None], 8, 1), 8, 0)


def _cone(
    place: np.ndarray,
    bottom: float,
    top: float,
    radius_bottom: float,
    radius_top: float,
    cell: int,
    sides: int = SIDES,
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
