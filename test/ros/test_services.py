"""Nodes as systemd services: their files, held against systemd's own judgement, and their signs of
life."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from liquid_control.cli import main as cli
from liquid_control.errors import ConfigError
from liquid_control.ros.services import ServiceSettings, install, quoted


def installed(folder: Path, *arguments: str) -> dict[str, str]:
    """The files by name."""
    install(ServiceSettings(arguments, units=folder / "units", config=folder / "config"))
    return {path.name: path.read_text() for path in sorted(folder.glob("*/*"))}


def test_gate_and_policy_are_apart_and_each_has_its_watchdog(tmp_path):
    files = installed(tmp_path, "vehicle:=f1tenth", "model:=lane_keeper_cfc", "namespace:=car")
    assert set(files) == {
        "gate.parameters.yaml",
        "policy.parameters.yaml",
        "liquid-control-gate.service",
        "liquid-control-policy.service",
    }
    gate, policy = files["liquid-control-gate.service"], files["liquid-control-policy.service"]
    for unit, node in ((gate, "safety_node"), (policy, "policy_node")):
        lines = dict(line.split("=", 1) for line in unit.splitlines() if "=" in line)
        assert lines["Type"] == "notify" and int(lines["WatchdogSec"]) > 0
        assert lines["Restart"] == "always"
        words = shlex.split(lines["ExecStart"])
        assert words[2] == f"liquid_control.ros.{node}" and "__ns:=/car" in words
        read = [Path(word) for word in words if word.endswith(".yaml")]
        assert all(file.is_absolute() and file.is_file() for file in read)
        assert [file.name for file in read][-2] == "f1tenth.yaml"
    for word in ("Requires=", "BindsTo=", "PartOf="):  # a policy that dies leaves the gate alone
        assert word not in gate + policy
    own = json.loads(files["policy.parameters.yaml"])["/**"]["ros__parameters"]
    assert own["model"] == "lane_keeper_cfc"


def test_page_and_recorder_come_as_in_the_launch_file(tmp_path):
    files = installed(tmp_path, "operator:=true", "record:=events")
    names = {name.split(".")[0] for name in files if name.endswith(".service")}
    assert names == {
        f"liquid-control-{part}" for part in ("gate", "policy", "recorder", "operator")
    }
    gate = json.loads(files["gate.parameters.yaml"])["/**"]["ros__parameters"]
    assert gate["engagement.dead_man"] is True


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
def test_systemd_has_nothing_to_say(tmp_path, monkeypatch):
    odd = tmp_path / "a folder; 50 % $HOME"
    odd.mkdir()
    monkeypatch.chdir(odd)
    monkeypatch.setenv("ROS_SECURITY_KEYSTORE", f'{odd}/"keys"')
    installed(odd, "operator:=true", "joystick:=true", "record:=continuous")
    units = sorted(odd.glob("units/*.service"))
    assert len(units) == 5
    judged = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, units)],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in judged.stderr.splitlines() if "liquid-control" in line]
    assert not ours, judged.stderr
    assert judged.returncode == 0 or "liquid" not in judged.stderr


def test_a_dry_run_writes_nothing_and_shows_all(tmp_path, capsys):
    folders = ["--units", str(tmp_path / "units"), "--config", str(tmp_path / "config")]
    assert cli.main(["install-service", "vehicle:=donkey", "--dry-run", *folders]) == 0
    said = capsys.readouterr().out
    assert not list(tmp_path.iterdir())
    assert "WatchdogSec=" in said and "systemctl enable --now liquid-control-gate.service" in said


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("vehicle=donkey", "name:=value"),
        ("colour:=red", "name:=value, one of .*vehicle"),
        ("record:=sometimes", "one of off, events, continuous"),
        ("vehicle:=/nowhere.yaml", "nowhere"),
    ],
)
def test_what_the_launch_file_refuses_is_refused(argument, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        installed(tmp_path, argument)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path):
    (tmp_path / "units").write_text("a file")
    with pytest.raises(ConfigError, match="--dry-run"):
        installed(tmp_path)
    with pytest.raises(ConfigError, match="control characters"):
        quoted("two\nlines")


def test_a_node_gives_signs_of_life_until_it_hangs(start, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30.0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "600000")
        gate = start("safety_node")
        assert systemd.recv(99) == b"READY=1"
        assert {systemd.recv(99) for _ in range(3)} == {b"WATCHDOG=1"}
        gate.send_signal(signal.SIGSTOP)
        systemd.settimeout(1.0)
        with pytest.raises(TimeoutError):
            while True:  # what was sent before it stopped
                assert systemd.recv(99) == b"WATCHDOG=1"
        gate.send_signal(signal.SIGCONT)
        systemd.settimeout(10.0)
        assert systemd.recv(99) == b"WATCHDOG=1"
        gate.send_signal(signal.SIGTERM)
        said = b""
        while said != b"STOPPING=1":
            said = systemd.recv(99)
