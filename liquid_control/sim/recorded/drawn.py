"""Pictures of a recorded path as a lane that is drawn: other floors, lines, colours and light than
the recorded ones, seen by the recording's camera.

A recording shows one look. What a policy takes for the lane is then whatever tells left from right
there, and it leaves a lane that looks different. Domain randomisation (Tobin et al., "Domain
randomization for transferring deep neural networks from simulation to the real world", IROS 2017)
needs no more than the path and the camera, which a recording has.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np

from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.sim.recorded.lane_look import (
    BACKDROP_COLUMNS,
    BACKDROP_ROWS,
    TEXTURE_SIDE,
    Look,
    backdrops,
    draw_look,
    textures,
)
from liquid_control.sim.recorded.road import RecordedRoad

SUPERSAMPLED = 2
"""Pixels drawn for each pixel of the picture, along rows and along columns."""
NEAREST = 0.05
"""Depth before the camera from which on the lane is drawn, in its height."""
REACH = 30.0
"""Length of the lane that is drawn, in lane widths."""
SPACING = 0.12
"""Distance between drawn points at the vehicle, in lane widths; it grows with the distance."""


class DrawnView:
    """Pictures beside the path of `road`, with a look that `renew` draws anew."""

    def __init__(self, road: RecordedRoad, rng: np.random.Generator) -> None:
        self._road, self._rng = road, rng
        small = road.camera
        self._fine = _larger(small, SUPERSAMPLED)
        rows, columns = np.mgrid[: small.height, : small.width].astype(float)
        pixels = np.stack([columns, rows], -1)
        ground = small.ground(pixels)
        self._is_floor = np.isfinite(ground[..., 0])
        furthest = 100.0 * road.scale.lane_width  # a remap's coordinates are 16 bits
        self._ground = np.clip(np.nan_to_num(ground), -furthest, furthest).astype(np.float32)
        self._distance = np.where(
            self._is_floor, np.hypot(ground[..., 0], ground[..., 1]), np.inf
        ).astype(np.float32)
        # Length of floor that one row of pixels shows, for fading a texture that is finer.
        self._coarse = self._distance**2 / (small.above * small.focal[1])
        flat = (small.flat(pixels) - small.centre) / small.focal
        rays = np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], -1) @ small.axes
        self._bearing = np.arctan2(rays[..., 1], rays[..., 0]).astype(np.float32)
        slope = rays[..., 2] / np.hypot(rays[..., 0], rays[..., 1])
        self._elevation = np.arctan(slope).astype(np.float32)
        across = np.hypot(*(flat / flat[0, 0]).transpose(2, 0, 1)) / math.sqrt(2.0)
        self._radius2 = (across**2).astype(np.float32)[..., None]
        self.renew()

    def renew(self, look: Look | None = None) -> None:
        """Takes another look, drawn unless given."""
        self.look = look = look or draw_look(self._rng)
        width = self._road.scale.lane_width
        fine = look.texel * width
        depth = look.texture_depth * np.clip(1.5 * fine / self._coarse, 0.0, 1.0)
        self._depth = depth.astype(np.float32)
        self._beyond = self._distance > look.wall * width
        if look.recorded_backdrop:
            self._beyond &= ~self._is_floor | (self._distance > 40.0 * width)
        light = np.array(look.light, np.float32)
        self._light = (1.0 - look.vignette * self._radius2) * light
        self._clutter_from: float | None = None
        self._frame = int(self._rng.integers(len(self._road.path)))

    def at(
        self, station: float, offset: float, heading_error: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `view.synthesise`; all of it is drawn, so all counts as seen."""
        road, look = self._road, self.look
        x, y, heading = road.path.pose(station)
        x, y = x - offset * math.sin(heading), y + offset * math.cos(heading)
        yaw = heading + heading_error
        drawn = np.empty((self._fine.height, self._fine.width, 3), np.uint8)
        drawn[:] = look.floor
        stations, ahead = self._lane(station, x, y, yaw)
        width = road.scale.lane_width
        self._draw_clutter(drawn, station, x, y, yaw)
        if look.lane is not None:
            half = look.lane_width / 2 * width
            self._band(drawn, ahead, -half, half, look.lane)
        for line in look.lines:
            left, right = (line.place + line.width / 2), (line.place - line.width / 2)
            shown = None
            if line.gap:
                period = (line.stroke + line.gap) * width
                shown = (stations % period) < line.stroke * width
            self._band(drawn, ahead, right * width, left * width, line.colour, shown)
        size = road.camera.width, road.camera.height
        small = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
        lit = small * (1.0 + self._depth * self._texture(x, y, yaw))[..., None]
        self._draw_backdrop(lit, yaw)
        picture = np.clip(lit * self._light, 0.0, 255.0).astype(np.uint8)
        return picture, np.ones(picture.shape[:2], bool)

    def _lane(
        self, station: float, x: float, y: float, yaw: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Stations (P,) of points of the lane's middle, and (P, 4) their x forward, y left and
        the direction to the left there, in vehicle axes. Behind the path's end it is straight."""
        width, line = self._road.scale.lane_width, self._road.line
        count = int(math.log(REACH * 0.08 / SPACING + 1.0) / math.log(1.08))
        steps = SPACING * (1.08 ** np.arange(count) - 1.0) / 0.08 * width
        stations = station - 0.5 * width + steps
        inside = np.clip(stations, 0.0, line.length)
        index = inside / line.spacing
        known = np.arange(len(line.x))
        heading = np.interp(index, known, line.heading)
        over = stations - inside
        at_x = np.interp(index, known, line.x) + over * np.cos(heading) - x
        at_y = np.interp(index, known, line.y) + over * np.sin(heading) - y
        cos, sin = math.cos(yaw), math.sin(yaw)
        turned = heading - yaw
        points = at_x * cos + at_y * sin, at_y * cos - at_x * sin, -np.sin(turned), np.cos(turned)
        return stations, np.stack(points, -1)

    def _band(
        self,
        picture: np.ndarray,
        ahead: np.ndarray,
        right: float,
        left: float,
        colour: tuple[float, float, float],
        shown: np.ndarray | None = None,
    ) -> None:
        """Fills the floor between two offsets [m] along the lane; `shown` (P,): where."""
        place, normal = ahead[:, :2], ahead[:, 2:]
        edges = np.stack([place + left * normal, place + right * normal], 1)  # (P, 2, 2)
        seen, pixels = self._projected(edges)
        both = seen.all(1)
        usable = both[:-1] & both[1:]
        if shown is not None:
            usable &= shown[:-1]
        quads = np.concatenate([pixels[:-1], pixels[1:, ::-1]], 1)  # (P - 1, 4, 2)
        for quad in quads[usable]:
            cv2.fillConvexPoly(picture, quad, colour, cv2.LINE_8, 4)

    def _projected(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether points (..., 2) of the floor [m] lie before the camera, and their pixels
        (..., 2) in sixteenths."""
        camera = self._fine
        raised = np.concatenate([points, np.zeros((*points.shape[:-1], 1))], -1)
        depth = (raised - np.array([camera.forward, 0.0, camera.above])) @ camera.axes[2]
        seen = depth > NEAREST * camera.above
        pixels = np.clip(np.nan_to_num(camera.project(raised)), -2000.0, 2000.0)
        return seen, np.round(16 * pixels).astype(np.int32)

    def _draw_clutter(
        self, picture: np.ndarray, station: float, x: float, y: float, yaw: float
    ) -> None:
        """Things keep their places on the floor until the vehicle has passed them."""
        width, clutter = self._road.scale.lane_width, self.look.clutter
        if not clutter:
            return
        if self._clutter_from is None or station - self._clutter_from > 6.0 * width:
            self._clutter_from = station
            cos, sin = math.cos(yaw), math.sin(yaw)
            self._things = [
                (
                    x + width * (ahead * cos - left * sin),
                    y + width * (ahead * sin + left * cos),
                    angle + yaw,
                    *rest,
                )
                for ahead, left, angle, *rest in clutter
            ]
        circle = np.linspace(0.0, 2 * math.pi, 14, endpoint=False)
        cos, sin = math.cos(yaw), math.sin(yaw)
        for at_x, at_y, angle, long, short, colour in self._things:
            along, across = long * width * np.cos(circle), short * width * np.sin(circle)
            turned = angle - yaw
            dx, dy = at_x - x, at_y - y
            points = np.stack(
                [
                    dx * cos + dy * sin + along * math.cos(turned) - across * math.sin(turned),
                    dy * cos - dx * sin + along * math.sin(turned) + across * math.cos(turned),
                ],
                -1,
            )
            seen, pixels = self._projected(points)
            if seen.all():
                cv2.fillConvexPoly(picture, pixels, colour, cv2.LINE_8, 4)

    def _texture(self, x: float, y: float, yaw: float) -> np.ndarray:
        """Gain less 1 (H, W) of the floor at a pose."""
        look = self.look
        scale = 1.0 / (look.texel * self._road.scale.lane_width)
        cos, sin = math.cos(yaw + look.turned), math.sin(yaw + look.turned)
        origin_x = x * math.cos(look.turned) - y * math.sin(look.turned)
        origin_y = x * math.sin(look.turned) + y * math.cos(look.turned)
        moved = scale * np.array(
            [
                [cos, -sin, origin_x % (TEXTURE_SIDE / scale)],
                [sin, cos, origin_y % (TEXTURE_SIDE / scale)],
            ]
        )
        at = cv2.transform(self._ground, moved)
        texture = textures()[look.texture]
        return cv2.remap(texture, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)

    def _draw_backdrop(self, picture: np.ndarray, yaw: float) -> None:
        """What is beyond the floor's end and above the horizon."""
        beyond = self._beyond
        if self.look.recorded_backdrop:
            recorded = self._road.pictures[self._frame]
            picture[beyond] = recorded[beyond]
            return
        turn = BACKDROP_COLUMNS / (2 * math.pi)
        column = ((self._bearing[beyond] + yaw) * -turn).astype(int) % BACKDROP_COLUMNS
        row = BACKDROP_ROWS * (0.8 - 0.6 * self._elevation[beyond])
        row = np.clip(row, 0, BACKDROP_ROWS - 1)
        picture[beyond] = backdrops()[self.look.backdrop][row.astype(int), column]


def _larger(camera: GroundCamera, times: int) -> GroundCamera:
    """The same camera with `times` as many pixels each way."""
    return dataclasses.replace(
        camera,
        width=camera.width * times,
        height=camera.height * times,
        focal=tuple(value * times for value in camera.focal),
        centre=tuple((value + 0.5) * times - 0.5 for value in camera.centre),
    )
