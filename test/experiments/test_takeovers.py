"""The figures of `bench takeovers` from its loops."""

from __future__ import annotations

import pytest

from liquid_control.experiments.takeovers.nodes import _by_km
from liquid_control.experiments.takeovers.run import show, succeeded, summarised
from liquid_control.experiments.takeovers.settings import TakeoverBenchSettings


def loop(counts: list[list[int]], worse: bool = False, lost: int = 0) -> dict:
    """A loop whose roads are 500 m, of which the policy drives 400 m in the first round."""
    rounds = [
        {
            "round": number,
            "roads": [
                {
                    "takeovers": of_road,
                    "distance_m": 500.0,
                    "by_policy_m": 500.0 if number else 400.0,
                }
                for of_road in of_round
            ],
            "training": {"handover_frames_lost": lost},
        }
        for number, of_round in enumerate(counts)
    ]
    return {"rounds": rounds, "clean": {"departures_per_km": {"worse": worse}}}


def test_takeovers_are_told_by_kilometre_that_the_policy_drove():
    found = summarised([loop([[8, 4], [1, 0]]), loop([[4, 0], [0, 0]])])
    first, last = found["rounds"]
    assert first["takeovers_per_km"] == pytest.approx(16 / 1.6)
    assert last["takeovers_per_km"] == pytest.approx(1 / 2.0)
    assert found["times_fewer"] == pytest.approx(20.0)
    assert first["ci"][0] < first["takeovers_per_km"] < first["ci"][1]


def test_a_last_round_without_takeovers_has_an_upper_bound():
    found = summarised([loop([[8, 4], [0, 0]])])
    assert found["times_fewer"] is None
    assert found["rounds"][1]["ci"] == [0.0, pytest.approx(3.0, rel=0.01)], "3 / 1 km"
    result = {"conditions": {"night": found}}
    assert succeeded(result) and "none at the end" in show(result)


@pytest.mark.parametrize(
    "change", [{"worse": True}, {"lost": 2}, {"counts": [[8, 4], [3, 0]]}], ids=str
)
def test_what_is_not_reached_is_seen(change):
    arguments = {"counts": [[8, 4], [0, 0]], **change}
    assert not succeeded({"conditions": {"night": summarised([loop(**arguments)])}})


def test_the_roads_of_a_round_are_as_long_as_it_says():
    assert TakeoverBenchSettings(km=10.0).roads == 19
    assert TakeoverBenchSettings(km=0.1).roads == 1


@pytest.mark.parametrize(("after", "lost", "reached"), [(2, 1, True), (2, 2, False), (8, 0, False)])
def test_a_round_through_nodes_must_need_fewer_takeovers(after, lost, reached):
    def drive(takeovers: int) -> dict:
        return _by_km({"takeovers": takeovers, "by_policy_m": 500.0, "distance_m": 600.0}) | {
            "recordings": 3
        }

    training = {"takeovers": 4, "handover_frames_lost": lost}
    result = {"condition": "night", "before": drive(4), "training": training, "after": drive(after)}
    assert succeeded(result) is reached
    assert "before: 4 takeovers in 600 m, 8.00 per km of the policy; 3 recordings" in show(result)
