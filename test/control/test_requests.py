"""Requests of an operator: what is accepted and why, how long it waits, and that it is
forgotten."""

from __future__ import annotations

import pytest

from liquid_control.control.engagement import (
    Answer,
    Engagement,
    EngagementConfig,
    Readings,
    Request,
    State,
)

SECOND = 10**9
PERIOD = SECOND // 20


class Rig:
    """An engagement that ticks 20 times a second; `wrong` names the inputs that fail now."""

    def __init__(self, **config) -> None:
        self.engagement = Engagement(EngagementConfig(**config))
        self.steady, self.wrong = 0, ()

    def run(self, seconds: float, **readings) -> State:
        """Edges such as `engage_requested` are given in the first tick only."""
        for tick in range(round(seconds * SECOND / PERIOD)):
            self.steady += PERIOD
            if tick:
                readings.pop("engage_requested", None), readings.pop("acknowledged", None)
            self.engagement.step(Readings(self.steady, self.wrong, **readings))
        return self.engagement.state

    def ask(self, request: Request) -> Answer:
        return self.engagement.answer(request)


def test_engaging_is_refused_with_the_reason_while_nothing_is_connected_and_not_done_later():
    rig = Rig(engage="manual")
    assert rig.ask(Request.ENGAGE) == (False, "cannot engage: no input yet")
    rig.wrong = ("no proposal", "no speed")
    rig.run(1.0, engage_requested=True)
    assert rig.ask(Request.ENGAGE) == (False, "cannot engage: no proposal, no speed")
    rig.wrong = ()
    assert rig.run(30.0) is State.DISENGAGED
    assert rig.engagement.reason == "waits for an engage request"


def test_a_request_waits_for_inputs_that_were_healthy_a_moment_ago_and_then_is_forgotten():
    def after(seconds_without_inputs: float) -> State:
        rig = Rig(engage="manual", request_valid_for=3.0)
        rig.run(2.0)
        rig.wrong = ("proposal stale",)
        rig.run(0.5)
        accepted, reason = rig.ask(Request.ENGAGE)
        assert accepted and "now: proposal stale" in reason and "within 3 s" in reason
        assert rig.run(seconds_without_inputs, engage_requested=True) is State.DISENGAGED
        rig.wrong = ()
        return rig.run(1.1)

    assert after(1.0) is State.ENGAGING and after(2.9) is State.ENGAGING
    assert after(3.2) is State.DISENGAGED and after(30.0) is State.DISENGAGED


def test_inputs_that_failed_for_longer_than_a_request_lives_are_no_moment():
    rig = Rig(engage="manual", request_valid_for=3.0)
    rig.run(2.0)
    rig.wrong = ("proposal stale",)
    rig.run(2.9)
    assert rig.ask(Request.ENGAGE).accepted
    rig.run(0.2)
    assert rig.ask(Request.ENGAGE) == (False, "cannot engage: proposal stale")


def test_what_the_vehicle_does_forbids_engaging_at_once():
    rig = Rig(engage="manual")
    rig.run(2.0)
    rig.run(0.1, forbidding=("rolling backwards",))
    assert rig.ask(Request.ENGAGE) == (False, "cannot engage: rolling backwards")
    rig.run(0.05, forbidding=("rolling backwards",), engage_requested=True)
    assert rig.run(5.0) is State.DISENGAGED


@pytest.mark.parametrize(
    "readings, reason",
    [
        ({"takeover": True}, "taken over; end the takeover first"),
        ({"held": False}, "enable released; hold the dead-man switch first"),
        ({"faults": ("emergency stop",)}, "fault: emergency stop; acknowledge it first"),
    ],
)
def test_engaging_is_refused_while_something_prevents_it_and_not_done_afterwards(readings, reason):
    rig = Rig(engage="manual")
    rig.run(2.0)
    rig.run(0.5, engage_requested=True, **readings)
    assert rig.ask(Request.ENGAGE) == (False, reason)
    rig.run(0.05, acknowledged=True)
    assert rig.run(10.0) is State.DISENGAGED
    assert rig.run(0.05, engage_requested=True) is State.ENGAGING
    assert rig.engagement.reason == "engage requested"


