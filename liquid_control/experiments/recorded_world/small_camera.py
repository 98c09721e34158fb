"""The camera of a robot of 0.1 m on a small course: pictures by tracing each pixel's ray to the
floor or a wall."""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from liquid_control.config import VehicleConfig
from liquid_control.experiments.recorded_world.small_course import (
    PIXEL,
    ROOM,
    WALL_ROWS,
    Course,
    Look,
    floor_picture,
    wall_picture,
)
from liquid_control.perception.ground_camera import GroundCamera

SUPERSAMPLED = 2
"""Rays in a pixel, along rows and along columns."""


@dataclasses.dataclass(frozen=True)
class Robot:
    """Its lens, a camera `height` above the floor [m], `pitch` downward and field of view `angle`
    [rad], `forward` of the rear axle [m]; a curvature follows its command after `delay` [s] with
    the time constant `lag` [s]."""

    vehicle: VehicleConfig = VehicleConfig(0.1, 0.8)
    rows: int = 120
    columns: int = 160
    height: float = 0.09
    pitch: float = 0.4
    angle: float = 1.7
    forward: float = 0.05
    delay: float = 0.05
    lag: float = 0.09
    speed: float = 0.3

    @property
    def camera(self) -> GroundCamera:
        return GroundCamera.of_lens(
            self.rows, self.columns, self.angle, self.height, self.pitch, self.forward
        )


def draw_robot(seed: int) -> Robot:
    """A robot whose camera, response and speed are drawn."""
    rng = np.random.default_rng([seed, 0x20B07])
    return Robot(
        height=float(rng.uniform(0.06, 0.12)),
        pitch=float(rng.uniform(0.3, 0.5)),
        angle=float(rng.uniform(1.4, 1.9)),
        forward=float(rng.uniform(0.03, 0.08)),
        delay=float(rng.uniform(0.03, 0.07)),
        lag=float(rng.uniform(0.06, 0.12)),
    )


class Painter:
    """Pictures of a room from a robot's camera."""

    def __init__(self, robot: Robot, course: Course, look: Look, seed: int) -> None:
        self._robot, self._look = robot, look
        floor, wall = floor_picture(course, look, seed), wall_picture(look, seed)
        height, width = max(floor.shape[0], 1), max(floor.shape[1], wall.shape[1])
        self._walls_from = height
        self._atlas = np.zeros((height + WALL_ROWS + 8, width, 3), np.uint8)
        self._atlas[:height, : floor.shape[1]] = floor
        self._atlas[height : height + WALL_ROWS, : wall.shape[1]] = wall
        self._atlas[height + WALL_ROWS :] = np.clip(np.array(look.wall) * 1.1, 0, 255)
        large = GroundCamera.of_lens(
            robot.rows * SUPERSAMPLED,
            robot.columns * SUPERSAMPLED,
            robot.angle,
            robot.height,
            robot.pitch,
            robot.forward,
        )
        rows, columns = np.mgrid[: large.height, : large.width].astype(float)
        pixels = np.stack([columns, rows], -1)
        self._pixels = large.ground(pixels).astype(np.float32)
        scaled = (pixels - large.centre) / large.focal
        rays = np.concatenate([scaled, np.ones((*scaled.shape[:-1], 1))], -1) @ large.axes
        level = np.hypot(rays[..., 0], rays[..., 1])
        self._bearing = np.arctan2(rays[..., 1], rays[..., 0]).astype(np.float32)
        self._slope = (rays[..., 2] / level).astype(np.float32)
        radius = np.hypot(*scaled.transpose(2, 0, 1)) / np.hypot(*scaled[0, 0])
        self._vignette = (1.0 - 0.35 * radius**2).astype(np.float32)[..., None]

    def draw(self, x: float, y: float, yaw: float, rng: np.random.Generator) -> np.ndarray:
        """(rows, columns, 3) uint8 RGB from the rear axle's pose, with the camera's noise."""
        across, down = self._on_floor(x, y, yaw)
        self._on_walls(across, down, x, y, yaw)
        seen = cv2.remap(
            self._atlas, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        robot, look = self._robot, self._look
        gain = np.array([1.0 + look.warmth, 1.0, 1.0 - look.warmth]) * look.light
        light = seen * self._vignette * gain.astype(np.float32)
        picture = cv2.resize(light, (robot.columns, robot.rows), interpolation=cv2.INTER_AREA)
        picture += rng.normal(0.0, 3.0, picture.shape).astype(np.float32)
        return np.clip(picture, 0, 255).astype(np.uint8)

    def _on_floor(self, x: float, y: float, yaw: float) -> tuple[np.ndarray, np.ndarray]:
        """Column and row of the atlas for each ray, as if there were no walls."""
        cos, sin = math.cos(yaw), math.sin(yaw)
        ahead, left = self._pixels[..., 0], self._pixels[..., 1]
        across = (ahead * cos - left * sin + (x + ROOM)) / PIXEL - 0.5
        down = (ahead * sin + left * cos + (y + ROOM)) / PIXEL - 0.5
        return across.astype(np.float32), down.astype(np.float32)

    def _on_walls(
        self, across: np.ndarray, down: np.ndarray, x: float, y: float, yaw: float
    ) -> None:
        """Replaces what lies beyond the walls."""
        side = 2 * ROOM / PIXEL
        beyond = ~((across >= 0) & (across < side - 1) & (down >= 0) & (down < side - 1))
        eye_x = x + self._robot.forward * math.cos(yaw)
        eye_y = y + self._robot.forward * math.sin(yaw)
        bearing = self._bearing[beyond] + yaw
        cos, sin = np.cos(bearing), np.sin(bearing)
        with np.errstate(divide="ignore"):
            to_x = (np.copysign(ROOM, cos) - eye_x) / cos
            to_y = (np.copysign(ROOM, sin) - eye_y) / sin
        on_x = to_x < to_y
        far = np.where(on_x, to_x, to_y)
        hit_x, hit_y = eye_x + far * cos, eye_y + far * sin
        # The walls in turn: east, north, west, south.
        along = np.where(on_x, hit_y * np.sign(cos), -hit_x * np.sign(sin)) + ROOM
        wall = np.where(on_x, np.where(cos > 0, 0, 2), np.where(sin > 0, 1, 3))
        up = self._robot.height + far * self._slope[beyond]
        across[beyond] = np.clip(along / PIXEL, 0, side - 1) + wall * side
        row = self._walls_from + np.clip(WALL_ROWS - 1 - up / PIXEL, 0, WALL_ROWS - 1)
        ceiling = up > WALL_ROWS * PIXEL
        down[beyond] = np.where(ceiling, self._walls_from + WALL_ROWS + 4, row)
