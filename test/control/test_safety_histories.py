"""A hundred thousand commands of random histories, and that their judge sees each kind of limit
broken."""

from __future__ import annotations

import collections
import dataclasses
import random

import pytest

from liquid_control.config import GateConfig
from liquid_control.control.safety import SafetyGate
from liquid_control.stress.soak.gate_histories import (
    GateSoakSettings,
    random_gate,
    run_history,
    soak_gate,
)


def test_a_hundred_thousand_commands_of_random_histories_keep_every_limit():
    facts = soak_gate(GateSoakSettings(commands=100_000, seed=20_261_122, workers=1))
    assert facts["commands"] == 100_000 and facts["violations"] == 0, facts["examples"]


LIMITS = GateConfig()


@pytest.mark.parametrize(
    "name, looser",
    [
        ("steering angle", {"max_steering_angle": 0.55}),
        ("steering rate", {"max_steering_rate": 0.81}),
        ("lateral jerk", {"max_lateral_jerk": 1.01 * LIMITS.max_lateral_jerk}),
        (
            "lateral acceleration",
            {"max_lateral_acceleration": 1.01 * LIMITS.max_lateral_acceleration},
        ),
        (
            "lateral acceleration of the pair",
            {"max_lateral_acceleration": 1.01 * LIMITS.max_lateral_acceleration},
        ),
        ("speed", {"max_speed": LIMITS.max_speed + 0.2}),
        ("acceleration", {"max_acceleration": 1.01 * LIMITS.max_acceleration}),
        ("deceleration", {"max_deceleration": 1.01 * LIMITS.max_deceleration}),
        ("steering rate", {"stale_after": 0.21}),
        ("safe stop holds the angle", {"safe_behaviour": "follow"}),
        ("verdict", {"safe_behaviour": "release"}),
    ],
)
def test_the_judge_sees_a_gate_that_is_a_little_too_loose(name, looser):
    """A gate with one limit looser by a hundredth or so, judged by the limits it should have
    kept."""
    gate = SafetyGate(dataclasses.replace(LIMITS, **looser))
    seen = collections.Counter(
        name
        for seed in range(8)
        for _, name in run_history(random.Random(seed), 1000, LIMITS, gate)
    )
    assert seen[name], seen


def test_the_judge_sees_a_gate_that_raises():
    class Fragile:
        limits, vehicle = LIMITS, SafetyGate().vehicle

        def apply(self, *arguments):
            return SafetyGate().apply(*arguments) if isinstance(arguments[1], float) else 1 / 0

    assert "raised ZeroDivisionError" in {
        name for _, name in run_history(random.Random(0), 300, gate=Fragile())
    }


def test_gates_come_from_all_over_their_ranges_and_histories_repeat():
    gates = [random_gate(random.Random(seed)) for seed in range(100)]
    assert sum(gate.limits.max_speed == LIMITS.max_speed for gate in gates) in range(25, 75)
    assert len({gate.limits.safe_behaviour for gate in gates}) == 3
    assert run_history(random.Random("5"), 50) == run_history(random.Random("5"), 50) == []
