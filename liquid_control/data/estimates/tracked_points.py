"""Points of the pictures, followed from one picture to another: pyramidal Lucas-Kanade, each point
with the covariance of its position, since a point on an edge is known across the edge alone.

B. Lucas, T. Kanade, "An Iterative Image Registration Technique", IJCAI 1981; J. Shi, C. Tomasi,
"Good Features to Track", CVPR 1994.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from liquid_control.data.estimates.ground_motion import Raster

WINDOW = 13  # px, on a picture 160 px wide
USUAL_WIDTH = 160
UPPER, LOWER = 40, 160
"""Most points in the upper and in the lower half of a picture."""
QUALITY = 0.003
RETURNS = 0.5
"""A point that is followed forth and back comes back within this distance [px]."""
NOISE = 4.0
"""Of a pixel, matching errors included [grey levels]."""
FLOOR = 0.15
"""Least standard deviation of a position [px]."""
BORDER = 3  # px
EDGE = 0.25
"""Gradients along an edge that are weaker than this share of those across it are not trusted."""


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedPoints:
    """N points of P pairs of pictures, in the order of the pairs: `pair` (N,), `before` and `after`
    (N, 2) in half widths from the centre, `covariance` (N, 2, 2) of `after`."""

    pair: np.ndarray
    before: np.ndarray
    after: np.ndarray
    covariance: np.ndarray

    def of(self, pairs: np.ndarray) -> TrackedPoints:
        """Those of ascending numbers (Q,) of pairs, renumbered."""
        kept = np.isin(self.pair, pairs)
        return TrackedPoints(
            np.searchsorted(pairs, self.pair[kept]),
            self.before[kept],
            self.after[kept],
            self.covariance[kept],
        )

    def at(self, place: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (N, 2) and their derivatives (N, 2, 2) by `place` (N, 2), at which the points
        are in the second pictures; `along` (N, 2): deviations of these places."""
        covariance = self.covariance + along[:, :, None] * along[:, None, :]
        # The rows of a lower triangle W with W W' the inverse of the covariance.
        share = covariance[:, 0, 1] / covariance[:, 0, 0]
        rest = np.maximum(covariance[:, 1, 1] - share * covariance[:, 0, 1], 1e-12)
        whiten = np.zeros_like(covariance)
        whiten[:, 0, 0] = covariance[:, 0, 0] ** -0.5
        whiten[:, 1, 0], whiten[:, 1, 1] = -share * rest**-0.5, rest**-0.5
        return np.einsum("nij,nj->ni", whiten, place - self.after), whiten


def track(
    grey: np.ndarray, pairs: np.ndarray, raster: Raster, most: tuple[int, int] = (UPPER, LOWER)
) -> TrackedPoints:
    """Follows points of the first picture of each pair into the second. `grey` (N, H, W) uint8,
    `pairs` (P, 2) indices. `most`: points in the upper and lower half of a picture."""
    height, width = grey.shape[1:3]
    window = max(7, round(WINDOW * width / USUAL_WIDTH)) | 1
    apart = max(3.0, 0.03 * width)
    found = []
    for number, (first, second) in enumerate(pairs):
        before, after = grey[first], grey[second]
        points = _points(before, apart, most)
        if len(points) == 0:
            continue
        moved, ok, _ = cv2.calcOpticalFlowPyrLK(
            before, after, points, None, winSize=(window, window), maxLevel=3
        )
        back, ok_back, _ = cv2.calcOpticalFlowPyrLK(
            after, before, moved, None, winSize=(window, window), maxLevel=3
        )
        points, moved, back = (one.reshape(-1, 2) for one in (points, moved, back))
        limit = np.array([width - 1 - BORDER, height - 1 - BORDER])
        kept = (
            (ok.ravel() == 1)
            & (ok_back.ravel() == 1)
            & (np.linalg.norm(back - points, axis=1) < RETURNS)
            & (moved >= BORDER).all(1)
            & (moved <= limit).all(1)
        )
        covariance = _covariance(before, points[kept], window)
        found.append((np.full(kept.sum(), number), points[kept], moved[kept], covariance))
    if not found:
        return TrackedPoints(
            np.zeros(0, int), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2))
        )
    pair, first, second, covariance = (np.concatenate(one) for one in zip(*found, strict=True))
    scale = np.outer(raster.half, raster.half)
    return TrackedPoints(pair, raster.normal(first), raster.normal(second), covariance / scale)


def _points(grey: np.ndarray, apart: float, number: tuple[int, int]) -> np.ndarray:
    """(K, 1, 2) float32: corners and edges, some in each half of the picture."""
    half = len(grey) // 2
    found = []
    for most, rows in zip(number, (slice(None, half), slice(half, None)), strict=True):
        mask = np.zeros_like(grey)
        mask[rows, BORDER:-BORDER] = 255
        mask[-BORDER:] = 0
        points = cv2.goodFeaturesToTrack(grey, most, QUALITY, apart, mask=mask)
        if points is not None:
            found.append(points)
    return np.concatenate(found) if found else np.zeros((0, 1, 2), np.float32)


def _covariance(grey: np.ndarray, points: np.ndarray, window: int) -> np.ndarray:
    """(K, 2, 2) [px²]: the noise over the gradients in the window (Shi and Tomasi)."""
    picture = grey.astype(np.float32)
    across = cv2.Scharr(picture, cv2.CV_32F, 1, 0) / 32.0
    down = cv2.Scharr(picture, cv2.CV_32F, 0, 1) / 32.0
    at = tuple(np.clip(np.rint(points).astype(int), 0, np.array(grey.shape[::-1]) - 1).T[::-1])
    xx, xy, yy = (
        cv2.boxFilter(product, -1, (window, window), normalize=False)[at].astype(float)
        for product in (across * across, across * down, down * down)
    )
    least = (NOISE / window) ** 2 * 4.0
    gradients = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)
    strength, direction = np.linalg.eigh(gradients)
    # The stairs of an edge in pixels look like texture along it.
    along = strength[:, 0] / np.maximum(EDGE * strength[:, 1], 1e-9)
    strength[:, 0] *= np.minimum(along, 1.0) ** 2
    variance = NOISE**2 / (strength + least) + FLOOR**2
    return np.einsum("kij,kj,klj->kil", direction, variance, direction)
