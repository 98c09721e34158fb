"""The published tables: their data cut as published, bad files named, runs resumed, our results
compared with the published ones."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from liquid_control.cli import main as cli
from liquid_control.errors import ConfigError
from liquid_control.experiments.tables import event_xor, half_cheetah, recipes, runs, walker2d
from liquid_control.experiments.tables.models import build
from liquid_control.experiments.tables.recipes import RECIPES, Recipe
from liquid_control.experiments.tables.report import markdown, read_runs, summarise
from liquid_control.experiments.tables.series import Series, Splits, TableDataError
from liquid_control.experiments.tables.training import Tensors, measure, train

SMALL = Recipe(
    units=6,
    rate=0.01,
    batch=16,
    epochs=2,
    seeds=2,
    backbone=5,
    clip=1.0,
    penalty=1e-5,
    dropout=0.1,
    samples=200,
    longest=9,
    tests=100,
)


def write_traces(folder, source, rows) -> list[np.ndarray]:
    """`source`'s number of traces whose every entry tells file, row and column."""
    (folder / source.folder).mkdir()
    traces = []
    for index in range(source.files):
        steps = np.arange(rows(index))[:, None]
        traces.append(index + steps / 1000 + np.arange(source.columns) / 1e6)
        np.save(folder / source.folder / f"trace_{index:04d}.npy", traces[-1])
    return traces


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_traces(folder, half_cheetah.SOURCE, lambda index: 75)
    write_traces(folder, walker2d.SOURCE, lambda index: 90 + index % 40)
    return folder


def test_half_cheetah_is_split_by_file_and_cut_every_ten_steps(data):
    splits = half_cheetah.load(data)
    for part, files in (
        (splits.validation, range(0, 5)),
        (splits.test, range(5, 15)),
        (splits.train, range(15, 25)),
    ):
        assert part.x.shape == (len(files) * 5, 32, 17) and part.x.dtype == np.float32
        assert set(np.floor(part.x[:, 0, 0]).astype(int)) == set(files)
        assert np.allclose(part.y - part.x, 0.001, atol=1e-5) and (part.dt == 1).all()
        assert np.allclose(
            np.sort(np.unique((part.x[:, 0, 0] % 1).round(3))), [0.0, 0.01, 0.02, 0.03, 0.04]
        )


def test_walker2d_is_what_a_plain_loop_over_the_recipe_makes(data):
    traces = [np.load(path) for path in sorted((data / "walker2d").glob("*.npy"))]
    np.random.RandomState(125487).shuffle(traces)
    rng = np.random.RandomState(891374)
    for part, group in zip(
        dataclasses.astuple(walker2d.load(data)),
        (traces[100:], traces[60:100], traces[:60]),
        strict=True,
    ):
        x, dt, y = [], [], []
        for trace in group:
            run, skipped = [], 0
            for now, following in zip(trace[:-1], trace[1:], strict=True):
                skipped += 1
                if rng.rand() < 0.9:
                    run.append((now, skipped, following))
                    skipped = 0
            for start in range(0, len(run) - 64, 16):
                for column, values in zip(
                    (x, dt, y), zip(*run[start : start + 64], strict=True), strict=True
                ):
                    column.append(values)
        assert (
            np.allclose(part[0], x) and (part[1] == np.array(dt)).all() and np.allclose(part[2], y)
        )


