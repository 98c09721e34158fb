"""The file of a measurement."""

from __future__ import annotations

import json
import sys

from liquid_control.bench.timing import write_result


def test_a_result_is_written_with_its_command_and_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["liquid-control", "bench", "thing", "--rounds", "2"])
    path = tmp_path / "new" / "thing.json"
    result = write_result(path, ("numpy",), {"figure": 3.5, "must": {"figure": 4.0}})
    assert json.loads(path.read_text()) == result
    assert result["command"] == "liquid-control bench thing --rounds 2"
    assert result["figure"] == 3.5 and result["machine"]["numpy"]
    assert list(path.parent.iterdir()) == [path]
