"""Robust least squares of one camera and of the motion of many pairs of pictures.

Gauss-Newton with Levenberg's damping; the pairs' values are eliminated from the normal equations
(Schur complement), weights are Cauchy's, redrawn in every step. B. Triggs et al., "Bundle
Adjustment - A Modern Synthesis", 2000.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np

from liquid_control.data.estimates.ground_motion import (
    CAMERA,
    MOTION,
    above_horizon,
    moved,
    parallax,
)

STEP = 1e-5
"""Of the numerical derivatives."""
SCALES = (8.0, 4.0, 2.0)
"""Of Cauchy's weights, from step to step [standard deviations]."""
CONVERGED = 1e-4


class Evidence(Protocol):
    """What pictures say of N points. `pair` (N,), ascending; `before` (N, 2) in half widths from
    the centre."""

    pair: np.ndarray
    before: np.ndarray

    def of(self, pairs: np.ndarray) -> Evidence:
        """Of ascending numbers (Q,) of pairs, renumbered."""

    def at(self, place: np.ndarray, along: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Residuals (N, R) [standard deviations] and their derivatives (N, R, 2) by `place`
        (N, 2), where the points are in the second pictures; `along` (N, 2): standard deviation of
        these places."""


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """P pairs: `evidence` (TrackedPoints or Shades) of N points, `distance` (P,) assumed [m]; means
    and standard deviations of what is known before: `camera`, `camera_spread` (7,), of which 0 is
    given; `motion`, `motion_spread` (P, 4)."""

    evidence: Evidence
    distance: np.ndarray
    camera: np.ndarray
    camera_spread: np.ndarray
    motion: np.ndarray
    motion_spread: np.ndarray

    def of(self, pairs: np.ndarray) -> Problem:
        """The problem of some pairs, ascending numbers (Q,)."""
        return dataclasses.replace(
            self,
            evidence=self.evidence.of(pairs),
            distance=self.distance[pairs],
            motion=self.motion[pairs],
            motion_spread=self.motion_spread[pairs],
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Solution:
    """`camera` (7,), `motion` (P, 4), `cost` per point; the pairs' parts of the reduced normal
    equations: `normal` (P, 7, 7), `gradient` (P, 7); `motion_spread` (P, 4) with the camera
    given; `residual` (N, R) [standard deviations] of the evidence at `place` (N, 2)."""

    camera: np.ndarray
    motion: np.ndarray
    cost: float
    normal: np.ndarray
    gradient: np.ndarray
    motion_spread: np.ndarray
    residual: np.ndarray
    place: np.ndarray


def adjust(
    problem: Problem, camera: np.ndarray, motion: np.ndarray, steps: int, scales=SCALES
) -> Solution:
    """The solution that `steps` steps at each of the scales reach from a start."""
    free = problem.camera_spread > 0.0
    for scale in scales:
        damping = 1e-3
        system = _System(problem, camera, motion, scale)
        for _ in range(steps):
            step, steps_of_pairs = system.step(free, damping)
            tried = camera + step, motion + steps_of_pairs
            other = _System(problem, *tried, scale)
            if other.cost <= system.cost:
                small = np.abs(step).max() < CONVERGED
                (camera, motion), system, damping = tried, other, max(damping / 5.0, 1e-7)
                if small:
                    break
            else:
                damping = min(damping * 10.0, 1e3)
                if damping >= 1e3:
                    break
    return system.solution(free)


class _System:
    """The normal equations at one place."""

    def __init__(
        self, problem: Problem, camera: np.ndarray, motion: np.ndarray, scale: float
    ) -> None:
        self.problem, self.camera, self.motion, self.scale = problem, camera, motion, scale
        evidence = problem.evidence
        self.of_pair, self.distance = motion[evidence.pair], problem.distance[evidence.pair]
        self.above = above_horizon(camera, evidence.before)
        self.place = self._moved(camera, self.of_pair)
        along = parallax(camera, self.of_pair, self.distance, evidence.before)
        self.residual, self.by_place = evidence.at(self.place, along * self.above[:, None])
        square = (self.residual**2).sum(1) / scale**2
        self.weight = 1.0 / (1.0 + square)
        known = problem.camera_spread > 0.0
        self.to_camera = np.where(known, camera - problem.camera, 0.0)
        self.camera_weight = np.where(known, problem.camera_spread, 1.0) ** -2.0 * known
        self.to_motion = motion - problem.motion
        self.motion_weight = problem.motion_spread**-2.0
        self.cost = float(
            scale**2 * np.log1p(square).sum()
            + (self.to_camera**2 * self.camera_weight).sum()
            + (self.to_motion**2 * self.motion_weight).sum()
        )

    def _moved(self, camera: np.ndarray, motion: np.ndarray) -> np.ndarray:
        return moved(camera, motion, self.distance, self.problem.evidence.before, ~self.above)

    def _normal(self) -> tuple[np.ndarray, ...]:
        """By pair: (P, 7, 7) of the camera, (P, 7, 4), (P, 4, 4) of the motion, (P, 7), (P, 4)."""
        pair, count, base = self.problem.evidence.pair, len(self.motion), self.place
        columns = []
        for index in range(len(CAMERA)):
            change = np.zeros(len(CAMERA))
            change[index] = STEP
            if self.problem.camera_spread[index] > 0.0:
                columns.append(self._moved(self.camera + change, self.of_pair) - base)
            else:
                columns.append(np.zeros_like(base))
        for index in range(len(MOTION)):
            change = np.zeros(len(MOTION))
            change[index] = STEP
            columns.append(self._moved(self.camera, self.of_pair + change) - base)
        jacobian = self.by_place @ np.stack(columns, -1) / STEP
        weighted = jacobian * self.weight[:, None, None]
        products = np.einsum("nri,nrj->nij", weighted, jacobian)
        against = np.einsum("nri,nr->ni", weighted, self.residual)
        starts = np.searchsorted(pair, np.arange(count))
        total = _sums(products, starts, count)
        gradient = _sums(against, starts, count)
        split = len(CAMERA)
        own = total[:, split:, split:].copy()
        own[:, range(len(MOTION)), range(len(MOTION))] += self.motion_weight
        return (
            total[:, :split, :split],
            total[:, :split, split:],
            own,
            gradient[:, :split],
            gradient[:, split:] + self.motion_weight * self.to_motion,
        )

    def step(self, free: np.ndarray, damping: float) -> tuple[np.ndarray, np.ndarray]:
        of_camera, across, own, gradient, own_gradient = self._normal()
        diagonal = np.einsum("pii->pi", own)
        own[:, range(len(MOTION)), range(len(MOTION))] = diagonal * (1.0 + damping)
        solved = np.linalg.solve(
            own, np.concatenate([across.swapaxes(1, 2), own_gradient[..., None]], -1)
        )
        reduced = (of_camera - across @ solved[..., :-1]).sum(0)
        right = (gradient - (across @ solved[..., -1:])[..., 0]).sum(0)
        reduced += np.diag(self.camera_weight)
        right = right + self.camera_weight * self.to_camera
        reduced[np.diag_indices(len(reduced))] *= 1.0 + damping
        step = np.zeros(len(CAMERA))
        step[free] = -np.linalg.solve(reduced[np.ix_(free, free)], right[free])
        motion = -solved[..., -1] - (solved[..., :-1] @ step[:, None])[..., 0]
        return step, motion

    def solution(self, free: np.ndarray) -> Solution:
        of_camera, across, own, gradient, own_gradient = self._normal()
        inverse = np.linalg.inv(own)
        normal = of_camera - across @ inverse @ across.swapaxes(1, 2)
        reduced = gradient - (across @ inverse @ own_gradient[..., None])[..., 0]
        square = (self.residual**2).sum(1)
        return Solution(
            self.camera,
            self.motion,
            float(np.minimum(square, 3.0 * self.scale**2).mean()) if len(square) else 0.0,
            normal,
            reduced,
            np.sqrt(np.einsum("pii->pi", inverse)),
            self.residual,
            self.place,
        )


def _sums(values: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """(P, ...) sums of consecutive values; zeros where a pair has none."""
    total = np.zeros((count, *values.shape[1:]))
    filled = np.diff(starts, append=len(values)) > 0
    if filled.any():
        total[filled] = np.add.reduceat(values, starts[filled])
    return total
