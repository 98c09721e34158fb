"""What is said of the steering as a target of training."""

from __future__ import annotations

import numpy as np
import pytest

from liquid_control.inspection.labels import judge_labels
from liquid_control.inspection.series import SeriesTrack


def findings(values) -> dict[str, str]:
    track = SeriesTrack(1)
    for second, value in enumerate(np.asarray(values, float)):
        track.push((float(second), float(value)))
    return {one.code: one.text for one in judge_labels(track)}


RNG = np.random.default_rng(0)
SMOOTH = 0.4 * np.sin(np.arange(2000) / 9.0)


def switched(straight: float, ends: float) -> np.ndarray:
    """Steering that is 0 and at its ends for these shares of 1000 samples, small in between."""
    values = RNG.uniform(-0.3, 0.3, 1000)
    values[: round(1000 * straight)] = 0.0
    values[1000 - round(1000 * ends) :] = 0.5 * (-1.0) ** np.arange(round(1000 * ends))
    return RNG.permutation(values)


@pytest.mark.parametrize(
    ("straight", "ends", "told"),
    [(0.56, 0.29, True), (0.56, 0.05, False), (0.3, 0.5, False), (0.7, 0.2, True)],
)
def test_a_steering_that_is_switched_is_named_with_its_shares(straight, ends, told):
    found = findings(switched(straight, ends))
    assert ("bang_bang" in found) == told
    if told:
        assert (
            f"{straight:.0%} of them are exactly 0 and {ends:.0%} at the ends" in found["bang_bang"]
        )


def test_a_smooth_steering_to_both_sides_needs_no_word():
    assert findings(SMOOTH) == {}
    assert findings(SMOOTH[:50]) == {} and findings(np.zeros(500)) == {}


@pytest.mark.parametrize(("sign", "side"), [(1.0, "left"), (-1.0, "right")])
def test_a_course_driven_one_way_round_is_named(sign, side):
    found = findings(sign * (0.3 + SMOOTH))
    assert (
        list(found) == ["one_sided"] and f"of the steering is to the {side}" in found["one_sided"]
    )
