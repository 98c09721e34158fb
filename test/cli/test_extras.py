"""The command line where packages are missing: every verb says which extra it needs in one line,
and the extras suffice for what they promise."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from liquid_control.cli.extras import EXTRAS, MODULES, extra_of, missing
from liquid_control.cli.plain_arguments import parse_plainly
from liquid_control.cli.verbs import VERBS

ROOT = Path(__file__).resolve().parents[2]
NEEDS = {
    "drive": "run",
    "joystick": "run",
    "collect": "run sim",
    "train simulation": "train",
    "train recordings": "train",
    "train takeovers": "train",
    "train ppo": "train",
    "improve": "train",
    "evaluate": "run sim",
    "replay": "run bags report",
    "explain": "train report",
    "inspect": "run",
    "convert": "run bags",
    "operate": "run",
    "install-service": "run",
    "export": "train",
    "sign": "run security",
    "bench cells": "train report",
    "bench train": "train report",
    "bench replay": "run bags report",
    "bench step": "train report",
    "bench shadow": "run sim",
    "bench operator": "run",
    "bench recorder": "run bags sim",
    "bench driving": "train report",
    "bench tables": "train report",
    "bench recordings": "train report",
    "bench recorded-world": "train report",
    "bench takeovers": "train report",
    "bench adaptation": "train report",
    "bench speed": "train report",
    "faults": "run sim",
    "soak gate": "run",
    "soak inputs": "run bags",
    "soak recordings": "run bags",
    "soak recorder": "run bags",
    "soak processes": "run sim",
    "soak operator": "run",
    "soak joystick": "run",
    "soak": "run sim",
    "doctor": "",
}
"""The extras that a verb needs to begin; `train` brings run, sim and bags."""
WITHOUT = """
import contextlib, io, json, os, sys
blocked = set(sys.argv[1].split(","))
class Blocked:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked)
from liquid_control.cli.main import main
answers = []
for arguments in json.loads(sys.argv[2]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments)
        except SystemExit as leaving:
            code = leaving.code
    answers.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(answers))
