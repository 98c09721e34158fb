"""Whole drives: every process a real one, the topics real, and things going wrong on purpose."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped
from nav_msgs.msg import Odometry

from liquid_control.ros import conversions

ROOT = Path(__file__).resolve().parents[2]
DRIVE = (
    "import sys; from liquid_control.cli.main import main; sys.exit(main(['drive', *sys.argv[1:]]))"
)


def drive(model, out, seconds: float, *flags: str) -> subprocess.Popen:
    command = [
        sys.executable,
        "-c",
        DRIVE,
        "--model",
        str(model),
        "--out",
        str(out),
        "--seconds",
        str(seconds),
        *flags,
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def nodes_of(out: Path) -> dict[str, int]:
    """Processes started for a drive into `out`, by name: they carry the path of their
    parameters."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if folder.name.isdigit() and any(word.startswith(f"{out}/logs/") for word in words):
            found[words[2].rsplit(".", 1)[-1]] = int(folder.name)
    return found


def until(condition, what: str, patience: float = 40.0):
    deadline = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)
    return value


def wait_until_it_drives(process, out: Path, moment: float = 1.0) -> dict[str, int]:
    """The node processes by name, `moment` [s] after the drive said that it began."""
    said = []
    while not said or not said[-1].startswith("driving"):
        said.append(process.stderr.readline())
        assert said[-1], said
    time.sleep(moment)
    assert process.poll() is None
    return nodes_of(out)


def test_a_drive_leaves_video_report_and_summary_and_nothing_else(model, tmp_path):
    process = drive(model, tmp_path, 3.5, "--seed", "5", "--json")
    said, complained = process.communicate(timeout=120)
    summary = json.loads(said.strip().splitlines()[-1])
    assert process.returncode == (0 if summary["success"] else 1), complained
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert summary["frames_sent"] == summary["frames_received"] == summary["frames_used"] > 50
    assert summary["processes_died"] == 0 and summary["distance_m"] > 1.0
    assert summary["latency_ms_p50"] > 0 and 0 < summary["real_time_factor"] < 1.2
    wanted = {
        "departures",
        "lateral_rmse_m",
        "latency_ms_p99",
        "gate_activations",
        "policy_active_after_s",
        "policy_node_rss_mb",
    }
    assert wanted <= set(summary)
    assert summary["policy_node_rss_mb"] < 350
    assert (tmp_path / "drive.mp4").stat().st_size > 10_000
    page = (tmp_path / "report.html").read_text()
    assert "<html" in page[:2000].lower() and "start-up check <b>ok</b>" in page
    assert not nodes_of(tmp_path)


def test_ctrl_c_ends_a_drive_early_and_still_reports_it(model, tmp_path):
    process = drive(model, tmp_path, 20.0, "--no-video")
    nodes = wait_until_it_drives(process, tmp_path, 0.2)
    assert nodes.keys() == {"safety_node", "policy_node", "sim_node"}
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in complained
    assert json.loads((tmp_path / "summary.json").read_text())["processes_died"] == 0
    assert not nodes_of(tmp_path)


def test_a_drive_that_is_ended_while_it_starts_leaves_nothing(model, tmp_path):
    process = drive(model, tmp_path, 20.0)
    until(lambda: "sim_node" in nodes_of(tmp_path), "the processes")
    process.send_signal(signal.SIGTERM)
    _, complained = process.communicate(timeout=30)
    assert process.returncode == 130 and "Traceback" not in complained
    assert not nodes_of(tmp_path)


def test_no_node_outlives_a_killed_drive(model, tmp_path):
    process = drive(model, tmp_path, 20.0, "--no-video")
    assert len(wait_until_it_drives(process, tmp_path, 0.0)) == 3
    process.kill()
    process.communicate()
    until(lambda: not nodes_of(tmp_path), "the nodes to die with their parent", patience=10.0)


def test_a_drive_whose_policy_dies_says_so(model, tmp_path):
    process = drive(model, tmp_path, 20.0, "--no-video", "--json")
    nodes = wait_until_it_drives(process, tmp_path)
    time.sleep(2.0)  # the gate engages once all has been healthy for a second
    os.kill(nodes["policy_node"], signal.SIGKILL)
    said, _ = process.communicate(timeout=40)
    summary = json.loads(said.strip().splitlines()[-1])
    assert process.returncode == 1
    assert summary["processes_died"] == 1 and summary["dead_processes"] == ["policy_node"]
    assert summary["gate_limits"]["stale"] > 0
    assert not nodes_of(tmp_path)


@pytest.mark.parametrize(
    "flags, words",
    [
        (["--model", "nowhere"], "no such model directory"),
        (["--seconds", "nan"], "DriveSettings.seconds: got nan"),
        (["--seed", "-1"], "DriveSettings.seed: got -1"),
    ],
)
def test_what_cannot_drive_says_why_at_once(model, tmp_path, flags, words):
    process = drive(model, tmp_path, 1.0, *flags)
    said, complained = process.communicate(timeout=30)
    assert process.returncode == 2 and words in complained and "Traceback" not in complained


def test_a_killed_policy_loses_its_speed_within_300_ms(start, probe, model):
    """Measured by stamps: from the last frame that led to a proposal to the first command that
    takes speed away."""
    start("safety_node")
    policy = start("policy_node", model=model)
    verdicts, proposals = (
        probe.listen(DiagnosticStatus, "safety_node/verdict"),
        probe.listen(TwistStamped, "proposal"),
    )
    truth = probe.listen(Odometry, "ground_truth")
    probe.until(
        lambda: "policy_node" in probe.diagnostics and "safety_node" in probe.diagnostics,
        "the nodes",
    )
    start("sim_node", seed=1, world__length=300.0, world__trees=0)
    probe.until(lambda: truth and truth[-1][0].twist.twist.linear.x > 1.5, "the vehicle to drive")
    before = len(verdicts)
    policy.kill()
    policy.wait()

    def verdicts_so_far():
        return [
            {"limits": message.message} | {pair.key: pair.value for pair in message.values}
            for message, _ in verdicts[before:]
        ]

    probe.until(verdicts_so_far, "a verdict")
    probe.until(
        lambda: (
            verdicts_so_far()[-1]["safe_stop"] == "True"
            and float(verdicts_so_far()[-1]["speed"]) == 0.0
        ),
        "the speed to be gone",
        patience=15.0,
    )
    stopping = list(
        itertools.dropwhile(lambda values: values["safe_stop"] != "True", verdicts_so_far())
    )
    last = int(
        stopping[0]["stamp_ns"]
    )  # a proposal sent while the policy died may have come through to the gate or to us alone
    assert (
        last >= sorted(conversions.stamp_ns(message.header.stamp) for message, _ in proposals)[-2]
    )
    assert int(stopping[0]["issued_ns"]) - last < 300_000_000
    speeds = [float(values["speed"]) for values in stopping]
    assert speeds == sorted(speeds, reverse=True) and speeds[-1] == 0.0
    known = itertools.takewhile(lambda values: "speed_unknown" not in values["limits"], stopping)
    assert len({values["steering_angle"] for values in known}) == 1, "the angle is held"
