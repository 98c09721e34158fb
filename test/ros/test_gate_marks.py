"""Which changes of the gate are marks; messages only, no DDS."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from liquid_control.ros.gate_marks import QUIET, GateMarks


def state(name: str, reason: str = "why", driver: str = "policy") -> DiagnosticStatus:
    values = [KeyValue(key="reason", value=reason), KeyValue(key="driver", value=driver)]
    return DiagnosticStatus(message=name, values=values)


@pytest.mark.parametrize(
    "before, after, kind",
    [
        ("disengaged", "engaging", "engage"),
        ("stopped", "engaging", "engage"),
        ("engaging", "engaged", None),
        ("engaged", "degraded", "degraded"),
        ("degraded", "engaged", None),
        ("degraded", "stopped", None),
        ("engaged", "fault", "fault"),
        ("engaging", "disengaged", "takeover"),
        ("engaged", "disengaged", "takeover"),
        ("degraded", "disengaged", "takeover"),
        ("fault", "disengaged", None),  # acknowledged
        ("engaged", "engaged", None),
        ("engaged", "a state of tomorrow", None),
    ],
)
def test_states_that_follow_each_other(before, after, kind):
    marks = GateMarks()
    assert marks.on_state(state(before)) is None, "the first is where the gate was before"
    found = marks.on_state(state(after))
    assert (found and found.kind) == kind
    assert found is None or "why" in found.reason


def test_a_person_who_drives_by_hand_marks_nothing():
    marks = GateMarks()
    for name in ("disengaged", "engaging", "engaged", "disengaged"):
        assert marks.on_state(state(name, driver="hand")) is None


def test_the_gate_s_activity_is_marked_where_it_begins():
    now = [100.0]
    marks = GateMarks(lambda: now[0])

    def verdict(limits: str, passed: float) -> str | None:
        now[0] += passed
        found = marks.on_verdict(DiagnosticStatus(message=limits))
        return found and found.reason

    assert verdict("", 1.0) is None and verdict("acceleration", 1.0) is None
    assert verdict("speed, angle_rate", 0.1) == "speed, angle_rate"
    assert verdict("speed", QUIET - 0.1) is None, "it acts on"
    assert verdict("", QUIET) is None
    assert verdict("speed", 1.0) == "speed"
