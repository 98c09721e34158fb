"""A few tries of each kind of what `liquid-control soak processes` does a hundred times: processes
die, freeze, flood and lose each other.

What comes late on a busy machine is no failure here; the soak holds the times against their bounds.
"""

from __future__ import annotations

import random

import numpy as np
import pytest

from liquid_control.config import VehicleConfig
from liquid_control.errors import ConfigError, DriveError
from liquid_control.sim.bodies.car import VEHICLE
from liquid_control.stress.processes import deaths, expectations, floods, network, rogue
from liquid_control.stress.processes.judgement import summary, table, wrong
from liquid_control.stress.processes.rig import Cast, Rig
from liquid_control.stress.processes.run import ProcessSoakSettings
from liquid_control.stress.processes.sensors import render_pictures

GOOD = {
    "ramp_s": 0.19,
    "control_s": 0.01,
    "commands": 40,
    "safe_stops": 30,
    "longest_gap_s": 0.05,
    "violations": [],
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "pictures.npy"
    np.save(path, render_pictures(20, 3))
    return path


@pytest.fixture(scope="module")
def rig(model, pictures, tmp_path_factory):
    with Rig(Cast(model, pictures, tmp_path_factory.mktemp("processes"))) as running:
        yield running


@pytest.mark.parametrize("name", ["policy_killed", "policy_frozen"])
def test_without_the_policy_the_gate_takes_the_speed_away_and_drives_on_once_it_is_back(rig, name):
    facts = deaths.CASES[name][1](rig, random.Random(0))
    assert facts["ramp_s"] is not None and facts["control_s"] is not None
    assert facts["safe_stops"] > 0 and facts["violations"] == []


def test_the_nodes_outlive_broken_bytes_and_drive_on(rig):
    facts = floods.flood(rig, "broken_bytes", 0.5)
    assert facts["control_s"] is not None and facts["fault"] == "" and facts["violations"] == []


def test_bad_pictures_are_counted_and_outlived(rig):
    """Discovery may take longer than the flood, so it comes again until the policy has heard some
    of it."""
    for _ in range(4):
        facts = floods.flood(rig, "bad_pictures", 1.0)
        assert facts["control_s"] is not None and facts["fault"] == "" and facts["violations"] == []
        report = rig.observer.diagnostics["policy_node"]
        rig.until(
            lambda report=report: rig.observer.diagnostics["policy_node"] is not report,
            "the policy's next report",
        )
        report = rig.observer.diagnostics["policy_node"]
        if any(key.startswith("rejected_") and int(value) > 0 for key, value in report.items()):
            return
    pytest.fail(f"no picture was rejected: {report}")


def test_a_cable_is_pulled_between_two_hosts(model, pictures, tmp_path):
    if reason := network.why_not():
        pytest.skip(f"this machine does not allow network namespaces: {reason}")
    facts = network.run_case(model, pictures, tmp_path, 0.5)
    assert (
        facts["ramp_s"] is not None and facts["control_s"] is not None and facts["violations"] == []
    )
    with pytest.raises(DriveError):
        network.run_case(tmp_path / "no model", pictures, tmp_path, 0.5)


def test_a_process_that_dies_by_itself_is_reported(rig):
    rig.children.send_signal("sensors", 9)
    with pytest.raises(DriveError, match="sensors ended with code -9"):
        rig.until(lambda: False, "nothing")


def test_every_case_is_run_and_expected():
    run = {*deaths.CASES, *expectations.FLOODS, *expectations.NETWORK}
    assert run == set(expectations.ALL)
    assert {name.removesuffix("_as_policy") for name in expectations.FLOODS} == set(rogue.KINDS)
    assert VEHICLE == VehicleConfig(), "the observer judges by it"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"ramp_s": 0.21}, "ramp_s: 0.21, must be within 0.2 s"),
        ({"ramp_s": None}, "ramp_s: None"),
        ({"control_s": 1.1}, "control_s: 1.1, must be within 1.0 s"),
        ({"commands": 0}, "decided nothing"),
        ({"violations": ["0.10 s: steering step 1 > 0.1"]}, "steering step"),
        ({"fault": "emergency stop"}, "fault: 'emergency stop', must be ''"),
        ({"growth_mb": {"safety_node": 31.0, "policy_node": 0.0}}, "safety_node grew by 31.0 MB"),
        ({"error": "policy_node ended with code 1"}, "ended with code 1"),
    ],
)
def test_what_is_not_as_it_must_be_is_found(change, words):
    expected = expectations.POLICY["policy_killed"]
    assert wrong(GOOD, expected) == []
    found = wrong({**GOOD, **change}, expected)
    assert len(found) == 1 and words in found[0]
    rows = [
        {"case": "policy_killed", "load": 1.0, **facts, "wrong": wrong(facts, expected)}
        for facts in (GOOD, {**GOOD, **change})
    ]
    facts = summary(rows, {"link_down": "no ip"}, ["soak", "processes"])
    assert (facts["wrong"], facts["cases"]["policy_killed"]["as_it_must"]) == (1, 1)
    assert words in table(facts) and "skipped: no ip" in table(facts)


def test_a_policy_that_must_drive_on_and_a_fault_that_must_come():
    drives, fault = expectations.POLICY["policy_slowed"], expectations.FLOODS["commands"]
    assert wrong(GOOD, drives) == ["30 commands of a safe stop"]
    assert wrong({**GOOD, "longest_gap_s": 0.3}, expectations.FLOODS["imu"]) == [
        "longest_gap_s: 0.3, must be within 0.2 s"
    ]
    assert wrong(GOOD, fault) == ["fault: None, must be 'others command'"]
    assert wrong({**GOOD, "fault": "others command the vehicle: /rogue"}, fault) == []


def test_a_case_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="policy_killed"):
        ProcessSoakSettings(only=("policy_lost",))
