"""Closed-loop evaluation: what is counted, comfort against closed forms, one answer for programs
and one for people."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from liquid_control.config import PreprocessConfig, WorldConfig
from liquid_control.deploy.runtime import State
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop import examine
from liquid_control.evaluate.closed_loop.comfort import mean_squares
from liquid_control.evaluate.closed_loop.condition_rows import table
from liquid_control.evaluate.closed_loop.evaluation import (
    EvaluationSettings,
    RoadJob,
    drive_with,
    evaluate,
)
from liquid_control.model.car import lane_keeping

MODEL = Path(__file__).resolve().parents[3] / "models" / "lane_keeper"
SHORT = WorldConfig(length=120.0, trees=5)


class Constant:
    """A policy with one answer; keeps the dt that it was given."""

    spec, preprocess = lane_keeping(), PreprocessConfig()

    def __init__(self, curvature: float) -> None:
        self.curvature, self.given = curvature, []

    def initial_state(self) -> State:
        return {}

    def step(self, observation, state):
        self.given.append((observation.stamp_ns, observation.dt))
        return np.array([self.curvature]), state


def job(condition: str = "clean", road: int = 1, world: WorldConfig = SHORT) -> RoadJob:
    return RoadJob(condition, road, 0, world)


@pytest.fixture(scope="module")
def answer():
    return evaluate(
        EvaluationSettings(MODEL, 2, 0, ("clean", "noise_0.3"), SHORT, 1), progress=False
    )


def test_the_answer_keeps_its_fields_and_has_a_row_per_condition(answer):
    json.dumps(answer, allow_nan=False)
    assert {
        "model",
        "seed",
        "roads",
        "distance_m",
        "departures",
        "departures_per_km",
        "off_road",
        "lateral_rmse_m",
        "largest_offset_m",
        "gate_activations",
        "speed_up",
        "speed_up_per_core",
        "wall_s",
        "per_road",
    } <= answer.keys()
    clean, noisy = answer["conditions"]
    assert (clean["condition"], noisy["condition"]) == ("clean", "noise_0.3")
    assert answer["roads"] == clean["roads"] == 2 and len(answer["per_road"]) == 4
    assert (
        answer["lateral_rmse_m"] == pytest.approx(clean["lateral_rmse_m"])
        and answer["departures"] == 0
    )
    assert clean["lateral_rmse_m"] < noisy["lateral_rmse_m"]
    for row in (clean, noisy):
        for name in [name for name in row if name + "_ci" in row and row[name] is not None]:
            low, high = row[name + "_ci"]
            assert low <= row[name] + 1e-9 and (high is None or row[name] <= high + 1e-9), name
    assert (
        clean["metres_between_interventions"] is None
        and clean["metres_between_interventions_ci"][1] is None
    )


def test_the_same_roads_in_every_condition_and_again(answer):
    roads = [(r["condition"], r["road"], r["seed"], r["stratum"]) for r in answer["per_road"]]
    assert [r[1:] for r in roads[:2]] == [r[1:] for r in roads[2:]]
    again = evaluate(EvaluationSettings(MODEL, 2, 0, ("noise_0.3",), SHORT, 1), progress=False)
    for name in ("lateral_rmse_m", "lateral_jerk_rms", "frames_used", "departures_per_10km_ci"):
        assert again["conditions"][0][name] == answer["conditions"][1][name]


def test_people_get_a_line_per_condition(answer):
    lines = table(answer).splitlines()
    assert [line.split()[0] for line in lines] == ["condition", "clean", "noise_0.3"]
    assert len({len(line) for line in lines}) == 1 and len(lines[0]) < 150
    assert "> " in lines[1] and f"{answer['conditions'][1]['lateral_rmse_m']:.3f}" in lines[2]


def test_who_does_not_steer_leaves_the_road_and_is_put_back():
    result = drive_with(Constant(0.0), job())
    assert result.off_road >= 2 and result.departures >= result.off_road and result.standstills == 0
    assert 1.75 < result.largest_offset_m < 2.0 and 0 < result.outside_m < 0.6 * result.distance_m
    assert result.distance_m == pytest.approx(120 - 12 - 5 * result.off_road, abs=6)


def test_who_falls_silent_is_stopped_by_the_gate_and_moved_on(monkeypatch):
    class Once(Constant):
        def step(self, observation, state):
            self.given.append(observation.dt)
            return np.array([0.0 if len(self.given) == 1 else math.nan]), state

    monkeypatch.setattr(examine, "STANDSTILL", 1.0)
    result = drive_with(Once(0.0), job())
    assert (
        result.standstills >= 3
        and result.frames_used == 1
        and result.safe_stop_s > 0.8 * result.simulated_s
    )


@pytest.mark.parametrize("name", ["dropped_50_stripped", "latency_100"])
def test_policies_get_the_same_frames_and_the_dt_of_the_condition(name):
    straight, bending = Constant(0.0), Constant(0.02)
    for policy in (straight, bending):
        drive_with(policy, job(name))
    both = min(len(straight.given), len(bending.given), 40)
    seen = {stamp for stamp, _ in straight.given[:both]} & {
        stamp for stamp, _ in bending.given[:both]
    }
    assert len(seen) > 0.7 * both  # all but those lost where either was put back
    if name.endswith("stripped"):
        assert {dt for _, dt in straight.given} == {0.04}
        assert np.diff([stamp for stamp, _ in straight.given]).max() > 0.1e9


def rows(yaw, speed: float = 10.0, steering=lambda t: 0.0 * t, seconds: float = 20.0):
    t = np.arange(0, seconds, 0.01)
    return list(
        zip(
            (t * 1e9).tolist(),
            yaw(t).tolist(),
            np.full(len(t), speed).tolist(),
            steering(t).tolist(),
            strict=True,
        )
    )


def test_comfort_against_closed_forms():
    assert mean_squares([rows(lambda t: 0.3 * t)]) == pytest.approx(
        (0.0, 0.0), abs=1e-9
    )  # a steady circle, yaw past pi or not
    w = 2 * math.pi / 4  # yaw A sin(wt): acceleration v A w cos(wt), jerk v A w² sin(wt)
    jerk, rate = mean_squares(
        [rows(lambda t: 0.1 * np.sin(w * t), steering=lambda t: 0.05 * np.sin(w * t))]
    )
    assert math.sqrt(jerk) == pytest.approx(10 * 0.1 * w**2 / math.sqrt(2), rel=0.03)
    assert math.sqrt(rate) == pytest.approx(0.05 * w / math.sqrt(2), rel=0.03)


def test_being_put_back_is_no_jerk():
    before, after = rows(lambda t: 0.0 * t, seconds=2.0), rows(lambda t: 0.0 * t + 1.5, seconds=2.0)
    assert mean_squares([before, after]) == (0.0, 0.0) and mean_squares([before + after])[0] > 1
    assert mean_squares([[], before[:15]]) == (0.0, 0.0)


def test_an_unknown_condition_is_refused_before_anything_is_driven():
    with pytest.raises(ConfigError, match="foggy.*fog"):
        EvaluationSettings(MODEL, conditions=("foggy",))


def test_a_shipped_model_drives_in_the_twin_as_in_mujoco():
    """Same roads, looks, cars, noise and stamps; the figures are those of the other world."""
    config = WorldConfig(length=150.0)
    real, twin = (
        evaluate(EvaluationSettings(MODEL, 2, 0, world=config, workers=1, worlds=(world,)), False)
        for world in ("mujoco", "twin")
    )
    assert real.keys() == twin.keys() and twin["world"] == ["twin"]
    assert twin["departures"] == real["departures"] == 0
    assert twin["distance_m"] == pytest.approx(real["distance_m"], abs=1.0)
    assert twin["lateral_rmse_m"] == pytest.approx(real["lateral_rmse_m"], abs=0.04)
    for one, other in zip(real["per_road"], twin["per_road"], strict=True):
        assert one["seed"] == other["seed"] and one["stratum"] == other["stratum"]
        assert other["frames_used"] == pytest.approx(one["frames_used"], abs=3)


def test_conditions_that_the_twin_does_not_draw_are_refused():
    with pytest.raises(ConfigError, match="draws no shadows"):
        EvaluationSettings(MODEL, conditions=("shadows",), worlds=("twin",))
