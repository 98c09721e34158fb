"""What the neurons do over a drive, in numbers: principal components, how fast they jump, and which
curves they follow."""

from __future__ import annotations

import dataclasses

import numpy as np

STRAIGHT = 1 / 400
"""Below half the gentlest bend that is drawn, a road counts as straight [1/m]."""
BENDS = ("left", "straight", "right")
FOLLOWS = 0.3
"""A weaker correlation with a curve is not called following it."""


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """`shares` (U,) of the variance, largest first, summing to 1; `projected` (T, 2): the states on
    the first two; `axes` (2, U)."""

    shares: np.ndarray
    projected: np.ndarray
    axes: np.ndarray


def principal_components(states: np.ndarray) -> Components:
    """PCA of states (T, U) about their mean, not rescaled; states that never change have shares of
    0."""
    centred = states.astype(np.float64) - states.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    power = np.zeros(states.shape[1])
    power[: len(values)] = np.square(values)
    axes = np.pad(axes[:2], ((0, 2 - min(len(axes), 2)), (0, 0)))
    return Components(power / power.sum() if power.sum() > 0 else power, centred @ axes.T, axes)


def largest_steps(states: np.ndarray, is_first: np.ndarray) -> np.ndarray:
    """The published Lipschitz figure: max over t of |x(t+1) - x(t)| for each neuron (U,), of states
    (T, U). Steps into inputs that started a new drive, is_first (T,), do not count."""
    steps = np.abs(np.diff(states.astype(np.float64), axis=0))[~np.asarray(is_first, bool)[1:]]
    return steps.max(axis=0) if len(steps) else np.zeros(states.shape[1])


def correlation(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Pearson's r (U,) of values (T, U) with reference (T,); 0 where either never changes."""
    x, y = values.astype(np.float64) - values.mean(axis=0), reference - np.mean(reference)
    size = np.sqrt(np.square(x).sum(axis=0) * np.square(y).sum())
    return np.divide(x.T @ y, size, out=np.zeros(values.shape[1]), where=size > 1e-12)


def bend_of(curvature: np.ndarray) -> np.ndarray:
    """Index into `BENDS` for curvature (T,) [1/m], positive left."""
    return np.where(curvature > STRAIGHT, 0, np.where(curvature < -STRAIGHT, 2, 1))


def followed_curves(states: np.ndarray, curvature: np.ndarray) -> list[dict]:
    """For each neuron its correlation with the road's curvature (T,) [1/m], with left bends alone
    and with right bends alone (the other side counted as straight), and in a word what it
    follows."""
    both, left, right = (
        correlation(states, part)
        for part in (curvature, np.maximum(curvature, 0), np.maximum(-curvature, 0))
    )
    return [
        {
            "curvature": float(k),
            "left": float(a),
            "right": float(b),
            "follows": _word(float(k), float(a), float(b)),
        }
        for k, a, b in zip(both, left, right, strict=True)
    ]


def _word(both: float, left: float, right: float) -> str:
    """Opposite signs for the two sides are one steering signal; a side counts when it alone is at
    least twice the other."""
    if max(abs(both), abs(left), abs(right)) < FOLLOWS:
        return "neither"
    if abs(left) > 2 * abs(right):
        return "left bends"
    if abs(right) > 2 * abs(left):
        return "right bends"
    return "both, by sign" if left * right < 0 else "any bend"
