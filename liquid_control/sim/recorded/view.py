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

import dataclasses
import functools
import math

import cv2
import numpy as np

from liquid_control.sim.recorded.lens import LensWarp
from liquid_control.sim.recorded.road import RecordedRoad

BEHIND = (1.0, 2.5, 6.0)
SEAM = 13
"""Width over which one frame's picture fades into another's, twice [px]."""
LARGEST_STEP = 25.0
"""Mean difference along a seam beyond which a frame does not fill [grey levels]."""
KEPT = np.clip(np.arange(256) / 127.5 - 1.0, 0.0, 1.0).astype(np.float32)
"""Weight of the one frame by the share of its pixels around, of 255: 0 at its border, 1 from half a
seam on inside."""
FADED = np.float32(1.0) - KEPT
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


@dataclasses.dataclass(frozen=True, eq=False)
class _Region:
    """Rows of the picture that move together: flat ground, or what is far away. `raised` (3, 3):
    from their pixels to those of the whole picture."""

    rows: slice
    size: tuple[int, int]
    raised: np.ndarray
    is_ground: bool


class Synthesis:
    """The pictures beside one road's path; see `synthesise`. `behind`: distances of the frames that
    fill, in those that a move across half the lane needs. `gap`: no frame nearer than this is used
    [m]."""

    def __init__(
        self, road: RecordedRoad, behind: tuple[float, ...] = BEHIND, gap: float = 0.0
    ) -> None:
        self._road, camera = road, road.camera
        height, width = road.pictures.shape[1:3]
        first = min(max(math.ceil(camera.horizon), 0), height)
        self._regions = [
            _Region(slice(top, below), (width, below - top), _raised(top), is_ground)
            for top, below, is_ground in ((0, first, False), (first, height, True))
            if top < below
        ]
        self._lens = LensWarp(camera) if camera.distortion else None
        half_view = width / 2 / camera.focal[0]
        needed = road.scale.off_road / half_view
        self._behind = tuple(gap + needed * share for share in behind)
        self._gap = gap
        self._whole = np.full((height, width), 255, np.uint8)

    def at(
        self, station: float, offset: float, heading_error: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """See `synthesise`."""
        path, pictures = self._road.path, self._road.pictures
        source = self._frame_at(station - self._gap)
        beside = abs(offset) > NEAR or abs(heading_error) > NEAR
        if not beside and abs(station - path.station[source]) <= NEAR:
            return pictures[source].copy(), np.ones(self._whole.shape, bool)
        x, y, heading = path.pose(station)
        pose = (
            x - offset * math.sin(heading),
            y + offset * math.cos(heading),
            heading + heading_error,
        )
        sources = [source, *(self._frame_at(station - distance) for distance in self._behind)]
        picture = np.empty(pictures.shape[1:], np.uint8)
        seen = np.empty_like(self._whole)
        sources = list(dict.fromkeys(sources))
        if self._lens is not None:
            self._draw_bent(sources, pose, picture, seen)
        else:
            for region in self._regions:
                self._draw(region, sources, pose, picture, seen)
        blurred = cv2.blur(picture, (3, 3))
        picture = cv2.addWeighted(picture, 1.0 + SHARPENING, blurred, -SHARPENING, 0.0)
        return picture, seen != 0

    def _frame_at(self, station: float) -> int:
        """The last frame at or before a station, at least the first."""
        return max(int(np.searchsorted(self._road.path.station, station + NEAR, "right")) - 1, 0)

    def _draw(
        self,
        region: _Region,
        sources: list[int],
        pose: tuple[float, float, float],
        picture: np.ndarray,
        seen: np.ndarray,
    ) -> None:
        """Writes a region of `picture` at a pose, and where it was seen: 0 and 255."""
        known = seen[region.rows]
        for source in sources:
            homography = self._homography(region, source, pose)
            image = np.ascontiguousarray(self._road.pictures[source])
            found = cv2.warpPerspective(
                image, homography, region.size, flags=INVERSE, borderMode=cv2.BORDER_REPLICATE
            )
            inside = cv2.warpPerspective(
                self._whole, homography, region.size, flags=INVERSE_NEAREST
            )
            if source == sources[0]:
                picture[region.rows], known[:] = found, inside
            else:
                _fill(picture[region.rows], known, found, inside)
            if cv2.countNonZero(known) == known.size:
                return

    def _draw_bent(
        self,
        sources: list[int],
        pose: tuple[float, float, float],
        picture: np.ndarray,
        seen: np.ndarray,
    ) -> None:
        """Writes all of `picture`, and where it was seen, with the lens."""
        for source in sources:
            image = np.ascontiguousarray(self._road.pictures[source])
            found, inside = self._lens(image, *self._from_frame(source, pose))
            if source == sources[0]:
                picture[:], seen[:] = found, inside
            else:
                _fill(picture, seen, found, inside)
            if cv2.countNonZero(seen) == seen.size:
                return

    def _homography(
        self, region: _Region, source: int, pose: tuple[float, float, float]
    ) -> np.ndarray:
        """(3, 3) from the region's pixels at a pose to those of a frame."""
        x, y, yaw = self._from_frame(source, pose)
        if region.is_ground:
            return self._road.camera.ground_homography(x, y, yaw) @ region.raised
        return self._road.camera.far_homography(yaw) @ region.raised

    def _from_frame(
        self, source: int, pose: tuple[float, float, float]
    ) -> tuple[float, float, float]:
        """The pose in the axes of the vehicle at a frame."""
        path = self._road.path
        heading = float(path.heading[source])
        dx, dy = pose[0] - float(path.x[source]), pose[1] - float(path.y[source])
        cos, sin = math.cos(heading), math.sin(heading)
        return dx * cos + dy * sin, dy * cos - dx * sin, pose[2] - heading


def _fill(picture: np.ndarray, known: np.ndarray, found: np.ndarray, inside: np.ndarray) -> None:
    """Writes what was `found` and lies `inside` (0, 255) into what is not `known` of `picture`, and
    fades it in before; not where both show something else on the same place, as of a wall, which is
    no ground."""
    mean = cv2.blur(known, (SEAM, SEAM), borderType=cv2.BORDER_REPLICATE)
    both = cv2.bitwise_and(cv2.bitwise_and(inside, known), cv2.inRange(mean, 1, 254))
    if sum(cv2.mean(cv2.absdiff(picture, found), both)) > 3 * LARGEST_STEP:
        return
    cv2.copyTo(found, cv2.subtract(inside, known), picture)
    cv2.copyTo(picture, cv2.bitwise_not(inside), found)
    cv2.blendLinear(picture, found, cv2.LUT(mean, KEPT), cv2.LUT(mean, FADED), picture)
    cv2.max(known, inside, known)


def _raised(top: int) -> np.ndarray:
    return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, top], [0.0, 0.0, 1.0]])


@functools.lru_cache(maxsize=4)
def _synthesis(road: RecordedRoad) -> Synthesis:
    return Synthesis(road)
