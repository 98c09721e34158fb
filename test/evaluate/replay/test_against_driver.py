"""A policy's steering against the driver's, in the unit in which the driver's is recorded."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from liquid_control.cli import main as cli
from liquid_control.config import VehicleConfig
from liquid_control.evaluate.replay.against_driver import against_driver, of_driver
from liquid_control.evaluate.replay.metrics import agreement, compare
from liquid_control.evaluate.replay.open_loop import OpenLoopSettings, replay
from liquid_control.recordings.settings import RecordingSettings

FULL = 2.5
COUNT = 60


def settings() -> OpenLoopSettings:
    recording = RecordingSettings(largest_curvature=FULL, constant_speed=1.0)
    return OpenLoopSettings(recording=recording)


def tub(tables, folder, commands, size=(16, 32)):
    records = [
        tables.record(index, user__angle=float(command)) for index, command in enumerate(commands)
    ]
    return tables.write_tub(folder / "tub", records, size=size)


def judged(path, policy, options=None):
    (log,) = replay({"policy": policy}, path, options or settings())
    return against_driver([compare(log)])


def test_figures_of_a_command_are_in_its_unit_and_in_curvature(tables, scripted, tmp_path):
    commands = np.round(0.6 * np.sin(np.arange(COUNT) / 4) + 0.1, 3)
    path = tub(tables, tmp_path, commands)
    found = judged(path, scripted(lambda _: 0.5))
    # A tub's command is positive to the right, a curvature to the left.
    labels, value = -commands, 0.5 / FULL
    error = value - labels
    assert found["unit"] == "command" and found["frames"] == COUNT
    assert found["mae"] == pytest.approx(np.abs(error).mean(), abs=1e-6)
    assert found["bias"] == pytest.approx(error.mean(), abs=1e-6)
    assert found["mae_curvature"] == pytest.approx(FULL * found["mae"])
    assert found["bias_curvature"] == pytest.approx(FULL * found["bias"])
    assert found["r2"] == pytest.approx(
        1 - (error**2).sum() / (labels - labels.mean()).var() / COUNT
    )
    assert found["correlation"] is None
    assert found["always_mean"]["r2"] == pytest.approx(0.0, abs=1e-9)
    assert found["always_mean"]["mae"] == pytest.approx(np.abs(labels - labels.mean()).mean())
    assert found["always_zero"]["mae"] == pytest.approx(np.abs(labels).mean())
    assert found["always_zero"]["r2"] < 0.0


def test_a_policy_beyond_the_largest_curvature_counts_as_full_steering(tables, scripted, tmp_path):
    path = tub(tables, tmp_path, [-1.0, 0.0, 1.0] * 20)
    found = judged(path, scripted(lambda _: 99.0))
    assert found["bias"] == pytest.approx(1.0) and found["mae"] == pytest.approx(1.0)


def test_a_constant_driver_has_no_r2(drive, scripted, driven):
    (log,) = replay({"policy": scripted(driven)}, drive)
    found = compare(log)
    constant = dataclasses.replace(found, recorded=np.full_like(found.recorded, 0.3))
    block = against_driver([constant])
    assert block["r2"] is None and block["correlation"] is None
    assert block["mae"] == pytest.approx(np.abs(0.3 - found.angle).mean())
    assert "never changes" in " ".join(of_driver(block))


def test_bang_bang_labels_are_named(tables, scripted, tmp_path):
    commands = [0.0] * 30 + [1.0] * 9 + [-1.0] * 6 + list(np.linspace(-0.9, 0.85, 15))
    found = judged(tub(tables, tmp_path, commands), scripted(lambda _: 0.0))
    assert found["zeros"] == pytest.approx(0.5) and found["at_ends"] == pytest.approx(0.25)
    assert "50 % are exactly 0 and 25 % at the ends" in " ".join(of_driver(found))
    smooth = found | {"zeros": 0.1, "at_ends": 0.1}
    assert "bang-bang" not in " ".join(of_driver(smooth))


def test_a_driver_in_pulses_is_compared_without_them_too(tables, scripted, tmp_path):
    pulses = np.tile([0.8, 0.8, 0.8, 0.8, 0.0, 0.0, 0.0], 20) * np.repeat([1, -1, 1, -1], 35)
    gentle = OpenLoopSettings(RecordingSettings(largest_curvature=0.05, constant_speed=1.0))
    found = judged(tub(tables, tmp_path / "a", pulses), scripted(lambda _: 0.0), gentle)
    # A picture every 0.05 s: the mean is over seven of them, a whole period, but at the turns.
    mean = np.convolve(-pulses, np.ones(7), "same") / np.convolve(np.ones(140), np.ones(7), "same")
    without = found["without_pulses"]
    assert without["seconds"] == 0.35
    assert without["mae"] == pytest.approx(np.abs(mean).mean(), abs=0.01)
    assert without["r2"] == pytest.approx(-(mean.mean() ** 2) / mean.var(), abs=0.01)
    assert without["kept"] == pytest.approx(agreement(mean, -pulses)["r2"], abs=0.02)
    assert "steers in pulses" in " ".join(of_driver(found))
    calm = 0.6 * np.sin(np.arange(COUNT) / 8)
    found = judged(tub(tables, tmp_path / "b", calm), scripted(lambda _: 0.0), gentle)
    assert found["without_pulses"] is None and "pulses" not in " ".join(of_driver(found))


def test_of_an_angle_the_unit_is_rad(drive, scripted, driven):
    found = judged(drive, scripted(lambda seconds: driven(seconds) + 0.004), OpenLoopSettings())
    assert found["unit"] == "rad"
    assert found["bias"] == pytest.approx(0.004 * VehicleConfig().wheelbase, rel=0.01)
    assert found["bias_curvature"] == pytest.approx(0.004, rel=0.01)
    assert found["r2"] < found["correlation"] ** 2


def test_the_answer_has_the_block_with_and_without_a_comparison(
    tables, make_drive, tmp_path, capsys
):
    path = tub(tables, tmp_path, np.sin(np.arange(COUNT) / 4), (72, 144))
    flags = ["--largest-curvature", "2", "--constant-speed", "1"]
    assert cli.main(["replay", "lane_keeper", str(path), *flags, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    block = facts["steering"]
    assert {"r2", "mae", "correlation", "bias", "frames"} <= set(block)
    assert block == facts["overall"]["lane_keeper"]["against_driver"]
    assert block["frames"] == COUNT and block["r2"] < 1.0
    assert cli.main(["replay", "lane_keeper", str(path), *flags]) == 0
    text = capsys.readouterr().out
    command = f"evaluate lane_keeper --world recording:{path} --largest-curvature 2.0"
    assert command in text and command in facts["closed_loop"]
    assert "R²" in text and f"R² is {block['r2']:.3f}" in text
    bare = make_drive(tmp_path / "bare", seconds=2.0, steering=False)
    cli.main(["replay", "lane_keeper", str(bare), "--json"])
    facts = json.loads(capsys.readouterr().out)
    block, drives_there = facts["steering"], facts["closed_loop"]
    assert drives_there == ""
    assert block["frames"] == 0 and block["r2"] is None and block["mae"] is None


def test_r2_is_1_of_the_driver_and_0_of_the_mean():
    label = np.array([0.0, 1.0, 2.0, 5.0])
    assert agreement(label, label)["r2"] == 1.0
    assert agreement(np.full(4, 2.0), label)["r2"] == pytest.approx(0.0)
    assert agreement(label, np.full(4, 2.0))["r2"] is None