"""


def brought(extras: str) -> set[str]:
    """Top-level modules that the extras bring."""
    names = set(extras.split())
    if "train" in names:
        names |= {"run", "sim", "bags"}
    return {module.partition(".")[0] for extra in names for module in EXTRAS[extra]}


def run_with(extras: str, commands: list[list[str]], tmp_path: Path) -> list:
    """(exit code, stdout, stderr) of each command where only these extras are installed."""
    everything = {module.partition(".")[0] for modules in EXTRAS.values() for module in modules}
    blocked = ",".join(everything - brought(extras))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, blocked, json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "extras", ["", "run", "run bags", "run bags report", "run sim", "run security", "train"]
)
def test_each_verb_shows_its_help_or_names_an_extra_that_it_lacks(extras, tmp_path):
    commands = [[*verb.words.split(), "--help"] for verb in VERBS]
    answers = run_with(extras, [["--help"], ["--version"], *commands], tmp_path)
    assert [code for code, _, _ in answers[:2]] == [0, 0]
    have = set(extras.split()) | ({"run", "sim", "bags"} if "train" in extras else set())
    for verb, (code, out, err) in zip(VERBS, answers[2:], strict=True):
        wanted = set(NEEDS[verb.words].split())
        if "train" in wanted:
            wanted |= {"run", "sim", "bags"}
        if wanted <= have:
            assert code == 0 and "--json" in out, (verb.words, err)
        elif code != 0:
            assert code == 2 and not out and len(err.splitlines()) == 1, (verb.words, err)
            named = re.search(r"pip install 'liquid_control\[(\w+)\]'", err)
            assert named and named[1] in wanted - have, (verb.words, err)


def test_every_verb_is_in_the_table():
    assert set(NEEDS) == {verb.words for verb in VERBS}


def test_doctor_runs_on_the_standard_library_alone_and_lists_what_is_missing(tmp_path):
    ((code, out, err), (code_of_json, shown, _)) = run_with(
        "", [["doctor", "--no-drawing"], ["doctor", "--json", "--no-drawing"]], tmp_path
    )
    assert code == code_of_json == 1 and not err
    listed = json.loads(shown)["findings"]
    found = {finding["name"]: finding for finding in listed if finding["group"] in EXTRAS}
    assert found["numpy"]["state"] == found["onnxruntime"]["state"] == "missing"
    assert found["tyro"]["state"] == found["torch"]["state"] == "note"
    assert "numpy" in out and "A part that a policy needs is missing" in out


def test_without_tyro_the_same_flags_are_read(tmp_path):
    commands = [
        ["inspect", "no_such_model", "--json"],
        ["soak", "gate", "--commands", "many"],
        ["soak", "gate", "--help"],
        ["doctor", "--no-such-flag"],
        ["train", "simulation", "--help"],
    ]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "tyro", json.dumps(commands)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    assert [code for code, _, _ in answers] == [2, 2, 0, 2, 2]
    assert "no such model directory" in answers[0][2]
    assert (
        "seed of the histories; 0 to" in answers[2][1] and "tyro is not installed" in answers[4][2]
    )


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.words)
def test_plain_flags_give_the_settings_that_tyro_gives(verb):
    from liquid_control.cli.arguments import parse
    from liquid_control.config import flags

    kind, arguments = verb.load().settings, []
    for flag in flags(kind):
        if flag.positional:
            arguments.insert(0, "tub" if verb.words == "bench recorded-world" else "lane_keeper")
        elif flag.kind in (int, float) and "low" in flag.field.metadata:
            arguments += [f"--{flag.name}", str(flag.kind(flag.field.default))]
    arguments.append("--json")
    plain = parse_plainly(kind, "p", "s", arguments)
    if plain is None:
        assert any("variants" in flag.field.metadata for flag in flags(kind))
        return
    full = parse(kind, "p", "s", arguments)
    assert plain.settings == full.settings and plain.json and full.json
    assert parse_plainly(kind, "p", "s", arguments[:-1]).json is False


def test_the_table_of_extras_is_that_of_setup_py():
    tree = ast.parse((ROOT / "setup.py").read_text())
    lists = {
        node.targets[0].id.lower(): [
            item.value.split(";")[0] for item in node.value.elts if isinstance(item, ast.Constant)
        ]
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    }
    unimported = {"pytest-timeout", "ruff"}
    for extra, packages in lists.items():
        for package in packages:
            module = MODULES.get(package, package)
            if package not in unimported and module not in EXTRAS["run"]:
                assert module in EXTRAS[extra], package
    assert set(EXTRAS["run"]) == {MODULES.get(each, each) for each in lists["run"]}


def test_a_module_of_no_extra_stays_an_error_of_this_package():
    assert missing(ModuleNotFoundError("x", name="liquid_control.no_such")) is None
    assert missing(ModuleNotFoundError("x", name="never_heard_of")) is None
    assert "liquid_control[report]" in missing(ModuleNotFoundError("x", name="matplotlib.figure"))
    assert "ROS 2" in missing(ModuleNotFoundError("x", name="rclpy"))
    broken = ImportError("libGL.so.1: cannot open shared object file", name="cv2")
    assert "cv2 cannot be loaded (libGL.so.1" in missing(broken)
    assert extra_of("backports") == extra_of("backports.zstd") == "bags"


def test_a_model_is_inspected_and_the_gate_soaked_with_run_alone(tmp_path):
    commands = [["inspect", "lane_keeper", "--json"], ["soak", "gate", "--commands", "1000"]]
    inspected, soaked = run_with("run", commands, tmp_path)
    assert inspected[0] == 0 and json.loads(inspected[1])["neurons"] == 19
    assert soaked[0] == 0, soaked


def test_with_run_and_sim_a_policy_is_evaluated(tmp_path):
    command = ["evaluate", "lane_keeper", "--roads", "1", "--world.length", "60", "--workers", "1"]
    ((code, out, err),) = run_with("run sim", [[*command, "--json"]], tmp_path)
    assert code == 0 and json.loads(out)["roads"] == 1, err
