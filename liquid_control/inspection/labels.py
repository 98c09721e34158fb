"""What the recorded steering is worth as a target of training: whether it is switched rather than
steered, and whether it goes to one side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from liquid_control.inspection.findings import Finding, note
from liquid_control.inspection.series import SeriesTrack

FEW = 100  # samples
STRAIGHT, STOPS, AT_END = 0.5, 0.15, 0.95
"""Shares of a steering that is exactly 0, and at its ends: beyond this share of its range."""
ONE_SIDED = 0.85
"""Share of all steering that is to one side."""


def judge_labels(steering: SeriesTrack) -> Iterator[Finding]:
    """Notes, of a steering that is not constant."""
    values = steering.rows[:, 1]
    size = np.abs(values)
    if len(values) < FEW or not size.max() > size.min():
        return
    straight = np.count_nonzero(values == 0.0) / len(values)
    ends = np.count_nonzero(size >= AT_END * size.max()) / len(values)
    if straight > STRAIGHT and ends > STOPS:
        yield note(
            "bang_bang",
            "steering",
            f"the labels are bang-bang: {straight:.0%} of them are exactly 0 and {ends:.0%} at the "
            "ends of the steering",
            "judge a policy by R² and in closed loop: a mean absolute error is small for one that "
            "always drives straight on",
        )
    left = values[values > 0.0].sum() / size.sum()
    if max(left, 1.0 - left) > ONE_SIDED:
        side, other = ("left", "right") if left > 0.5 else ("right", "left")
        yield note(
            "one_sided",
            "steering",
            f"{max(left, 1.0 - left):.0%} of the steering is to the {side}: a course that is "
            "driven one way round",
            f"record it the other way round, too: bends to the {other} are hardly known",
        )
