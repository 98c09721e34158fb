"""The driving benchmark as a whole, small: trained, driven, resumed, refused. Its verdicts are in
test_driving_verdicts.py."""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil

import pytest
import torch

from liquid_control.config import PreprocessConfig
from liquid_control.errors import ConfigError
from liquid_control.experiments.driving import claims as judged
from liquid_control.experiments.driving import run, stages, training, trials
from liquid_control.experiments.driving.settings import DrivingSettings, Recipe, shortened
from liquid_control.model.cores import PRESETS
from liquid_control.policy.saved import load_network
from liquid_control.sim import scenario
from liquid_control.sim.conditions.table import CONDITIONS
from liquid_control.train.fit_core import CoreFitSettings
from liquid_control.train.simulation_settings import SimulationSettings

TINY = Recipe(
    long_roads=0, short_roads=2, encoder_steps=2, rounds=0, core_fit=CoreFitSettings(2, passes=1)
)


def test_settings_that_mean_nothing_are_refused(tmp_path):
    for wrong in (
        {"presets": ("ltc", "transformer")},
        {"presets": ("ltc", "ltc")},
        {"presets": ()},
        {"conditions": ("hail",)},
    ):
        with pytest.raises(ConfigError):
            DrivingSettings(tmp_path, **wrong)
    with pytest.raises(ConfigError):
        Recipe(long_roads=0, short_roads=0)
    assert shortened(DrivingSettings(quick=True, roads=5)).roads == 5
    assert shortened(DrivingSettings(quick=True)).presets == ("ltc", "gru")


def test_all_conditions_that_claims_and_charts_name_exist():
    from liquid_control.experiments.driving.charts import CURVES

    named = {name for _, _, wanted in judged.THEMES for name in wanted} | {
        *judged.STRIPPED,
        *judged.STRIPPED.values(),
    }
    assert named | {name for *_, places in CURVES for name in places} <= set(CONDITIONS)


