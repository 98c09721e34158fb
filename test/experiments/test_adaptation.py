"""`bench adaptation`: steps are done once, verdicts follow the intervals, and hostile frames break
no bound of what adapts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from liquid_control.deploy.packed_runtime import load_packed
from liquid_control.experiments.adaptation import run
from liquid_control.experiments.adaptation.hostile import hostile_stream
from liquid_control.experiments.adaptation.settings import FAULTS, AdaptationBenchSettings
from liquid_control.experiments.recorded_world.steps import Command
from liquid_control.model.packed import pack_model

MODEL = Path(__file__).resolve().parents[2] / "models" / "lane_keeper"


def row(departures: int, rmse: float, **more) -> dict:
    return {"departures": departures, "lateral_rmse_m": rmse, "distance_m": 500.0, **more}


def test_twenty_thousand_hostile_frames_stay_within_the_tube_while_the_correction_is_in_use():
    found = hostile_stream(load_packed(pack_model(MODEL)), 20_000)
    assert found["broken"] == found["failures"] == 0
    assert 0.0 < found["largest_share"] <= 1.0 and found["output_used_share"] > 0.005
    assert 0.7 <= found["lowest_gain"] < 0.95 and found["highest_gain"] <= 1.3


def test_each_step_is_done_once_and_the_verdict_follows_the_bounds(tmp_path, monkeypatch):
    lines = []

    def evaluated(*words) -> Command:
        words = tuple(map(str, words))
        lines.append(words)
        on = words[words.index("--adaptation") + 1] != "off"
        wrong = "wheelbase_wrong" in words
        more = {"adapted_share": 1.0, "adaptation_failures": 0, "gain": 0.8} if on else {}
        rmse = 0.11 if on and wrong else 0.17
        worse = on and "banked" in words and worse_where_banked
        rows = [row(int(worse), rmse + 0.001 * number, **more) for number in range(4)]
        return Command(words, {"per_road": rows}, 0.0)

    monkeypatch.setattr(run, "run_command", evaluated)
    settings = AdaptationBenchSettings(tmp_path, tmp_path, str(MODEL), roads=4, hostile_steps=1000)
    worse_where_banked = False
    result = run.bench_adaptation(settings)
    assert len(lines) == 2 * len(FAULTS) and run.succeeded(result)
    json.dumps(result, allow_nan=False)
    assert (tmp_path / "adaptation.png").stat().st_size > 10_000
    found = result["faults"]
    assert found["none"]["departures_per_km"]["ci"] == [0.0, 0.0]
    assert found["none"]["same_to_the_bit"] == 4
    assert found["wheelbase_alone"]["lateral_rmse_m"]["better"]
    assert found["wheelbase_alone"]["gain"] == pytest.approx(0.8)
    assert "wheelbase alone" in run.show(result)
    assert run.bench_adaptation(settings)["faults"] == found and len(lines) == 2 * len(FAULTS)
    worse_where_banked = True
    (tmp_path / "bank_on.json").unlink()
    assert not run.succeeded(run.bench_adaptation(settings)) and len(lines) == 2 * len(FAULTS) + 1
