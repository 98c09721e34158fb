"""How a vehicle turned and how fast it was, from its pictures: what a recording without gyro or
speed sensor does not hold.

The camera is known by now; the motion of each pair of neighbouring frames is estimated by itself as
in `camera_estimate`, then once more near what its neighbours did.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from tqdm import tqdm

from liquid_control.data.estimates.adjustment import Problem, adjust
from liquid_control.data.estimates.camera_estimate import (
    COMPARED,
    LEAST_BLUR,
    NOD,
    SLIP,
    CameraEstimate,
    camera_vector,
)
from liquid_control.data.estimates.frame_motion import LONGEST_GAP, FrameMotion
from liquid_control.data.estimates.ground_motion import MOTION, Raster
from liquid_control.data.estimates.pairs import grey_pictures
from liquid_control.data.estimates.shades import shades
from liquid_control.data.estimates.tracked_points import track
from liquid_control.perception.ground_camera import GroundCamera
from liquid_control.recordings.motion import Track, smooth

TOGETHER = 400
"""Pairs that are estimated at once; the memory does not grow with the recording."""
POINTS = 20, 60
"""Most points in the upper and lower half of a picture."""
STEPS, SCALES = 5, (6.0, 2.0)
BLURS = (1.0, 0.7)  # px on a picture 160 px wide
NEIGHBOURS = 3
"""Pairs to each side whose median a pair is expected to be near."""
NEAR_DISTANCE, NEAR_TURN = 0.2, 0.04
"""Standard deviations against that median: as a share, and [rad]."""
SMOOTHING = 0.25
"""Width of the moving average over speeds [s]."""
SLOWEST = 0.05
"""Least share of the assumed speed: below, the vehicle stands."""


@dataclasses.dataclass(frozen=True, eq=False)
class VisualMotion:
    """Of P pairs of neighbouring frames, `pairs` (P, 2) indices ascending: `distance` [m] and
    `turn` [rad] from the one to the other, and the deviation of the turn."""

    pairs: np.ndarray
    distance: np.ndarray
    turn: np.ndarray
    turn_spread: np.ndarray


def visual_motion(
    pictures: np.ndarray,
    motion: FrameMotion,
    start: GroundCamera,
    found: CameraEstimate,
    first: int = 0,
    last: int | None = None,
    progress: str = "",
) -> VisualMotion:
    """Of the frames `first` to `last`, exclusive, of pictures (N, H, W, 3) uint8 RGB. `start` and
    `found`: as given to and found by `estimate_camera`. `progress`: title of a bar."""
    stretch = motion.stretch[first:last]
    begin = first + np.flatnonzero(stretch[1:] == stretch[:-1])
    bar = tqdm(
        np.array_split(begin, max(1, -(-len(begin) // TOGETHER))),
        desc=f"motion {progress}",
        disable=None if progress else True,
        leave=False,
    )
    parts = [
        _part(pictures, motion, start, found, np.stack([some, some + 1], 1))
        for some in bar
        if len(some)
    ]
    nothing = VisualMotion(np.zeros((0, 2), int), np.zeros(0), np.zeros(0), np.zeros(0))
    fields = [field.name for field in dataclasses.fields(VisualMotion)]
    return VisualMotion(
        *(np.concatenate([getattr(part, name) for part in parts or [nothing]]) for name in fields)
    )


def steady(stamp_ns: np.ndarray, speed: np.ndarray) -> np.ndarray:
    """Speeds (P,) at stamps (P,) ascending without single wrong ones: a running median, smoothed.
    A vehicle has a mass."""
    gaps = np.cumsum(np.diff(stamp_ns, prepend=stamp_ns[:1]) > LONGEST_GAP * 1e9)
    median = _running_median(speed, np.arange(len(speed)) + 2 * NEIGHBOURS * gaps)
    return smooth(Track(stamp_ns, median), SMOOTHING).value


def _part(
    pictures: np.ndarray,
    motion: FrameMotion,
    start: GroundCamera,
    found: CameraEstimate,
    pairs: np.ndarray,
) -> VisualMotion:
    raster, camera = Raster.of(start), camera_vector(found)
    grey, position = grey_pictures(pictures, pairs)
    expected = np.zeros((len(pairs), len(MOTION)))
    expected[:, 1] = motion.heading[pairs[:, 1]] - motion.heading[pairs[:, 0]]
    spread = np.tile((motion.distance_spread, motion.turn_spread, SLIP, NOD), (len(pairs), 1))
    problem = Problem(
        track(grey, position, raster, POINTS),
        motion.distance[pairs[:, 1]] - motion.distance[pairs[:, 0]],
        camera,
        np.zeros(len(camera)),
        expected,
        spread,
    )
    solution = adjust(problem, camera, expected, STEPS, SCALES)
    near, usual = spread.copy(), expected.copy()
    for column, limit in ((0, NEAR_DISTANCE), (1, NEAR_TURN)):
        if spread[0, column] > limit:
            near[:, column] = limit
            usual[:, column] = _running_median(solution.motion[:, column], pairs[:, 0])
    grey = grey.astype(np.float32)
    for blur in BLURS:
        blur = max(blur * start.width / 160.0, LEAST_BLUR)
        seen = shades(grey, position, camera, solution.motion, problem.distance, blur, raster)
        problem = dataclasses.replace(problem, evidence=seen, motion=usual, motion_spread=near)
        solution = adjust(problem, camera, solution.motion, STEPS, (COMPARED,))
    distance = problem.distance * np.maximum(np.exp(solution.motion[:, 0]), SLOWEST)
    return VisualMotion(pairs, distance, solution.motion[:, 1], solution.motion_spread[:, 1])


def _running_median(values: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(P,) of the values of pairs whose first frames (P,) are near each pair's."""
    shifts = range(-NEIGHBOURS, NEIGHBOURS + 1)
    at = np.clip(np.arange(len(values)) + np.array(shifts)[:, None], 0, len(values) - 1)
    near = np.abs(frame[at] - frame) <= NEIGHBOURS
    return np.nanmedian(np.where(near, values[at], np.nan), axis=0)
