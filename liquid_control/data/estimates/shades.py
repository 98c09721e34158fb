"""Pictures compared with the next ones, seen from the same place: photometric evidence.

The second picture of a pair is warped into the first one by the camera and motion estimated so far;
then both are blurred alike. The ground comes closer between the two, so that a blur before the warp
would make the motion look smaller than it is. J. Engel et al., "Direct Sparse Odometry", PAMI 2018;
S. Baker, I. Matthews, "Lucas-Kanade 20 Years On", IJCV 2004.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from liquid_control.data.estimates.ground_motion import Raster, above_horizon, moved

CELLS = 28
"""In a row of a picture; the pixel of each with the largest derivative is compared."""
MOST = 120
"""Pixels of a pair."""
WIDE = 0.1
"""Reach of the neighbourhood whose mean and contrast are removed, in widths."""
LEAST_CONTRAST = 6.0  # grey levels
LEAST_SLOPE = 0.02
LEAST_AREA = 0.05
"""A pixel that the warp shrinks to less tells nothing [px²]."""
COARSE = 4
"""The warp is computed at every such pixel."""
NORMAL = 1.4826
LEAST_NOISE = 0.01


@dataclasses.dataclass(frozen=True, eq=False)
class Shades:
    """N pixels of P pairs, in the order of the pairs: `pair` (N,), `before` (N, 2) in the first and
    `expected` (N, 2) in the second picture, in half widths from the centre; `difference` (N,) of
    shade there and its derivative `slope` (N, 2) by the place in the second picture."""

    pair: np.ndarray
    before: np.ndarray
    expected: np.ndarray
    difference: np.ndarray
    slope: np.ndarray

    def of(self, pairs: np.ndarray) -> Shades:
        """Those of ascending numbers (Q,) of pairs, renumbered."""
        kept = np.isin(self.pair, pairs)
        fields = {one.name: getattr(self, one.name)[kept] for one in dataclasses.fields(self)}
        return Shades(**(fields | {"pair": np.searchsorted(pairs, self.pair[kept])}))

    @property
    def noise(self) -> float:
        """Standard deviation of shades, by the median."""
        if not len(self.difference):
            return LEAST_NOISE
        return max(NORMAL * float(np.median(np.abs(self.difference))), LEAST_NOISE)

    def at(self, place: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `adjustment.Evidence`."""
        deviation = np.hypot(self.noise, (self.slope * along).sum(1))
        moved_by = (self.slope * (place - self.expected)).sum(1)
        residual = (self.difference + moved_by) / deviation
        return residual[:, None], (self.slope / deviation[:, None])[:, None]


def shades(
    grey: np.ndarray,
    pairs: np.ndarray,
    camera: np.ndarray,
    motion: np.ndarray,
    distance: np.ndarray,
    blur: float,
    raster: Raster,
) -> Shades:
    """Of pictures `grey` (N, H, W) float32 and pairs (P, 2) of indices, with a camera and motion as
    in `ground_motion.moved`; `blur` [px]."""
    height, width = grey.shape[1:3]
    rows, columns = -(-height // COARSE) + 1, -(-width // COARSE) + 1
    mesh = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2) * COARSE
    mesh = raster.normal(mesh)
    ground = ~above_horizon(camera, mesh)
    found = []
    for number, (first, second) in enumerate(pairs):
        count = len(mesh)
        of_pair = np.broadcast_to(motion[number], (count, motion.shape[1]))
        goal = moved(camera, of_pair, np.full(count, distance[number]), mesh, ground)
        goal = raster.pixels(goal).reshape(rows, columns, 2).astype(np.float32)
        full = _full(goal, height, width)
        columns_of, rows_of = full[..., 0], full[..., 1]
        warped = cv2.remap(
            grey[second], columns_of, rows_of, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        same = _normal(cv2.GaussianBlur(grey[first], None, blur))
        seen = _normal(cv2.GaussianBlur(warped, None, blur))
        across = cv2.Scharr(seen, cv2.CV_32F, 1, 0) / 32.0
        down = cv2.Scharr(seen, cv2.CV_32F, 0, 1) / 32.0
        row, column = _strongest(across**2 + down**2, full, blur)
        # The derivative by the place in the second picture, from that in the first.
        by_column = (full[row, column + 1] - full[row, column - 1]) / 2.0
        by_row = (full[row + 1, column] - full[row - 1, column]) / 2.0
        warp = np.stack([by_column, by_row], -1).astype(float)
        slope = np.stack([across[row, column], down[row, column]], -1).astype(float)
        proper = np.abs(np.linalg.det(warp)) > LEAST_AREA
        row, column, slope = row[proper], column[proper], slope[proper]
        slope = np.linalg.solve(warp[proper].swapaxes(1, 2), slope[..., None])[..., 0]
        found.append(
            (
                np.full(len(row), number),
                raster.normal(np.stack([column, row], -1)),
                raster.normal(full[row, column]),
                (seen[row, column] - same[row, column]).astype(float),
                slope * raster.half,
            )
        )
    return Shades(*(np.concatenate(one) for one in zip(*found, strict=True)))


def _full(coarse: np.ndarray, height: int, width: int) -> np.ndarray:
    """(H, W, 2), between the values at every `COARSE` pixels."""
    at = np.meshgrid(
        np.arange(width, dtype=np.float32) / COARSE, np.arange(height, dtype=np.float32) / COARSE
    )
    return cv2.remap(coarse, at[0], at[1], cv2.INTER_LINEAR)


def _normal(grey: np.ndarray) -> np.ndarray:
    """Without the neighbourhood's mean, in units of its contrast."""
    wide = (2 * round(WIDE * grey.shape[1]) + 1,) * 2
    centred = grey - cv2.blur(grey, wide)
    return centred / np.sqrt(cv2.blur(centred**2, wide) + LEAST_CONTRAST**2)


def _strongest(strength: np.ndarray, goal: np.ndarray, blur: float) -> tuple[np.ndarray, ...]:
    """Rows and columns (K,): of each cell the pixel with the largest derivative, of these the
    strongest; those whose neighbourhood is in both pictures."""
    height, width = strength.shape
    border = int(2.0 * blur) + 2
    inside = ((goal > border) & (goal < np.array([width - border, height - border]))).all(-1)
    strength = np.where(inside, strength, 0.0)
    size = max(width // CELLS, 2)
    rows, columns = (height - 2 * border) // size, (width - 2 * border) // size
    inner = strength[border : border + rows * size, border : border + columns * size]
    cells = inner.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(rows * columns, -1)
    best, value = cells.argmax(1), cells.max(1)
    kept = np.argsort(-value, kind="stable")[:MOST]
    kept = np.sort(kept[value[kept] > LEAST_SLOPE**2])
    row = kept // columns * size + best[kept] // size + border
    column = kept % columns * size + best[kept] % size + border
    return row, column
