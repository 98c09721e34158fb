"""Launch files for trying out keep their nodes on this machine by default."""

from __future__ import annotations

from pathlib import Path

import pytest

BAG = str(Path(__file__).resolve().parents[1] / "golden" / "bags" / "s_bend")


@pytest.mark.parametrize("name, more", [("sim.launch.py", {}), ("replay.launch.py", {"bag": BAG})])
@pytest.mark.parametrize(
    "distribution, variable",
    [
        ("humble", ("ROS_LOCALHOST_ONLY", "1")),
        ("jazzy", ("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")),
    ],
)
def test_what_is_for_trying_is_closed_to_the_network_before_anything_starts(
    described, monkeypatch, name, more, distribution, variable
):
    monkeypatch.setenv("ROS_DISTRO", distribution)
    declared, start = described(name, **more)
    actions = start()
    assert declared["localhost"]["default_value"] == "true"
    assert [action.called for action in actions].count("SetEnvironmentVariable") == 1
    closing = actions[0]
    assert closing.called == "SetEnvironmentVariable" and closing.given == variable
    assert closing.named["condition"].called == "IfCondition"
    assert closing.named["condition"].given[0].given == ("localhost",)


@pytest.mark.parametrize("name", ["drive.launch.py", "safety.launch.py"])
def test_what_is_for_a_vehicle_leaves_its_network_alone(described, name):
    _, start = described(name)
    assert {action.called for action in start()} == {"Node"}