def test_an_xor_stream_can_be_read_back_from_its_events():
    series = event_xor.streams(300, 31, 5)
    assert series.x.shape == (300, 32, 1) and {0.0, 1.0} == set(series.y)
    for x, dt, label, length in zip(series.x, series.dt, series.y, series.length, strict=True):
        assert (x[length:] == 0).all() and (dt[length:] == 1).all()
        gaps = np.rint(dt[:length] * 32).astype(int)
        events = x[:length, 0].astype(int)
        # An event ends the stretch of the bit before it: at its own place stands the new bit. The
        # last one may repeat a bit.
        bits = [events[0]]
        for bit, gap, before in zip(events[1:], gaps[1:], events[:-1], strict=False):
            bits += [before] * (gap - 1) + [bit]
        assert gaps[0] == 1 and 2 <= len(bits) <= 31 and sum(bits) % 2 == label


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "cannot be read"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (
            lambda path: np.save(path, np.zeros((75, 16))),
            r"got shape \(75, 16\), expected \(34 or more, 17\)",
        ),
        (lambda path: np.save(path, np.zeros((20, 17))), r"got shape \(20, 17\)"),
        (lambda path: np.save(path, np.zeros((75, 17), int)), "got int64"),
        (lambda path: np.save(path, np.full((75, 17), np.nan)), "NaN"),
        (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "cannot be read"),
    ],
)
def test_a_bad_file_is_named(tmp_path, damage, said):
    write_traces(tmp_path, half_cheetah.SOURCE, lambda index: 75)
    damage(tmp_path / "half_cheetah" / "trace_0007.npy")
    with pytest.raises(TableDataError, match=f"trace_0007.npy: .*{said}"):
        half_cheetah.load(tmp_path)


def test_a_missing_file_would_shift_the_splits_so_it_is_refused(tmp_path):
    write_traces(tmp_path, half_cheetah.SOURCE, lambda index: 75)
    (tmp_path / "half_cheetah" / "trace_0003.npy").unlink()
    with pytest.raises(TableDataError, match="30 .npy files instead of 31"):
        half_cheetah.load(tmp_path)


def test_without_data_the_command_says_what_to_fetch_and_where_to_put_it(tmp_path, capsys):
    assert (
        cli.main(["bench", "tables", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    )
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert (
        "https://github.com/raminmh/liquid_time_constant_networks" in said
        and "folder half_cheetah of --data" in said
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "model", ["ltc", "cfc", "mixed_memory", "memory_first", "ct_rnn", "lstm", "gru"]
)
def test_every_model_learns_something_from_a_sine(model):
    time = np.cumsum(np.random.default_rng(0).uniform(0.1, 0.5, (64, 13)), axis=1).astype(
        np.float32
    )
    wave = np.sin(time + np.arange(64, dtype=np.float32)[:, None])[..., None]
    series = Series(wave[:, :-1], np.diff(time, axis=1), wave[:, 1:], np.full(64, 12))
    torch.manual_seed(0)
    recipe = dataclasses.replace(SMALL, epochs=15, batch=8)
    network = build(model, recipe, series, seed=0)
    before = measure(network, Tensors.of(series))[0]
    result = train(network, recipe, Splits(series, series, series), seed=0)
    assert (
        result["test"] < 0.7 * before
        and result["steps"] == 15 * 8
        and result["test"] == result["test_by_weights"]["last"]
    )
    assert result["curve"][-1][0] == 15 and result["best_validation_loss"] == pytest.approx(
        min(p[2] for p in result["curve"]), abs=1e-5
    )


def test_padding_does_not_reach_a_label():
    series = event_xor.streams(40, 12, 3)
    torch.manual_seed(0)
    network = build("cfc", SMALL, series, seed=0).eval()
    data = Tensors.of(series)
    with torch.no_grad():
        together = network(data.x, data.dt, data.length)
        alone = torch.cat(
            [
                network(data.x[i : i + 1, :n], data.dt[i : i + 1, :n], torch.tensor([n]))
                for i, n in enumerate(series.length)
            ]
        )
    assert torch.allclose(together, alone, atol=1e-6)


def test_accuracy_is_the_share_of_right_signs():
    class Constant(torch.nn.Module):
        def forward(self, x, dt, length):
            return torch.ones(len(x), 1)

    series = event_xor.streams(1000, 12, 3)
    assert measure(Constant(), Tensors.of(series))[1] == pytest.approx(100 * series.y.mean())


def test_runs_are_written_skipped_when_there_and_repeated_when_stale(data, tmp_path, monkeypatch):
    small = {
        "half_cheetah": {"lstm": SMALL, "cfc": SMALL},
        "walker2d": {"mixed_memory": SMALL},
        "event_xor": {"lstm": SMALL},
    }
    monkeypatch.setattr(runs, "RECIPES", small)
    settings = runs.TablesSettings(
        data, tmp_path, only=("half_cheetah/lstm", "walker2d", "event_xor"), seeds=1, workers=1
    )
    rows = runs.run_tables(settings)
    paths = sorted(path.name for path in (tmp_path / "tables").iterdir())
    assert paths == [
        "event_xor-lstm-0.json",
        "half_cheetah-lstm-0.json",
        "walker2d-mixed_memory-0.json",
    ]
    assert (
        rows["half_cheetah"]["lstm"]["runs"] == 1 and 0 <= rows["event_xor"]["lstm"]["mean"] <= 100
    )
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "tables").iterdir()}
    (tmp_path / "tables" / "half_cheetah-lstm-0.json").write_text('{"recipe": {"units"')
    run = json.loads((tmp_path / "tables" / "event_xor-lstm-0.json").read_text())
    run["recipe"]["units"] += 1
    (tmp_path / "tables" / "event_xor-lstm-0.json").write_text(json.dumps(run))
    runs.run_tables(settings)
    changed = {path.stem for path, then in written.items() if path.stat().st_mtime_ns != then}
    assert changed == {"event_xor-lstm-0", "half_cheetah-lstm-0"}
    again = json.loads((tmp_path / "tables" / "half_cheetah-lstm-0.json").read_text())
    assert again["test"] == pytest.approx(rows["half_cheetah"]["lstm"]["mean"], rel=1e-4), (
        "the seed decides the result"
    )
    assert (tmp_path / "tables.png").stat().st_size > 10_000 and json.loads(
        (tmp_path / "tables.json").read_text()
    )["published"]


