"""The command line as a user meets it: help, wrong words, bad input, every verb once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from liquid_control.cli import doctor
from liquid_control.cli import main as cli
from liquid_control.cli.arguments import parse
from liquid_control.cli.doctor import DoctorSettings
from liquid_control.cli.verbs import Entry
from liquid_control.config import PreprocessConfig
from liquid_control.model.cores import LstmConfig
from liquid_control.model.policy_config import PolicyConfig
from liquid_control.system.verb import Interrupted, Verb


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """An untrained model on disk, without its ONNX graph."""
    from liquid_control.model.car import lane_keeping
    from liquid_control.policy.network import PolicyNetwork
    from liquid_control.policy.saved import save_model

    directory = tmp_path_factory.mktemp("models") / "fresh"
    save_model(
        directory,
        PolicyNetwork(PolicyConfig(), lane_keeping(PreprocessConfig(height=16, width=32))),
        {"method": "none"},
        {"departures": 7},
    )
    return directory


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "liquid_control.cli", *arguments], capture_output=True, text=True
    )


def test_help_lists_every_verb(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb.words in shown and verb.summary in shown for verb in cli.VERBS)


def test_help_lists_the_exit_codes(capsys):
    cli.main(["--help"])
    shown = capsys.readouterr().out.split("exit codes:")[1]
    assert all(f"\n  {code} " in shown for code in (cli.DONE, cli.FAILED, cli.WRONG_USAGE))
    assert f"\n  {cli.INTERRUPTED} " in shown


@pytest.mark.parametrize("words", ["train simulation", "train recordings"])
@pytest.mark.parametrize(
    "given",
    [
        ["--core", "lstm", "--core.units", "8"],
        ["--core=lstm", "--policy.core.units", "8"],
        ["--policy.core.units", "8", "--policy.core", "lstm"],
    ],
)
def test_the_core_has_a_short_flag(words, given):
    settings = next(one for one in cli.VERBS if one.words == words).load().settings
    request = parse(settings, words, "s", given)
    assert request.settings.policy == PolicyConfig(core=LstmConfig(units=8))


@pytest.mark.parametrize(
    "given, said",
    [
        (["--core", "transformer"], "'transformer', expected one of ltc, cfc"),
        (["--memory", "lstm"], "--memory is now spelled --core"),
        (["--policy.memory=lstm"], "--policy.memory is now spelled --policy.core"),
        (["--policy.units", "8"], "--policy.units is now spelled --policy.core.units"),
        (["--policy.wiring-seed", "8"], "now spelled --policy.core.wiring.seed"),
    ],
)
def test_wrong_and_old_flags_of_the_core_are_refused_by_name(given, said, capsys):
    assert cli.main(["train", "simulation", "--out", "never_made", *given]) == cli.WRONG_USAGE
    assert said in capsys.readouterr().err


def test_settings_of_another_core_are_refused(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["train", "simulation", "--core", "lstm", "--core.unfolds", "8"])
    assert leaving.value.code == 2 and "unfolds" in capsys.readouterr().err


def test_help_shows_the_settings_of_the_core_that_is_named(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "simulation", "--core", "feedforward_stack", "--help"])
    shown = capsys.readouterr().out
    assert "--policy.core.stack" in shown and "--policy.core.unfolds" not in shown
    assert "--core" in shown and "gru_timed" in shown


def test_a_short_flag_is_not_known_where_its_long_form_is_not(capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(["collect", "somewhere", "--core", "lstm"])
    assert leaving.value.code == 2 and "--core" in capsys.readouterr().err


@pytest.mark.parametrize("verb", cli.VERBS, ids=lambda verb: verb.words)
def test_every_verb_explains_its_flags(verb, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main([*verb.words.split(), "--help"])
    assert leaving.value.code == 0
    shown = capsys.readouterr().out
    assert f"liquid-control {verb.words}" in shown and "--json" in shown


def test_fields_of_configs_are_explained_with_their_bounds(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "simulation", "--help"])
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "inter neurons; 1 to 4096 (default: 12)" in shown


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train"], ["--seconds", "3"]])
def test_a_wrong_verb_gets_the_usage_and_code_2(arguments, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert "usage: liquid-control" in out + err


@pytest.mark.parametrize(
    "arguments, wrong, meant",
    [
        (["evalate", "lane_keeper"], "evalate", "evaluate"),
        (["Replay"], "Replay", "replay"),
        (["trian", "simulation"], "trian", "train simulation"),
        (["train", "simulaton", "--out", "x"], "train simulaton", "train simulation"),
        (["train", "--out", "x"], "train", "train simulation or train recordings"),
        (["simulation"], "simulation", "train simulation"),
        (["bench", "cell"], "bench cell", "bench cells"),
        (["soak", "gat"], "soak gat", "soak gate"),
        (["fly"], "fly", ""),
        (["--seconds", "3"], "--seconds", ""),
    ],
)
def test_a_mistyped_verb_is_named_with_the_nearest_in_one_line(arguments, wrong, meant, capsys):
    assert cli.main(arguments) == cli.WRONG_USAGE
    out, err = capsys.readouterr()
    assert not out and len(err.splitlines()) == 1 and wrong in err
    assert (f"did you mean {meant}" in err) if meant else ("did you mean" not in err)


@pytest.mark.parametrize("verb", cli.VERBS, ids=lambda verb: verb.words)
def test_a_verb_with_two_letters_exchanged_is_recognised(verb, capsys):
    *before, last = verb.words.split()
    mistyped = last[:1] + last[2] + last[1] + last[3:]
    assert cli.main([*before, mistyped]) == cli.WRONG_USAGE
    assert f"did you mean {verb.words}" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_that_of_the_package(flag, capsys):
    assert cli.main([flag]) == 0
    shown = capsys.readouterr().out
    manifest = ElementTree.parse(Path(__file__).parents[2] / "package.xml")
    assert shown.split()[:2] == ["liquid-control", manifest.findtext("version")]
    assert cli.VERSION == manifest.findtext("version")


def test_the_package_runs_as_a_module():
    for module in ("liquid_control", "liquid_control.cli"):
        done = subprocess.run([sys.executable, "-m", module, "fly"], capture_output=True, text=True)
        assert done.returncode == 2 and "no verb 'fly'" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["inspect"], ["inspect", "a", "--no-such-flag"], ["evaluate", "a", "--roads", "many"]],
)
def test_a_wrong_flag_gets_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["inspect", "no_such_model"], "no_such_model"),
        (["evaluate", "no_such_model"], "no_such_model"),
        (["export", "no_such_model"], "no_such_model"),
        (
            ["train", "simulation", "--out", "never_made", "--core.wiring.inter", "0"],
            "WiringConfig.inter: got 0",
        ),
        (["train", "simulation", "--out", "never_made", "--steps", "-1"], "steps: got -1"),
        (["collect", "--json=never_made"], "--json: got 'never_made', expected no value"),
        (["drive", "--no-video=false"], "--no-video: got 'false', expected no value"),
        (["replay", "a", "b", "--golden_update=0"], "--golden_update: got '0', expected no value"),
        (["train", "simulation", "--fit.batch", "0"], "FitSettings.batch: got 0, expected 1 to"),
        (["train", "imitation", "--bags", "x"], "now spelled train recordings --recordings"),
        (["train", "imitation", "--out", "x", "--bags=x"], "now spelled train recordings"),
        (["train", "imitation"], "train imitation is now spelled train simulation"),
        (["train", "imitation", "--help"], "train imitation is now spelled train simulation"),
        (["collect", "x", "--wobble", "0.1"], "--wobble is now spelled --steering-noise"),
        (["collect", "x", "--wobble=0.1"], "--wobble is now spelled --steering-noise"),
        (["train", "imitation", "--seed", "0"], "train imitation is now spelled train simulation"),
        (["train", "recordings", "--bags", "x"], "--bags is now spelled --recordings"),
        (
            ["train", "simulation", "--memory-fit.looks", "2"],
            "--memory-fit.looks is now spelled --core-fit.passes",
        ),
        (
            ["train", "simulation", "--memory-fit.steps=2"],
            "--memory-fit.steps is now spelled --core-fit.steps",
        ),
        (
            ["train", "simulation", "--exam-roads", "2"],
            "--exam-roads is now spelled --evaluation-roads",
        ),
    ],
)
def test_bad_input_is_one_clear_line_and_code_2(arguments, said, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and len(err.strip().splitlines()) == 1


def test_a_tampered_model_is_refused_by_name(model, tmp_path):
    copy = tmp_path / "tampered"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    with (copy / "weights.safetensors").open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\xff")
    done = run("inspect", str(copy))
    assert (
        done.returncode == 2
        and "weights.safetensors" in done.stderr
        and "Traceback" not in done.stderr
    )


def test_inspect_says_what_a_model_is_and_draws_it(model, tmp_path, capsys):
    picture = tmp_path / "wiring.svg"
    assert cli.main(["inspect", str(model), "--out", str(picture), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["neurons"], facts["synapses"], facts["parameters"]["recurrent"]) == (
        19,
        252,
        1065,
    )
    assert facts["image"] == {"width": 32, "height": 16} and facts["metrics"] == {"departures": 7}
    assert facts["bytes"]["weights.safetensors"] == (model / "weights.safetensors").stat().st_size
    assert ElementTree.parse(picture).getroot().tag.endswith("svg")


def test_inspect_for_people_has_a_line_per_fact(model, capsys):
    assert cli.main(["inspect", str(model)]) == 0
    lines = dict(line.split(None, 1) for line in capsys.readouterr().out.splitlines())
    assert (
        lines["synapses"] == "252"
        and lines["layers.command"] == "6"
        and lines["metrics.departures"] == "7"
    )


def test_export_writes_a_graph_that_the_model_file_accepts(model, capsys):
    assert cli.main(["export", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["onnx"].endswith("policy.onnx")
    assert cli.main(["inspect", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"]["policy.onnx"] > 0


@pytest.mark.parametrize("flags, shown", [([], "metres  3\n"), (["--json"], '{"metres": 3}\n')])
def test_a_verb_that_ctrl_c_ended_early_still_reports(flags, shown, monkeypatch, capsys):
    def run(settings):
        raise Interrupted({"metres": 3})

    monkeypatch.setattr(doctor, "STOPS", Verb(DoctorSettings, run), raising=False)
    monkeypatch.setattr(cli, "VERBS", (Entry("stops", "stops", "cli.doctor:STOPS"),))
    assert cli.main(["stops", *flags]) == 130
    assert capsys.readouterr().out == shown


def test_ctrl_c_is_quiet_and_130():
    program = (
        "import signal, sys, time\nfrom liquid_control.cli import main as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from liquid_control.cli import doctor\n"
        "from liquid_control.cli.verbs import Entry\n"
        "def wait(settings): print('waiting', flush=True); time.sleep(60)\n"
        "doctor.WAIT = cli.Verb(doctor.DoctorSettings, wait)\n"
        "cli.VERBS = (Entry('wait', 'wait', 'cli.doctor:WAIT'),); sys.exit(cli.main(['wait']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "waiting\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "")


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["--help"], 0),
        (["doctor", "--help"], 0),
        (["inspect", "lane_keeper", "--json"], 0),
        (["fails"], 1),
        (["fly"], 2),
    ],
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_left_changes_neither_work_nor_exit_code(
    arguments, code, unbuffered, tmp_path
):
    program = (
        "import sys; from pathlib import Path\n"
        "from liquid_control.cli import main as cli\n"
        "from liquid_control.cli import doctor\n"
        "from liquid_control.cli.verbs import Entry\n"
        "def work(settings):\n"
        "    print('x' * 100_000, flush=True); Path(sys.argv[1]).touch(); return {'done': True}\n"
        "doctor.FAILS = cli.Verb(doctor.DoctorSettings, work, succeeded=lambda facts: False)\n"
        "fails = Entry('fails', 'fails', 'cli.doctor:FAILS')\n"
        "cli.VERBS = (*cli.VERBS, fails); sys.exit(cli.main(sys.argv[2:]))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", program, str(tmp_path / "done"), *arguments]
    done = subprocess.run(
        command,
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": unbuffered},
    )
    os.close(writer)
    assert done.returncode == code and "Error" not in done.stderr
    assert (tmp_path / "done").exists() == (arguments == ["fails"])


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["inspect", "~nobody_of_this_name/x"], "no such model directory"),
        (["inspect", "x" * 300], "File name too long"),
        (["faults", "--out", "/dev/null/x"], "/dev/null is no folder"),
        (["soak", "--out", __file__], "test_main.py is no folder"),
        (["collect", __file__ + "/x"], "test_main.py is no folder"),
        (["inspect", "lane_keeper", "--out", os.path.dirname(__file__)], "is a folder"),
        (["inspect", "lane_keeper", "--out", "/proc/x.svg"], "/proc/x.svg"),
    ],
)
def test_impossible_places_are_refused_before_the_work(arguments, said, capsys):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert not out and said in err and len(err.strip().splitlines()) == 1


def test_what_has_no_letters_is_written_as_escapes():
    program = (
        "import sys; from liquid_control.cli import main as cli; "
        "cli.usage = lambda verbs: 'caf' + chr(0xDCE9); sys.exit(cli.main(['--help']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
    )
    assert (done.returncode, done.stdout) == (0, b"caf\\udce9\n"), done.stderr
