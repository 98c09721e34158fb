"""Pairs of pictures of a recording that show the ground move."""

from __future__ import annotations

import cv2
import numpy as np

from liquid_control.data.estimates.frame_motion import FrameMotion
from liquid_control.data.estimates.ground_motion import Raster
from liquid_control.data.estimates.tracked_points import TrackedPoints, track

MOST_PAIRS, LEAST_PAIRS = 200, 12
TRIED = 24
WANTED, LONGEST_STEP = 4.0, 8
"""Displacement of the faster points of a pair [px on a picture 160 px wide], and the most frames
between its pictures."""
LEAST_MOVED = 0.4
"""The vehicle stands where the faster points of a pair move less than this [px]."""
FASTER = 80  # percentile
LEAST_POINTS = 12


def grey_pictures(pictures: np.ndarray, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(K, H, W) uint8 of the distinct indices, and the positions in it of `indices`."""
    distinct, position = np.unique(indices, return_inverse=True)
    grey = np.empty((len(distinct), *pictures.shape[1:3]), np.uint8)
    for row, index in enumerate(distinct):
        cv2.cvtColor(np.ascontiguousarray(pictures[index]), cv2.COLOR_RGB2GRAY, dst=grey[row])
    return grey, position.reshape(indices.shape)


def moving_pairs(
    pictures: np.ndarray, motion: FrameMotion, raster: Raster, most: int = MOST_PAIRS
) -> tuple[np.ndarray, TrackedPoints]:
    """(P, 2) indices of the first and the second picture, ascending, and the points that were
    followed; P may be 0. Half of the pairs are those that turn most, where that is measured."""
    step = _step(pictures, motion, raster)
    pairs = _spread_out(motion, step, most)
    grey, position = grey_pictures(pictures, pairs)
    points = track(grey, position, raster)
    kept = [
        number
        for number in range(len(pairs))
        if _speed(points.of(np.array([number])), raster) >= LEAST_MOVED
    ]
    kept = np.array(kept, int)
    return pairs[kept], points.of(kept)


def _step(pictures: np.ndarray, motion: FrameMotion, raster: Raster) -> int:
    pairs = _spread_out(motion, 1, TRIED)
    if not len(pairs):
        return 1
    grey, position = grey_pictures(pictures, pairs)
    points = track(grey, position, raster)
    speeds = [_speed(points.of(np.array([number])), raster) for number in range(len(pairs))]
    usual = float(np.median([speed for speed in speeds if speed >= LEAST_MOVED] or [WANTED]))
    return int(np.clip(round(WANTED * raster.width / 160.0 / usual), 1, LONGEST_STEP))


def _spread_out(motion: FrameMotion, step: int, most: int) -> np.ndarray:
    first = np.arange(len(motion.stretch) - step)
    moves = np.abs(motion.distance[step:] - motion.distance[:-step]) > 0.0
    first = first[(motion.stretch[step:] == motion.stretch[:-step]) & moves]
    if len(first) <= most:
        return np.stack([first, first + step], 1)
    chosen = first[np.linspace(0, len(first) - 1, most).astype(int)]
    if motion.turns:
        turn = np.abs(motion.heading[first + step] - motion.heading[first])
        sharpest = first[np.sort(np.argsort(-turn, kind="stable")[: len(first) // 4])]
        half = np.linspace(0, len(sharpest) - 1, most // 2).astype(int)
        chosen = np.union1d(chosen[::2], sharpest[half])
    return np.stack([chosen, chosen + step], 1)


def _speed(points: TrackedPoints, raster: Raster) -> float:
    """Displacement of the faster points of a pair [px]; 0 where too few are followed."""
    if len(points.pair) < LEAST_POINTS:
        return 0.0
    moved = np.linalg.norm((points.after - points.before) * raster.half, axis=1)
    return float(np.percentile(moved, FASTER))