@pytest.mark.parametrize("name", ["walker", "walker2d/ltc", "lstm"])
def test_an_unknown_run_is_refused(data, tmp_path, name, capsys):
    assert (
        cli.main(["bench", "tables", "--data", str(data), "--out", str(tmp_path), "--only", name])
        == 2
    )
    assert f"only: got '{name}'" in capsys.readouterr().err


def test_settings_out_of_bounds_are_refused():
    with pytest.raises(ConfigError, match="seeds: got -1"):
        runs.TablesSettings(seeds=-1)


def test_targets_are_run_first():
    order = [f"{run.table}/{run.model}" for run in runs.plan(runs.TablesSettings())]
    assert order[0] == "half_cheetah/ltc" and order.index("walker2d/memory_first") < order.index(
        "half_cheetah/lstm"
    )
    assert len(order) == sum(
        recipe.seeds for models in RECIPES.values() for recipe in models.values()
    )


def test_the_report_says_what_was_reached_and_what_was_missed(tmp_path):
    def run(seed, test):
        return {
            "seed": seed,
            "test": test,
            "test_by_weights": {"last": test},
            "parameters": 7,
            "cpu_seconds": 2.0,
        }

    reached = summarise("half_cheetah", "ltc", [run(0, 2.0), run(1, 2.2), run(2, None)])
    assert (reached["runs"], reached["diverged"], reached["reached"]) == (2, 1, True)
    assert reached["mean"] == pytest.approx(2.1) and reached["sd"] == pytest.approx(
        0.1414, abs=1e-4
    )
    missed = summarise("event_xor", "cfc", [run(0, 98.0)])
    assert missed["reached"] is False and summarise("walker2d", "cfc", [])["reached"] is None
    rows = {
        "half_cheetah": {"ltc": reached},
        "event_xor": {"cfc": missed},
        "walker2d": {"cfc": summarise("walker2d", "cfc", [])},
    }
    page = markdown(rows)
    assert (
        "| ltc | **2.100 ± 0.141** | 2 | 2.308 ± 0.015 | 2.308 reached | 2.100 ± 0.141 | 7 | 2 |"
        in page
        and "99 missed" in page
    )
    (tmp_path / "broken.json").write_text("{")
    assert read_runs(tmp_path) == {}


def test_published_figures_are_the_papers():
    assert recipes.PUBLISHED["half_cheetah"]["ltc"] == (2.308, 0.015) and recipes.PUBLISHED[
        "walker2d"
    ]["memory_first"] == (0.617, 0.006)
