"""The driving benchmark's figures, verdicts and page, on drives whose truth is known."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from liquid_control.experiments.driving import claims as judged
from liquid_control.experiments.driving import figures, trials
from liquid_control.experiments.driving.claims import (
    REFUTED,
    SUPPORTED,
    UNDECIDED,
    Comparison,
    verdict,
)
from liquid_control.experiments.driving.report import page, table
from liquid_control.experiments.driving.settings import QUICK_RECIPE
from liquid_control.model.cores import PRESETS

BASELINES = ("gru", "lstm_64")


def columns(
    rate: float, rmse: float = 0.1, seeds: int = 3, roads: int = 40, seed: int = 0
) -> dict[str, np.ndarray]:
    """Drives of 200 m with about `rate` departures per 10 km."""
    rng, shape = np.random.default_rng(seed), (seeds, roads)
    found = {name: np.zeros(shape) for name in trials.FIELDS}
    departures = rng.poisson(rate * 200 / 1e4, shape).astype(float)
    return found | {
        "distance_m": np.full(shape, 200.0),
        "simulated_s": np.full(shape, 16.0),
        "cpu_s": np.full(shape, 0.5),
        "departures": departures,
        "off_road": departures,
        "outside_m": 4 * departures,
        "lateral_rmse_m": rmse * rng.uniform(0.9, 1.1, shape),
    }


def a_grid(ltc: float, gru: float, lstm: float) -> trials.Results:
    found = {}
    for number, (name, rate) in enumerate((("ltc", ltc), ("gru", gru), ("lstm_64", lstm))):
        for condition in ("clean", "noise_0.1", "noise_0.2", "jitter", "jitter_stripped"):
            quiet = rate if condition.startswith("noise") else 1.0
            found[name, condition] = columns(quiet, seed=10 * number + len(condition))
        if name in BASELINES:
            found[name, "jitter_stripped"] = found[name, "jitter"]
    return found


@pytest.mark.parametrize(
    ("rates", "expected"),
    [((5, 150, 200), SUPPORTED), ((150, 300, 5), REFUTED), ((40, 400, 40), UNDECIDED)],
)
def test_the_verdict_on_noise_follows_the_rates(rates, expected):
    grid = a_grid(*rates)
    found = next(claim for claim in judged.claims(grid) if claim["theme"] == "noise")
    assert found["verdict"] == expected
    assert found["conditions"] == ["noise_0.1", "noise_0.2"]
    assert [one["baseline"] for one in found["compared"]] == list(BASELINES)
    assert found["level"] == pytest.approx(1 - 0.05 / 2)


def test_a_policy_without_failures_is_not_better_than_another_without_failures():
    assert verdict([Comparison("gru", 0.0, 0.0, 0.0, 0.0, 3)]) == UNDECIDED
    assert verdict([]) == UNDECIDED


def test_a_single_training_decides_nothing():
    grid = {
        place: {name: values[:2] for name, values in of.items()}
        for place, of in a_grid(5, 150, 200).items()
    }
    assert {claim["verdict"] for claim in judged.claims(grid)} == {UNDECIDED}
    assert {one["standing"] for one in judged.standings(grid)["ltc"]} == {"undecided"}


def test_using_time_is_measured_on_the_same_models():
    grid = a_grid(1, 1, 1)
    grid["ltc", "jitter"], grid["ltc", "jitter_stripped"] = (
        columns(1, 0.10, seed=3),
        columns(1, 0.14, seed=3),
    )
    found = next(claim for claim in judged.claims(grid) if claim["theme"] == "time")
    assert found["verdict"] == SUPPORTED
    assert found["compared"][0]["difference"] == pytest.approx(-0.04, abs=1e-3)
    assert found["compared"][0]["high"] - found["compared"][0]["low"] < 0.005
    assert judged.blind_differences(grid) == {"gru": 0.0, "lstm_64": 0.0}
    grid["gru", "jitter_stripped"] = columns(1, 0.11)
    assert judged.blind_differences(grid)["gru"] != 0.0


def test_pooling_conditions_is_driving_them_all():
    grid = {("ltc", "clean"): columns(30, 0.1), ("ltc", "fog"): columns(90, 0.3, seed=1)}
    both, parts = figures.pooled(grid, "ltc", ["clean", "fog"]), list(grid.values())
    rate, interval = figures.figure(figures.DEPARTURES, both)
    assert rate == pytest.approx(
        1e4
        * sum(part["departures"].sum() for part in parts)
        / sum(part["distance_m"].sum() for part in parts)
    )
    assert interval.low < rate < interval.high
    squares = [figures.figure(figures.RMSE, part)[0] ** 2 for part in parts]
    assert figures.figure(figures.RMSE, both)[0] ** 2 == pytest.approx(np.mean(squares))


def test_losing_conditions_are_listed_like_winning_ones():
    grid = {
        (name, condition): columns(rate, seed=number)
        for number, (name, condition, rate) in enumerate(
            (who, where, rates[who])
            for where, rates in {
                "fog": {"ltc": 5, "gru": 300},
                "rain": {"ltc": 300, "gru": 5},
                "night": {"ltc": 50, "gru": 50},
            }.items()
            for who in rates
        )
    }
    found = {one["condition"]: one for one in judged.standings(grid)["ltc"]}
    assert {name: one["standing"] for name, one in found.items()} == {
        "fog": "wins",
        "rain": "loses",
        "night": "undecided",
    }
    assert [one["baseline"] for one in found["rain"]["worse_than"]] == ["gru"]
    against = {
        row["condition"]: row["against"]["departures_per_10km"]
        for row in judged.rows(grid)
        if row["preset"] == "gru"
    }
    assert {name: one["outcome"] for name, one in against.items()} == {
        "fog": "worse",
        "rain": "better",
        "night": "undecided",
    }


def test_the_page_of_all_presets_and_conditions_fetches_nothing():
    grid = {
        (name, condition): columns(20, roads=2, seeds=1)
        for condition in ("clean", "noise_0.3", "dropped_0", "dropped_70")
        for name in PRESETS
    }
    answer = {
        "command": "<liquid>",
        "commit": None,
        "quick": True,
        "roads": 2,
        "length_m": 200.0,
        "seeds": 1,
        "recipe": dataclasses.asdict(QUICK_RECIPE),
        "presets": {
            name: {"parameters": 1, "core": name, "state": 1, "training_s": [None]}
            for name in PRESETS
        },
        "distance_m": 1e4,
        "least_distance_m": 1e3,
        "speed_up_per_core": 28.0,
        "wall_s": 60.0,
        "core_s": 100.0,
        "blind": {"gru": 0.5},
        "report": "",
        "claims": judged.claims(grid),
        "standings": judged.standings(grid),
        "rows": judged.rows(grid),
    }
    text = page(answer)
    assert not re.search(r"(src|href)=[\"'](?!data:)", text)
    assert "&lt;liquid&gt;" in text and "A quick run" in text and "A fault of the benchmark" in text
    assert text.count('<g class="curve') == 4 * len(PRESETS)
    for name in (*PRESETS, "noise_0.3"):
        assert name in text and name in table(answer)
