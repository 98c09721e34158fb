"""A policy that falls silent: the safe stop begins when its last proposal becomes stale, not at a
later tick of the gate's own timer."""

from __future__ import annotations

import time

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import TwistStamped

from liquid_control.config import VehicleConfig
from liquid_control.ros import conversions, qos
from liquid_control.signals import Action

RATE, STALE = 10.0, 0.17
"""The watchdog's ticks lie 0.1 s apart and begin anew with each proposal: without a timer for the
silence it would notice after 0.2 s."""


@pytest.fixture(scope="module")
def verdicts(start_for_all, probe_for_all):
    start_for_all("safety_node", rate=RATE, engagement__proposal_stale_after=STALE)
    return probe_for_all.listen(DiagnosticStatus, "safety_node/verdict")


def values(verdict) -> dict[str, str]:
    return {pair.key: pair.value for pair in verdict[0].values}


def propose(probe) -> None:
    probe.send(
        "odom",
        conversions.odometry_message(time.time_ns(), "odom", 0.0, 0.0, 0.0, 8.0),
        qos.INERTIAL,
    )
    probe.send(
        "proposal",
        conversions.action_message(
            Action(time.time_ns(), 0.007, 8.0), TwistStamped, VehicleConfig()
        ),
    )


def seconds_of_silence(probe, verdicts) -> float:
    """From the last command that the policy had a part in to the first of the safe stop, on the
    gate's own steady clock."""
    end = time.monotonic() + 15.0
    verdicts.clear()
    while not verdicts or values(verdicts[-1])["state"] != "engaged":
        assert time.monotonic() < end, "the gate did not engage"
        propose(probe)
        probe.spin(0.04)
    verdicts.clear()
    propose(probe)
    probe.until(lambda: verdicts and values(verdicts[-1])["safe_stop"] == "True", "the safe stop")
    stamps = [int(values(verdict)["steady_ns"]) for verdict in verdicts]
    return (stamps[-1] - stamps[0]) * 1e-9


def test_silence_is_noticed_when_it_begins(probe_for_all, verdicts):
    shortest = min(seconds_of_silence(probe_for_all, verdicts) for _ in range(4))
    assert 0.95 * STALE < shortest < 0.195
