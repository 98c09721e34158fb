"""The judgement of the soak of the page, and its damaged messages."""

from __future__ import annotations

import random

from liquid_control.ros.operate.seat import Order, Outcome, Seat
from liquid_control.stress.processes import operator_soak


def test_no_damaged_message_is_obeyed_and_one_that_were_would_be_found(monkeypatch):
    facts = operator_soak._fuzz(1000, random.Random(0))
    assert facts["sent"] == 1000 and facts["refused"] > 900 and not facts["wrong"]
    trusting = Seat.hear

    def obey(seat, connection, data, now):
        outcome = trusting(seat, connection, data, now)
        return Outcome(Order.ENGAGE) if outcome.close else outcome

    monkeypatch.setattr(Seat, "hear", obey)
    facts = operator_soak._fuzz(50, random.Random(0))
    assert len(facts["wrong"]) == 20 and facts["wrong"][0].startswith("obeyed: ")


def test_a_takeover_counts_in_time_only_and_if_nothing_drives_again():
    def one(stopped: float | None, again: bool = False, **more) -> dict:
        return {"stopped_s": stopped, "drives_again": again, "early": 1, "accepted": []} | more

    tries = [one(0.1), one(0.3), one(0.31), one(None), one(0.1, again=True)]
    facts = operator_soak._facts("silent", tries, 0.3)
    assert facts["tries"] == 5 and facts["as_expected"] == 2 and facts["begun_again"] == 5
    assert facts["slowest_s"] == 0.31
    assert [*operator_soak._wrong({"silent": facts})] == ["silent: 2 of 5 as expected"]
    tries = [one(None), one(0.0), one(None, accepted=["engages"])]
    facts = operator_soak._facts(operator_soak.SECOND, tries, 0.3)
    assert facts["as_expected"] == 1, "a second page changes nothing"