def test_what_the_claims_are_about_comes_from_the_cores():
    without_time = {name for name, core in PRESETS.items() if not core.uses_time}
    assert without_time == {"gru", "lstm_19", "lstm_64", "feedforward", "feedforward_stack"}
    liquid = {name for name, core in PRESETS.items() if core.liquid}
    assert liquid == {"ltc", "cfc", "cfc_full", "cfc_mixed"}
    assert judged.CIRCUITS == {"ltc": "the LTC circuit", "cfc": "the CfC circuit"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("driving")
    return DrivingSettings(
        out,
        ("feedforward", "ltc"),
        (),
        ("clean", "stripped"),
        roads=2,
        length=60.0,
        seeds=1,
        recipe=TINY,
        workers=1,
        videos=True,
    )


@pytest.fixture(scope="module", autouse=True)
def short_roads():
    """The expert drives roads of 50 m."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenario, "SHORT_ROAD", 50.0)
        yield


@pytest.fixture(scope="module")
def answer(small):
    return run.bench_driving(small)


def test_the_whole_is_written(small, answer):
    assert answer["distance_m"] > 2 * 2 * 2 * 20
    assert {row["preset"] for row in answer["rows"]} == {"feedforward", "ltc"}
    assert answer["presets"]["ltc"]["parameters"] == 1065
    assert answer["blind"] == {}  # `stripped` has no counterpart among the pairs
    assert json.loads((small.out / "driving.json").read_text())["rows"] == answer["rows"]
    roads = list(csv.DictReader((small.out / "roads.csv").open()))
    assert len(roads) == 8
    for name in ("feedforward", "ltc"):
        same = [row for row in roads if row["preset"] == name]
        assert {(row["road"], row["seed"]) for row in same} == {
            (row["road"], row["seed"]) for row in roads
        }
    blind = [row for row in roads if row["preset"] == "feedforward"]
    for true, stripped in zip(blind[:2], blind[2:], strict=True):
        assert true["lateral_rmse_m"] == stripped["lateral_rmse_m"]


def test_presets_of_one_seed_learn_from_the_same_files(small, answer):
    folders = [small.out / "models" / f"{name}_0" / "episodes" for name in ("feedforward", "ltc")]
    for path in folders[0].glob("expert_*.npz"):
        assert path.read_bytes() == (folders[1] / path.name).read_bytes()


def test_what_is_on_disk_is_neither_trained_nor_driven_again(small, answer, monkeypatch):
    kept = small.out / "drives" / "ltc_0.json"
    before = json.loads(kept.read_text())
    lost = before["drives"].pop("clean")["columns"]
    kept.write_text(json.dumps(before))
    driven = []
    monkeypatch.setattr(run, "train_one", lambda job: pytest.fail("trained again"))
    monkeypatch.setattr(
        run,
        "run_trial",
        lambda job: (driven.append((job[1].name, job[1].condition.name)), trials.run_trial(job))[1],
    )
    again = run.bench_driving(dataclasses.replace(small, videos=False))
    assert driven == [("ltc", "clean")]
    after = json.loads(kept.read_text())["drives"]
    assert after["stripped"] == before["drives"]["stripped"]
    times = {"wall_s": 0, "cpu_s": 0}
    assert {**lost, **times} == {**after["clean"]["columns"], **times}
    assert (
        again["claims"] == answer["claims"]
        and again["wall_s"] > answer["wall_s"]
        and again["core_s"] > answer["core_s"] > 1.0
    )


def test_with_the_results_no_models_are_needed(small, answer, tmp_path, monkeypatch):
    shutil.copytree(small.out / "drives", tmp_path / "drives")
    monkeypatch.setattr(run, "train_one", lambda job: pytest.fail("trained again"))
    monkeypatch.setattr(run, "run_trial", lambda job: pytest.fail("driven again"))
    again = run.bench_driving(dataclasses.replace(small, out=tmp_path))
    assert again["rows"] == json.loads((small.out / "driving.json").read_text())["rows"]
    assert again["presets"] == answer["presets"]


def test_drives_of_a_model_that_was_trained_anew_are_forgotten(small, answer, tmp_path):
    (job,) = (job for job in training.trainings(small) if job.preset == "ltc")
    (other,) = (job for job in training.trainings(small) if job.preset == "feedforward")
    shutil.copytree(small.out / "drives", tmp_path / "drives")
    results = trials.ModelResults(tmp_path / "drives" / "ltc_0.json", job.described)
    trial = a_trial(small)
    results.set_model(job.model)
    assert results.has(trial)
    results.set_model(other.model)
    assert not results.has(trial) and not trials.ModelResults(results.path, job.described).has(
        trial
    )


def a_trial(small):
    return trials.Trial("ltc", 0, CONDITIONS["clean"], small.roads, small.length, small.seed)


def test_other_roads_are_driven_anew_and_other_recipes_refused(small, answer):
    (job,) = (job for job in training.trainings(small) if job.preset == "ltc")
    results, trial = (
        trials.ModelResults(small.out / "drives" / "ltc_0.json", job.described),
        a_trial(small),
    )
    assert results.has(trial)
    for change in (
        {"roads": 3},
        {"length": 70.0},
        {"seed": 1},
        {"condition": CONDITIONS["fog"]},
        {"condition": dataclasses.replace(CONDITIONS["clean"], blur=0.1)},
    ):
        assert not results.has(dataclasses.replace(trial, **change))
    other = dataclasses.replace(small, recipe=dataclasses.replace(TINY, steps=3))
    with pytest.raises(ConfigError, match="another recipe"):
        run.bench_driving(other)


def test_two_benchmarks_keep_out_of_each_others_folder(small, answer):
    with stages.exclusive_lock(small.out), pytest.raises(ConfigError, match="another benchmark"):
        run.bench_driving(small)


def test_the_recipe_is_that_of_train_simulation_but_for_the_shared_encoder():
    usual = SimulationSettings()
    shared = {"steps", "round_steps"}
    for field in dataclasses.fields(Recipe):
        if field.name not in shared | {"encoder_steps", "image_encoder"}:
            assert getattr(Recipe(), field.name) == getattr(usual, field.name)
    assert Recipe().encoder_steps == usual.steps and Recipe().image_encoder == usual.policy.encoder
    small_eyes = Recipe(image_encoder="slim", preprocess=PreprocessConfig(height=32, width=64))
    for job in training.trainings(DrivingSettings(recipe=small_eyes)):
        for one in (job, job.encoder):
            assert (
                one.settings.policy.encoder,
                one.settings.preprocess.width,
                one.settings.policy.core,
            ) == ("slim", 64, PRESETS[one.preset])
    (job, *_) = training.trainings(DrivingSettings())
    ours = dataclasses.replace(
        job.settings, out=usual.out, workers=0, evaluation_roads=usual.evaluation_roads, encoder=""
    )
    assert dataclasses.replace(ours, **{name: getattr(usual, name) for name in shared}) == usual


def test_presets_of_one_seed_start_with_one_encoder_trained_with_the_feedforward_head(
    small, answer
):
    jobs = training.trainings(small)
    assert {job.encoder.model for job in jobs} == {small.out / "encoders" / "0" / "model"}
    assert (
        jobs[0].encoder.settings.policy.core.name == "feedforward"
        and jobs[0].encoder.settings.rounds == 0
    )
    given, made = load_network(jobs[0].encoder.model), [load_network(job.model) for job in jobs]
    for network in made:  # TINY has no steps of the whole network and no round
        for one, two in zip(network.encoder.parameters(), given.encoder.parameters(), strict=True):
            assert torch.equal(one, two)
    assert (
        training.trainings(
            dataclasses.replace(small, recipe=dataclasses.replace(TINY, encoder_steps=0, steps=2))
        )[0].encoder
        is None
    )
    with pytest.raises(ConfigError, match="encoder"):
        Recipe(encoder_steps=0, steps=0)


def test_what_a_killed_run_took_of_the_cores_is_unknown_and_not_nothing(tmp_path):
    def seconds(*cores):
        done = [{"jobs": 1, "done": 1, "wall_s": 10.0, "core_s": core} for core in cores]
        (tmp_path / "sessions.json").write_text(
            json.dumps([{"began": "", "stages": {"driving": stage}} for stage in done])
        )
        return stages.earlier_seconds(tmp_path)

    assert seconds(19.0, 18.0) == (20.0, 37.0)
    assert seconds(19.0, None) == (20.0, None)
