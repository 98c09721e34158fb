"""Golden recordings hold, and when commands move the report says which, where, how far and what
changed."""

from __future__ import annotations

import json

import pytest

from liquid_control.cli import main as cli
from liquid_control.evaluate.replay.golden import COMMANDS, GOLDEN, robot
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings


@pytest.fixture
def kept(make_drive, tmp_path, capsys):
    """A folder with one golden recording, whose gate has another limit."""
    bag = make_drive(tmp_path / "bags" / "bends", seconds=4.0, size=(64, 128))
    flags = [
        "--golden",
        str(tmp_path / "golden"),
        "--golden-update",
        "--gate.max-steering-rate",
        "0.4",
    ]
    assert cli.main(["replay", "lane_keeper", str(bag), *flags]) == 0
    capsys.readouterr()
    return tmp_path / "golden"


def contents(folder) -> dict:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def examine(folder, capsys) -> tuple[int, dict]:
    code = cli.main(["replay", "--golden", str(folder), "--json"])
    return code, json.loads(capsys.readouterr().out)["results"][0]


def test_stored_commands_hold_and_checking_changes_nothing(kept, capsys):
    before = contents(kept.parent)
    code, result = examine(kept, capsys)
    assert (
        code == 0
        and result["passed"]
        and result["identical"]
        and result["commands"] == 100
        and result["name"] == "bends"
    )
    assert contents(kept.parent) == before
    golden = json.loads((kept / "bends" / GOLDEN).read_text())
    assert (
        golden["bag"] == "../../bags/bends"
        and golden["model"] == "lane_keeper"
        and len(golden["model_files"]) == 2
    )
    assert (
        golden["settings"] == {"gate": {"max_steering_rate": 0.4}}
        and robot(golden["settings"]).gate.max_steering_rate == 0.4
    )


def test_commands_that_moved_fail_with_the_first_stamp_and_the_largest_difference(kept, capsys):
    file = kept / "bends" / COMMANDS
    lines = file.read_text().splitlines()
    place = lines[0].split(",").index("steering_angle")
    for row, shift in ((31, 0.02), (60, -0.05)):
        cells = lines[row].split(",")
        cells[place] = repr(float(cells[place]) + shift)
        lines[row] = ",".join(cells)
    dropped = lines.pop(80)
    file.write_text("\n".join(lines) + "\n")
    code, result = examine(kept, capsys)
    assert (
        code == 1
        and not result["passed"]
        and (result["moved"], result["missing"], result["surplus"]) == (2, 0, 1)
    )
    assert result["largest"]["steering_angle"]["difference"] == pytest.approx(0.05)
    assert result["first_ns"] == int(lines[31].split(",")[4]) and result[
        "first_s"
    ] == pytest.approx(1.2)
    assert int(dropped.split(",")[4]) > result["first_ns"] and not result["versions_changed"]
    assert cli.main(["replay", "--golden", str(kept)]) == 1
    said = capsys.readouterr().out
    assert (
        "bends: moved" in said
        and "neither model nor libraries" in said
        and "1.200 s" in said
        and "0.05 rad" in said
    )


def test_what_moves_within_the_tolerance_holds_and_changes_are_named(kept, capsys):
    path = kept / "bends" / GOLDEN
    golden = json.loads(path.read_text())
    golden["model_files"]["policy.onnx"] = "0" * 64
    golden["versions"]["numpy"] = "1.0"
    path.write_text(
        json.dumps(golden | {"settings": {"gate": {"max_lateral_jerk": 15.002}}, "tolerance": 0.01})
    )
    code, result = examine(kept, capsys)
    assert (
        code == 0
        and result["passed"]
        and not result["identical"]
        and 0 < result["largest"]["steering_angle"]["difference"] < 0.01
    )
    assert (
        result["model_changed"] == ["policy.onnx"]
        and result["versions_changed"]["numpy"][0] == "1.0"
    )
    assert cli.main(["replay", "--golden", str(kept)]) == 0
    said = capsys.readouterr().out
    assert (
        "within tolerance" in said and "the model's policy.onnx" in said and "numpy 1.0 →" in said
    )


def test_an_update_keeps_the_settings_and_takes_the_commands_of_today(kept, capsys):
    file = kept / "bends" / COMMANDS
    whole = file.read_bytes()
    file.write_text("bag,model\n")
    assert (
        cli.main(["replay", "--golden", str(kept)]) == 2
        and "--golden-update" in capsys.readouterr().err
    )
    assert cli.main(["replay", "--golden", str(kept), "--golden-update"]) == 0
    assert (
        file.read_bytes() == whole and "max_steering_rate" in (kept / "bends" / GOLDEN).read_text()
    )


@pytest.mark.parametrize(
    "text", ["", "[]", '{"bag": "x"}', '{"settings": {"gate": {"no_such": 1}}}']
)
def test_what_is_not_a_golden_recording_is_refused(tmp_path, capsys, text):
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / GOLDEN).write_text(text)
    assert cli.main(["replay", "--golden", str(tmp_path)]) == 2
    assert "is not a golden recording" in capsys.readouterr().err


def test_an_empty_folder_and_half_a_question_are_refused(tmp_path, capsys):
    assert (
        cli.main(["replay", "--golden", str(tmp_path)]) == 2
        and "--golden-update" in capsys.readouterr().err
    )
    assert (
        cli.main(["replay", "lane_keeper", "--golden", str(tmp_path)]) == 2
        and "--golden-update" in capsys.readouterr().err
    )


def test_settings_hold_only_what_differs_from_the_defaults():
    assert robot({}) == OpenLoopSettings()
    found = robot(
        {"recording": {"vehicle": {"wheelbase": 3.0}, "topics": {"imu": "/imu"}}, "set_speed": 9.0}
    )
    assert (
        found.recording.vehicle.wheelbase == 3.0
        and found.recording.topics.imu == "/imu"
        and found.set_speed == 9.0
    )
