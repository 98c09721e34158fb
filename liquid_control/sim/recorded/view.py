"""The picture that the camera would take beside the recorded path, synthesised from recorded ones.

What lies below the horizon is taken for flat ground and moved by a homography, what lies above it
for infinitely far away and only turned (R. Hartley, A. Zisserman, "Multiple View Geometry in
Computer Vision", 2003, section 13.1). Amini et al., "Learning robust control policies for
end-to-end autonomous driving from data-driven simulation", RA-L 2020, drive in such pictures.

The nearest frame at or behind the pose gives every pixel that it saw. Frames further behind saw
more of the ground at the sides: they fill what is missing. The rest repeats the border, and the
mask says so.
"""

from __future__ import annotations

import functools
import math

import cv2
import numpy as np

from liquid_control.sim.recorded.road import RecordedRoad

BEHIND = (1.0, 2.5, 6.0)
SHARPENING = 0.25
"""Share of the detail of a pixel and its neighbours that is added, as interpolation takes it."""
NEAR = 1e-9
"""A pose this close to a recorded one is the recorded one [m], [rad]."""
INVERSE = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
INVERSE_NEAREST = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP


def synthesise(
    road: RecordedRoad, station: float, offset: float, heading_error: float
) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) uint8 RGB at a pose beside the path, and where it was seen (H, W) bool;
    the arrays are the caller's. At a recorded pose it is the recorded picture, bit for bit.
    `station`, `offset` to the left [m], `heading_error` to the left [rad]."""
    return _synthesis(road).at(station, offset, heading_error)


class Synthesis:
    """The pictures beside one road's path; see `synthesise`. `behind`: distances of the frames that
    fill, in those that a move across half the lane needs."""

    def __init__(self, road: RecordedRoad, behind: tuple[float, ...] = BEHIND) -> None:
        self._road, camera = road, road.camera
        height, width = road.pictures.shape[1:3]
        self._first_ground = min(max(math.ceil(camera.horizon), 0), height)
        self._lower = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, self._first_ground], [0.0, 0.0, 1.0]])
        half_view = width / 2 / camera.focal[0]
        needed = road.scale.off_road / half_view
        self._behind = tuple(needed * share for share in behind)
        self._whole = np.full((height, width), 255, np.uint8)

    def at(
        self, station: float, offset: float, heading_error: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `synthesise`."""
        path, pictures = self._road.path, self._road.pictures
        source = self._frame_at(station)
        beside = abs(offset) > NEAR or abs(heading_error) > NEAR
        if not beside and abs(station - path.station[source]) <= NEAR:
            return pictures[source].copy(), np.ones(self._whole.shape, bool)
        x, y, heading = path.pose(station)
        pose = (
            x - offset * math.sin(heading),
            y + offset * math.cos(heading),
            heading + heading_error,
        )
        picture, seen = self._warped(source, pose)
        used = {source}
        for distance in self._behind:
            if seen.all():
                break
            filling = self._frame_at(station - distance)
            if filling in used:
                continue
            used.add(filling)
            more, known = self._warped(filling, pose)
            known &= ~seen
            cv2.copyTo(more, known, picture)
            seen |= known
        blurred = cv2.blur(picture, (3, 3))
        picture = cv2.addWeighted(picture, 1.0 + SHARPENING, blurred, -SHARPENING, 0.0)
        return picture, seen != 0

    def _frame_at(self, station: float) -> int:
        """The last frame at or before a station, at least the first."""
        return max(int(np.searchsorted(self._road.path.station, station + NEAR, "right")) - 1, 0)

    def _warped(self, source: int, pose: tuple[float, float, float]) -> tuple[np.ndarray, ...]:
        """The picture at a pose as frame `source` has it, and where it has it (H, W) uint8 of 0 and
        255."""
        road, path = self._road, self._road.path
        dx, dy = pose[0] - path.x[source], pose[1] - path.y[source]
        cos, sin = math.cos(path.heading[source]), math.sin(path.heading[source])
        yaw = pose[2] - path.heading[source]
        ground = road.camera.ground_homography(dx * cos + dy * sin, dy * cos - dx * sin, yaw)
        far = road.camera.far_homography(yaw)
        image, first = np.ascontiguousarray(road.pictures[source]), self._first_ground
        height, width = self._whole.shape
        picture, seen = np.empty_like(image), np.empty_like(self._whole)
        for part, rows, homography in (
            (slice(0, first), first, far),
            (slice(first, height), height - first, ground @ self._lower),
        ):
            if rows:
                size = (width, rows)
                picture[part] = cv2.warpPerspective(
                    image, homography, size, flags=INVERSE, borderMode=cv2.BORDER_REPLICATE
                )
                seen[part] = cv2.warpPerspective(
                    self._whole, homography, size, flags=INVERSE_NEAREST
                )
        return picture, seen


@functools.lru_cache(maxsize=4)
def _synthesis(road: RecordedRoad) -> Synthesis:
    return Synthesis(road)
