"""`liquid-control doctor`: what it finds, and what it advises."""

from __future__ import annotations

import json
import os
import sys

import torch

from liquid_control.cli import main as cli
from liquid_control.cli.checks import finding
from liquid_control.cli.doctor import DoctorSettings, examine


def test_doctor_finds_what_the_tests_themselves_run_on(capsys):
    code = cli.main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert code == 0 and report["healthy"]
    assert found["python"]["found"].startswith(
        f"{sys.version_info.major}.{sys.version_info.minor}."
    )
    assert found["rclpy"]["state"] == "ok" and found["drawing"]["state"] == "ok"


def test_doctor_tells_people_what_to_do(capsys):
    cli.main(["doctor", "--no-drawing"])
    shown = capsys.readouterr().out
    assert (
        "rclpy" in shown
        and "drawing" not in shown
        and shown.strip().endswith("This machine can run a policy.")
    )


def test_doctor_knows_every_extra_and_names_the_one_to_install(tmp_path, monkeypatch):
    extras = {
        "run": ["numpy", "PyYAML"],
        "report": ["never_made"],
        "bags": ["rosbags", "backports.never_made", "no.such"],
    }
    lines = [
        f'Requires-Dist: {name}; extra == "{extra}"'
        for extra, names in extras.items()
        for name in names
    ]
    lines.append('Requires-Dist: triton; platform_machine == "x86_64" and extra == "test"')
    metadata = tmp_path / "liquid_control-0.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("\n".join(["Metadata-Version: 2.1", "Name: liquid_control", *lines]))
    monkeypatch.syspath_prepend(tmp_path)
    report = examine(DoctorSettings(drawing=False))
    found = {finding["name"]: finding for finding in report["findings"]}
    assert report["healthy"] and found["rosbags"]["state"] == found["PyYAML"]["state"] == "ok"
    for name, extra in (
        ("never_made", "report"),
        ("backports.never_made", "bags"),
        ("no.such", "bags"),
    ):
        assert (
            found[name]["state"] == "note" and f"liquid_control[{extra}]" in found[name]["advice"]
        )


def test_doctor_says_whether_training_can_use_the_gpu(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: A Card (UUID: 1)'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = {
        finding["name"]: finding
        for finding in examine(DoctorSettings(drawing=False))["findings"]
        if finding["group"] == "gpu"
    }
    assert "A Card" in found["device"]["found"]
    if torch.cuda.is_available():
        assert found["torch"]["state"] == "ok" and "triton" in found
    else:
        assert (
            "does not see it" in found["torch"]["found"]
            and "PyTorch for GPUs" in found["torch"]["advice"]
            and "triton" not in found
        )


def test_a_probe_that_fails_or_hangs_is_an_error_and_not_the_end(monkeypatch):
    assert finding.probe("cli.checks.gpu", "onnx_providers")[1] == ""
    result, error = finding.probe("cli.checks.gpu", "absent")
    assert result is None and "absent" in error
    monkeypatch.setattr(finding, "LONGEST", 0.01)
    assert finding.probe("cli.checks.gpu", "torch_devices") == (None, "no answer within 0.01 s")
