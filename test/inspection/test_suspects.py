"""The smallest set of wrong signals that explains all relations."""

from __future__ import annotations

import math

import pytest

from liquid_control.inspection.relations import EXPONENTS, TOLERANCE, Measured
from liquid_control.inspection.suspects import SUSPECTS, explanations

ALL = tuple(EXPONENTS)


def measured(errors: dict[str, float], names=ALL) -> list[Measured]:
    """What relations say if signals are `errors` times the right ones."""
    found = []
    for name in names:
        product = math.prod(
            errors.get(signal, 1.0) ** power for signal, power in EXPONENTS[name].items()
        )
        sigma = TOLERANCE.get(name, math.inf)
        log = math.log(abs(product)) if math.isfinite(sigma) else 0.0
        found.append(Measured(name, log, sigma, 1 if product > 0 else -1))
    return found


def blamed(found: list[Measured]) -> list[dict[str, float]]:
    return [
        {one.suspect: pytest.approx(one.factor, rel=0.02) for one in explanation.errors}
        for explanation in explanations(found)
    ]


def test_signals_in_order_have_one_explanation_without_errors():
    assert blamed(measured({})) == [{}]


@pytest.mark.parametrize("factor", [-1.0, 3.6])
@pytest.mark.parametrize("suspect", ["steering", "speed"])
def test_one_wrong_signal_is_found_with_its_factor(suspect, factor):
    assert blamed(measured({suspect: factor})) == [{suspect: factor}]


@pytest.mark.parametrize("suspect, factor", [("gyro", 57.2958), ("accelerometer", 1 / 9.81)])
def test_one_wrong_unit_is_found(suspect, factor):
    errors = dict.fromkeys(SUSPECTS[suspect], factor)
    assert blamed(measured(errors)) == [{suspect: factor}]


def test_two_wrong_signals_are_found_together():
    assert blamed(measured({"speed": 3.6, "steering": -15.0})) == [
        {"steering": -15.0, "speed": 3.6}
    ]


def test_a_relation_of_two_signals_alone_leaves_both():
    found = blamed(measured({"steering": -1.0}, ["steering_gyro"]))
    assert {"steering": -1.0} in found and {"gyro": -1.0} in found and len(found) == 3


def test_a_small_error_shows_where_several_relations_share_it():
    assert blamed(measured({"speed": 1.4}, ["steering_gyro"])) == [{}]
    assert blamed(measured({"speed": 1.4})) == [{"speed": 1.4}]


def test_what_nothing_explains_has_no_explanation():
    found = measured({"speed": 3.6, "steering": -15.0, "gyro": 57.2958, "heading": -1.0})
    assert explanations(found) == []
