"""Hostile parameter files: what ROS and the nodes make of a thousand of them, and how a node ends
that was given one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from liquid_control.stress.processes.parameter_cases import parameter_file
from liquid_control.stress.soak.inputs import InputSoakSettings, soak_inputs


def test_a_thousand_hostile_parameter_files_are_read_or_refused_by_name():
    settings = InputSoakSettings(
        cases=1000, only=("parameter_file",), seed=7, workers=2
    )  # processes: they set up Fast DDS their own way
    kind = soak_inputs(settings, {"parameter_file": parameter_file})["kinds"]["parameter_file"]
    assert (
        kind["wrong"] == 0
        and {"parameters", "defaults", "ConfigError GateConfig"} <= kind["endings"].keys()
    ), kind


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "Couldn't parse params file"),
        ("/**:\n  ros__parameters:\n    use_sim_time: 5\n", "use_sim_time"),
        ("/**:\n  ros__parameters:\n    gate.max_speed: .nan\n", "GateConfig.max_speed: got nan"),
    ],
)
def test_a_node_ends_with_words_for_a_file_that_it_cannot_use(tmp_path, text, words):
    (tmp_path / "parameters.yaml").write_text(text)
    command = [
        sys.executable,
        "-m",
        "liquid_control.ros.safety_node",
        "--ros-args",
        "--params-file",
        str(tmp_path / "parameters.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr
