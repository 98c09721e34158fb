"""The figures of a replay, on drivers and policies whose differences are known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from scipy.stats import chi2

from liquid_control.config import VehicleConfig
from liquid_control.control.vehicle import steering_angle
from liquid_control.evaluate.replay.metrics import agreement, compare, figures, gate_figures, worst
from liquid_control.evaluate.replay.open_loop import replay
from liquid_control.stats.whiteness import autocorrelation, band, chi_square_tail, whiteness

VEHICLE = VehicleConfig()


def judged(drive, scripted, curvature):
    (log,) = replay({"policy": scripted(curvature)}, drive)
    found = compare(log)
    return log, found, figures([found])


def test_the_driver_himself_has_no_error(drive, scripted, driven):
    _, found, result = judged(drive, scripted, driven)
    assert result["steering"]["rmse"] < 1e-6 and result["steering"]["correlation"] > 0.999999
    assert (
        result["curvature"]["source"] == "gyro" and result["curvature"]["rmse"] < 6e-4
    )  # the gyro is averaged over a frame
    assert result["frames_compared"] == 500 and result["frames_standing"] == 0
    assert abs(result["delay"]["seconds"]) < 0.005 and not np.isnan(found.angle).any()


def test_bias_and_trivial_drivers_are_as_computed_by_hand(drive, scripted, driven):
    _, found, result = judged(drive, scripted, lambda seconds: driven(seconds) + 0.004)
    angles = np.array([steering_angle(driven(i * 0.04), VEHICLE) for i in range(500)])
    ours = np.array([steering_angle(driven(i * 0.04) + 0.004, VEHICLE) for i in range(500)])
    steering = result["steering"]
    assert found.recorded == pytest.approx(angles, abs=1e-6)
    assert (
        steering["bias"] == pytest.approx(np.mean(ours - angles), abs=1e-6)
        and steering["bias"] > 0.01
    )
    assert steering["mae"] == pytest.approx(np.mean(np.abs(ours - angles)), abs=1e-6)
    assert steering["rmse"] == pytest.approx(np.sqrt(np.mean((ours - angles) ** 2)), abs=1e-6)
    assert result["trivial"]["straight_ahead"] == pytest.approx(
        np.sqrt(np.mean(angles**2)), abs=1e-6
    )
    assert result["trivial"]["mean_angle"] == pytest.approx(np.std(angles), abs=1e-6)
    before = angles[25:] - angles[:-25]
    assert result["trivial"]["driver_before"] == pytest.approx(
        np.sqrt(np.mean(before**2)), rel=0.02
    )
    assert result["trivial"]["last_recorded"] < 1e-6


@pytest.mark.parametrize("late", [0.24, -0.16])
def test_the_drivers_delay_is_found_and_taken_out(make_drive, scripted, driven, tmp_path, late):
    bag = make_drive(tmp_path / "late", driver=lambda seconds: driven(seconds - late))
    _, _, result = judged(bag, scripted, driven)
    assert result["delay"]["seconds"] == pytest.approx(late, abs=0.01)
    assert result["steering_delay_compensated"]["rmse"] < 0.1 * result["steering"]["rmse"]


def test_errors_are_sorted_by_bend_and_all_frames_are_in_a_bin(drive, scripted, driven):
    _, found, result = judged(drive, scripted, lambda seconds: 1.2 * driven(seconds))
    rows = result["by_bend"]
    assert (
        sum(row["frames"] for row in rows)
        == result["frames_compared"]
        == sum(row["frames"] for row in result["by_speed"])
    )
    assert [row["rmse"] for row in rows] == sorted(row["rmse"] for row in rows) and len(rows) >= 4
    whole = sum(row["frames"] * row["rmse"] ** 2 for row in rows) / result["frames_compared"]
    assert math.sqrt(whole) == pytest.approx(result["steering"]["rmse"])
    assert result["by_speed"][0]["from"] == 5.0 and result["by_speed"][0]["to"] == 10.0


def test_worst_moments_are_the_largest_and_apart(drive, scripted, driven):
    off = lambda seconds: 0.02 * (abs(seconds - 7.0) < 0.3) - 0.01 * (15 < seconds < 15.5)  # noqa: E731
    _, found, _ = judged(drive, scripted, lambda seconds: driven(seconds) + off(seconds))
    moments = worst([found], 3, apart=2.0)
    assert abs(moments[0]["seconds"] - 7.0) < 0.3 and 15.0 <= moments[1]["seconds"] <= 15.5
    assert (
        moments[0]["error"] > 0 > moments[1]["error"]
        and abs(moments[0]["error"]) == np.abs(found.error).max()
    )
    assert all(
        abs(a["seconds"] - b["seconds"]) >= 2.0 for a in moments for b in moments if a is not b
    )


def test_frames_of_a_standing_vehicle_are_left_out(drive, scripted, driven):
    log, found, _ = judged(
        drive, scripted, lambda seconds: driven(seconds) + 0.02 * (seconds < 4.0)
    )
    issued = dataclasses.replace(log.issued, measured_speed=np.where(found.seconds < 4.0, 0.1, 9.0))
    moving = figures([compare(dataclasses.replace(log, issued=issued))])
    assert (
        moving["frames_standing"] == 100
        and moving["frames_compared"] == 400
        and moving["steering"]["largest"] < 1e-6
    )


def test_unknown_values_are_no_pairs():
    said, wanted = np.array([0.1, 0.2, np.nan, 0.4]), np.array([0.0, 0.1, 0.1, 0.3])
    assert agreement(said, wanted)["pairs"] == 3 and agreement(said, wanted)[
        "rmse"
    ] == pytest.approx(0.1)
    assert agreement(said[:2], wanted[:2])["rmse"] is None


def test_seconds_of_the_gate_add_up(drive, scripted):
    log, _, _ = judged(
        drive, scripted, lambda seconds: 0.09 if seconds > 10 else 0.0
    )  # 9 m/s: 3 m/s² is 0.037 1/m
    gate = gate_figures(log)
    assert gate["lateral_acceleration"]["seconds"] == pytest.approx(10.0, abs=0.1)
    assert gate["any"]["commands"] >= gate["lateral_acceleration"]["commands"] == 249


def test_noise_is_white_and_what_lasts_is_not():
    rng = np.random.default_rng(1)
    seconds = np.cumsum(rng.uniform(0.03, 0.05, 4000))
    noise = rng.standard_normal(4000)
    lasting = np.zeros(4000)
    for i in range(1, 4000):
        lasting[i] = 0.9 * lasting[i - 1] + noise[i]
    assert (
        whiteness(seconds, noise)["white"] and whiteness(seconds, noise)["correlation_time"] <= 0.1
    )
    found = whiteness(seconds, lasting)
    assert (
        not found["white"]
        and found["probability"] < 1e-6
        and 0.5 < found["correlation_time"] <= 3.0
    )
    lags, correlation, samples = autocorrelation(seconds, lasting)
    assert (
        correlation[0] == 1.0
        and correlation[10] == pytest.approx(0.9**10, abs=0.1)
        and band(samples) == pytest.approx(0.031, abs=0.003)
    )


def test_gaps_do_not_count_as_agreement():
    rng = np.random.default_rng(2)
    seconds = np.arange(2000) * 0.04
    seconds[1000:] += 300.0
    assert whiteness(seconds, rng.standard_normal(2000))["white"]
    assert (
        whiteness(seconds[:20], np.ones(20)) is None and whiteness(seconds, np.ones(2000)) is None
    )


@pytest.mark.parametrize(
    "statistic, freedom", [(0.1, 2), (12.0, 20), (31.4, 20), (80.0, 20), (2000.0, 20), (15.0, 8)]
)
def test_the_tail_of_chi_square_is_scipys(statistic, freedom):
    assert chi_square_tail(statistic, freedom) == pytest.approx(
        chi2.sf(statistic, freedom), rel=1e-9, abs=1e-300
    )
