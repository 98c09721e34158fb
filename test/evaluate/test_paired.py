"""Differences of two models on the same roads and the same frames."""

from __future__ import annotations

import numpy as np

from liquid_control.evaluate.paired import on_frames, on_roads

RNG = np.random.default_rng(0)


def rows(departures, rmse) -> list[dict]:
    return [
        {"distance_m": 500.0, "departures": int(count), "lateral_rmse_m": float(of_road)}
        for count, of_road in zip(departures, rmse, strict=True)
    ]


def test_a_difference_that_all_roads_share_is_seen_where_roads_differ_more():
    hard = RNG.uniform(0.1, 1.0, 40)  # far more spread than the difference
    counts = RNG.poisson(3.0, 40)
    same, worse = rows(counts, hard), rows(counts, hard + 0.02)
    found = on_roads(worse, same)
    rmse = found["lateral_rmse_m"]
    low, high = rmse["ci"]
    assert rmse["worse"] and not rmse["better"] and 0.0 < low < rmse["difference"] < high < 0.03
    assert found["departures_per_km"]["ci"] == [0.0, 0.0]
    assert not found["departures_per_km"]["worse"]
    assert on_roads(same, worse)["lateral_rmse_m"]["better"]


def test_departures_are_told_by_kilometre():
    found = on_roads(rows([0] * 20, [0.1] * 20), rows([1] * 20, [0.1] * 20))["departures_per_km"]
    assert (found["candidate"], found["driving"]) == (0.0, 2.0) and found["better"]


def test_equal_models_are_neither():
    one = rows(RNG.poisson(1.0, 30), RNG.uniform(0.1, 0.3, 30))
    other = rows(RNG.poisson(1.0, 30), RNG.uniform(0.1, 0.3, 30))
    for figure in on_roads(one, other).values():
        assert not (figure["worse"] or figure["better"])


def test_frames_that_remember_each_other_do_not_count_each():
    """100 s of an error that lasts for 20 s are few independent ones."""
    seconds = np.arange(0.0, 100.0, 0.04)
    slow = np.sin(2 * np.pi * seconds / 40.0)
    found = on_frames(seconds, 0.1 + 0.1 * slow, np.full(len(seconds), 0.1))
    assert not found["better"] and found["candidate"] > found["driving"]
    quick = on_frames(seconds, np.full(len(seconds), 0.05), 0.1 + 0.02 * slow)
    assert quick["better"]
