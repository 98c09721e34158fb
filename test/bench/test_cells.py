from __future__ import annotations

import json
import time

import pytest
import torch

from liquid_control.bench import cells
from liquid_control.bench.cells_report import table, write_report
from liquid_control.bench.timing import machine, take_turns
from liquid_control.errors import ConfigError


def test_contenders_take_turns_and_the_median_counts():
    calls = []

    def work(name, seconds):
        def call():
            calls.append(name)
            time.sleep(seconds)

        return call

    times = take_turns({"slow": work("slow", 0.03), "quick": work("quick", 0.001)}, rounds=3)
    assert 0.03 <= times["slow"] and 0.001 <= times["quick"] < times["slow"]
    turns = [name for name, before in zip(calls, [None, *calls], strict=False) if name != before]
    assert turns == ["slow", "quick"] * 3


def test_machine_names_processor_versions_and_date():
    facts = machine(("numpy",))
    assert (
        facts["processor"]
        and facts["cores"] >= 1
        and facts["numpy"]
        and facts["date"].endswith("+00:00")
    )


def test_a_small_run_compares_equal_computations_and_leaves_its_files(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "BATCH", 4)
    monkeypatch.setattr(cells, "TIME", 3)
    monkeypatch.setattr(cells, "TIMES", (2, 4))
    monkeypatch.setattr(cells, "BATCHES", (1, 20))
    monkeypatch.setattr(cells, "PEER_LIMIT", 100)
    monkeypatch.setattr(cells, "FIRST_USE", "print(0.5)")
    threads = torch.get_num_threads()
    result = cells.bench_cells(cells.CellsSettings(out=tmp_path, rounds=1, threads=1))
    assert torch.get_num_threads() == threads and result["machine"]["threads"] == 1
    assert [row["name"].split(",")[0] for row in result["rows"]] == [
        "LTC",
        "LTC",
        "wired CfC",
        "wired CfC",
    ]
    for row in result["rows"]:
        assert (
            row["difference"] < 1e-5
            and row["ratio"] == row["peer"] / row["ours"] > 0
            and row["must"] < row["aim"]
        )
    assert len(result["scaling"]) == 2 * 4
    assert {("peer" in point) for point in result["scaling"] if point["along"] == "T"} == {
        True,
        False,
    }
    assert json.loads((tmp_path / "cells.json").read_text()) == json.loads(json.dumps(result))
    assert (tmp_path / "cells.png").read_bytes().startswith(b"\x89PNG")
    shown = table(result)
    assert "wired CfC, one step" in shown and "0.5 s to compile" in shown


def test_without_scaling_there_are_no_curves(tmp_path):
    row = {
        "name": "LTC, one step, batch 1",
        "peer": 5e-4,
        "ours": 2.5e-6,
        "reference": None,
        "must": 50,
        "aim": 150,
        "difference": 1e-7,
    }
    result = {
        "machine": {
            "processor": "P",
            "threads": 2,
            "torch": "2",
            "numba": "0",
            "ncps": "1",
            "date": "d",
        },
        "first_use": {"compiling": 5.0, "cached": 0.5},
        "rows": [row | {"ratio": 200.0}],
        "scaling": [],
    }
    assert "2.50 µs" in table(result) and "200.0" in table(result)
    write_report(result, tmp_path)
    assert (tmp_path / "cells.png").exists()


def test_a_gpu_row_stands_with_the_others_and_names_the_gpu(tmp_path):
    rows = [
        {
            "name": f"{name}, forward + backward on a GPU, B=128, T=100",
            "peer": 0.2,
            "ours": 4e-4,
            "reference": 0.05,
            "ratio": 500.0,
            "must": must,
            "aim": aim,
            "difference": 1e-7,
        }
        for name, must, aim in (("LTC", 100, 500), ("wired CfC", None, None))
    ]
    facts = {
        "processor": "P",
        "threads": 2,
        "torch": "2",
        "numba": "0",
        "ncps": "1",
        "date": "d",
        "gpu": "G",
        "cuda": "13",
        "triton": "3",
    }
    result = {
        "machine": facts,
        "first_use": {"compiling": 5.0, "cached": 0.5},
        "rows": rows,
        "scaling": [],
    }
    shown = table(result)
    assert (
        "G, CUDA 13, triton 3" in shown
        and "400 µs" in shown
        and shown.splitlines()[2].split()[-2] == "-"
    )
    write_report(result, tmp_path)
    assert (tmp_path / "cells.png").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_alone_is_refused_where_there_is_none(tmp_path):
    with pytest.raises(ConfigError, match="gpu_only"):
        cells.bench_cells(cells.CellsSettings(out=tmp_path, gpu_only=True))
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_is_measured_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(cells, "BATCH", 4)
    monkeypatch.setattr(cells, "TIME", 3)
    result = cells.bench_cells(cells.CellsSettings(out=tmp_path, rounds=1, gpu_only=True))
    assert [row["name"].split(",")[0] for row in result["rows"]] == ["LTC", "wired CfC"]
    assert (
        all(row["difference"] < 1e-5 and row["ratio"] > 1 for row in result["rows"])
        and result["machine"]["gpu"]
    )