def test_a_takeover_or_a_fault_ends_a_request_that_waits():
    for readings in ({"takeover": True}, {"faults": ("emergency stop",)}):
        rig = Rig(engage="manual")
        rig.run(0.1)
        rig.run(0.05, engage_requested=True)
        rig.run(0.05, **readings)
        rig.run(0.05, acknowledged=True)
        assert rig.run(5.0) is State.DISENGAGED


@pytest.mark.parametrize("state", [State.ENGAGING, State.ENGAGED])
def test_a_second_request_while_driving_starts_nothing_after_a_stop(state):
    rig = Rig(engage="manual", soft_time=0.5)
    rig.run(1.2)
    rig.run(0.3 if state is State.ENGAGING else 1.0, engage_requested=True)
    assert rig.run(0.05, engage_requested=True) is state
    rig.wrong = ("no speed",)
    assert rig.run(0.2, standing=True) is State.STOPPED
    rig.wrong = ()
    assert rig.run(5.0, standing=True) is State.STOPPED
    assert rig.run(0.05, standing=True, engage_requested=True) is State.ENGAGING


def test_engaged_and_degraded_answer_as_they_are():
    rig = Rig()
    rig.run(1.1)
    assert rig.ask(Request.ENGAGE) == (True, "already engaging")
    rig.run(1.1)
    assert rig.ask(Request.ENGAGE) == (True, "already engaged")
    rig.wrong = ("no speed",)
    rig.run(0.1)
    assert rig.ask(Request.ENGAGE) == (
        False,
        "degraded: no speed; it drives on when the inputs are back",
    )


def test_there_is_nothing_to_acknowledge_without_a_fault_or_while_its_cause_is_there():
    rig = Rig()
    assert rig.ask(Request.ACKNOWLEDGE) == (False, "no fault to acknowledge: disengaged")
    rig.run(3.0)
    assert rig.ask(Request.ACKNOWLEDGE) == (False, "no fault to acknowledge: engaged")
    rig.run(0.5, faults=("others command the vehicle: /rogue",))
    assert rig.ask(Request.ACKNOWLEDGE) == (
        False,
        "the cause is still there: others command the vehicle: /rogue",
    )
    rig.run(0.5)
    assert rig.ask(Request.ACKNOWLEDGE) == (True, "acknowledged; engage again when ready")
    assert rig.engagement.state is State.FAULT, "an answer changes nothing"


def test_an_emergency_stop_is_always_accepted_and_says_what_it_does():
    rig = Rig()
    rig.run(3.0)
    assert rig.ask(Request.EMERGENCY_STOP) == (True, "stopping; latched until acknowledged")
    rig.run(0.05, takeover=True)
    assert rig.ask(Request.EMERGENCY_STOP) == (
        True,
        "latched until acknowledged; no command is issued during the takeover",
    )
    rig.run(0.05, faults=("emergency stop",))
    assert rig.ask(Request.EMERGENCY_STOP) == (
        True,
        "already in the fault state, for: emergency stop; latched until acknowledged",
    )


def test_after_any_takeover_it_takes_a_request_but_a_dead_man_may_be_held_late():
    rig = Rig()
    rig.run(0.5, takeover=True)
    assert rig.run(5.0) is State.DISENGAGED, "the driver had the vehicle before the first start"
    rig = Rig()
    rig.run(0.5, held=False)
    assert rig.run(5.0) is State.ENGAGED


def test_what_is_missing_is_named_only_while_it_is_what_prevents_a_start():
    rig = Rig()
    rig.wrong = ("no speed",)
    rig.run(0.1, unready=("proposals too slow",))
    assert rig.engagement.missing == ("no speed", "proposals too slow")
    rig.run(0.1, takeover=True)
    assert rig.engagement.missing == ()
    rig.run(0.1, held=False)
    assert rig.engagement.missing == ()
    rig.wrong = ()
    rig.run(0.1, forbidding=("rolls backwards",))
    assert rig.engagement.missing == (), "no input is missing"
    rig = Rig()
    assert rig.run(2.0) is State.ENGAGING
    rig.wrong = ("no speed",)
    assert rig.run(0.1) is State.DEGRADED and rig.engagement.missing == ()
