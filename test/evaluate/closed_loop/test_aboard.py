"""What goes with a policy from road to road: nothing changes while nothing is in use, and
takeovers are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from liquid_control.config import WorldConfig
from liquid_control.errors import ConfigError
from liquid_control.evaluate.closed_loop.evaluation import EvaluationSettings, evaluate
from liquid_control.sim.adversary import Adversary
from liquid_control.sim.truth import Truth

MODEL = Path(__file__).resolve().parents[3] / "models" / "lane_keeper"
SHORT = WorldConfig(length=100.0, trees=5)
VARYING = {"wall_s", "cpu_s", "adapted_share", "adaptation_failures", "gain", "gain_used"}


def rows(adaptation: str, person: str = "none") -> list[dict]:
    settings = EvaluationSettings(
        MODEL, 2, 0, ("clean",), SHORT, 1, adaptation=adaptation, person=person
    )
    return evaluate(settings, progress=False)["per_road"]


def test_what_is_not_in_use_changes_no_bit():
    off, on = rows("off"), rows("gain")
    assert all(row["adapted_share"] == 0.0 and not row["gain_used"] for row in on)
    kept = [{name: one for name, one in row.items() if name not in VARYING} for row in on]
    assert kept == [{n: one for n, one in row.items() if n not in VARYING} for row in off]


def test_a_driver_who_takes_over_without_need_is_counted_and_not_learnt_from():
    first, second = rows("off", "adversary"), rows("both", "adversary")
    assert [row["takeovers"] for row in first] == [row["takeovers"] for row in second] != [0, 0]
    assert [row["lateral_rmse_m"] for row in first] == [row["lateral_rmse_m"] for row in second]
    assert not any(row["output_used"] for row in second)


def test_the_adversary_drives_in_turns_and_steers_wrong():
    adversary = Adversary(np.random.default_rng(0), mirrors=True)
    moments = [
        adversary.watch(Truth(n * 10_000_000, 0, 0, 0, 10, 0, 0, 0, 0, 0, 10, False))
        for n in range(6000)
    ]
    assert 5 <= adversary.takeovers <= 20 and 0.1 < np.mean(moments) < 0.4


def test_recordings_and_adaptation_do_not_go_together():
    with pytest.raises(ConfigError, match="adaptation"):
        EvaluationSettings(MODEL, worlds=("recording:x",), adaptation="gain")
