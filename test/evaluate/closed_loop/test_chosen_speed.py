"""A policy that chooses its speed, compared with the expert on the same roads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.evaluate.closed_loop.chosen_speed import sentence, speed_figures
from liquid_control.evaluate.closed_loop.evaluation import RoadJob, drive_expert, drive_with
from liquid_control.experiments.speed.run import LEARNED, SET, difference, succeeded, summarised
from liquid_control.model.car import lane_keeping

TINY = WorldConfig(length=60.0, trees=0, image_height=16, image_width=32)
SIZE = PreprocessConfig(height=16, width=32)


class Straight:
    """Straight on at a speed of its own."""

    def __init__(self, *speed: float) -> None:
        self.spec, self.preprocess = lane_keeping(SIZE, speed=bool(speed)), SIZE
        self._answer = np.array([0.0, *speed])

    def initial_state(self):
        return {}

    def step(self, observation, state):
        return self._answer, state


@pytest.fixture(scope="module")
def driven():
    """Expert and slow policy on the straight beginning of a road."""
    job = RoadJob("clean", 1, 0, dataclasses.replace(TINY, length=50.0))
    return drive_expert(job), drive_with(Straight(4.0), job), drive_with(Straight(), job)


def test_the_time_of_a_slow_policy_is_told_as_a_ratio_to_the_experts(driven):
    expert, slow, steers = driven
    assert expert.departures == 0 and slow.simulated_s > 1.5 * expert.simulated_s
    assert steers.simulated_s < 0.8 * slow.simulated_s, "the road's own speed"
    found = speed_figures([slow, slow], [expert, expert])
    expected = slow.simulated_s * expert.distance_m / slow.distance_m / expert.simulated_s
    assert found["time_ratio"] == pytest.approx(expected)
    assert found["time_ratio_ci"] == pytest.approx([expected, expected])
    assert found["mean_speed"] < found["expert_mean_speed"]
    same = speed_figures([expert], [expert])
    assert same["time_ratio"] == 1.0
    assert same["lateral_acceleration_max"] == expert.lateral_acceleration_max
    assert f"{expected:.3f}" in sentence(found)


def test_the_comparison_of_the_bench_needs_time_comfort_and_departures(driven):
    expert, slow, _ = driven
    fine = {
        "policies": {LEARNED: summarised([[expert, expert]], [expert, expert])},
        "departures_learned_minus_set": difference([[expert] * 4], [[expert] * 4]),
    }
    assert succeeded(fine) and fine["departures_learned_minus_set"]["per_km"] == 0.0
    late = {LEARNED: summarised([[slow, slow]], [expert, expert]), SET: {}}
    assert not succeeded(fine | {"policies": late})
    astray = dataclasses.replace(expert, departures=3)
    worse = difference([[astray] * 4] * 2, [[expert] * 4] * 2)
    assert worse["ci"][0] > 0.0 and not succeeded(fine | {"departures_learned_minus_set": worse})
    rough = dataclasses.replace(expert, lateral_acceleration_p95=2.9)
    assert not succeeded(fine | {"policies": {LEARNED: summarised([[rough]], [expert])}})
