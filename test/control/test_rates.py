"""How many proposals a second are enough, and settings that contradict each other."""

from __future__ import annotations

import random

import pytest

from liquid_control.config import GateConfig
from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.control.guard import Guard
from liquid_control.errors import ConfigError
from liquid_control.signals import Action, SpeedSample

MS = 1_000_000
EPOCH = 1_760_000_000_000_000_000


def drive(rate: float, seconds: float, guard: Guard, jitter: float = 0.05) -> list:
    """Decisions of a guard that hears `rate` proposals a second, irregular by a share of the
    period, and ticks every 10 ms and at each of them."""
    random_ = random.Random(3)
    now, due, decisions = EPOCH, EPOCH, []
    while now < EPOCH + seconds * 1e9:
        now += 10 * MS
        guard.push_speed(SpeedSample(now, 5.0), now, now)
        if now >= due:
            due += round((1 + random_.uniform(-jitter, jitter)) * 1e9 / rate)
            guard.push_proposal(Action(now - 5 * MS, 0.01, 5.0), now, now)
        decisions.append(guard.tick(now, now))
    return decisions


@pytest.mark.parametrize("rate", [7.0, 10.0, 30.0, 60.0])
def test_a_camera_whose_proposals_do_not_become_stale_drives(rate):
    assert drive(rate, 5.0, Guard())[-1].state is State.ENGAGED


@pytest.mark.parametrize("rate", [1.5, 3.0, 5.0, 5.5])
def test_a_slower_one_is_named_by_one_reason_that_stays(rate):
    reasons = {decision.reason for decision in drive(rate, 6.0, Guard())[150:]}
    assert reasons == {"proposals too slow: below 5.88 Hz"}


def test_a_slow_camera_drives_where_its_proposals_may_be_older():
    guard = Guard(GateConfig(stale_after=0.4), config=EngagementConfig(proposal_stale_after=0.35))
    assert drive(5.0, 5.0, guard)[-1].state is State.ENGAGED


@pytest.mark.parametrize(
    "settings, limits, words",
    [
        ({"lowest_rate": 5.0}, {}, ("lowest_rate: got 5.0", "proposal_stale_after = 0.17 s")),
        (
            {"lowest_rate": 9.0, "proposal_stale_after": 0.11},
            {},
            ("lowest_rate: got 9.0", "proposal_stale_after = 0.11 s", "9.091 Hz"),
        ),
        ({"lowest_rate": 8.0}, {"stale_after": 0.12}, ("got 8.0", "gate.stale_after = 0.12 s")),
    ],
)
def test_a_lowest_rate_at_which_proposals_are_stale_is_refused_by_both_names(
    settings, limits, words
):
    with pytest.raises(ConfigError) as refused:
        Guard(GateConfig(**limits), config=EngagementConfig(**settings))
    assert all(word in str(refused.value) for word in words)


def test_limits_that_contradict_the_lowest_rate_later_are_refused_and_the_old_ones_stay():
    guard = Guard(config=EngagementConfig(lowest_rate=8.0))
    before = guard.limits
    with pytest.raises(ConfigError, match="gate.stale_after = 0.1 s"):
        guard.limits = GateConfig(stale_after=0.1)
    assert guard.limits is before


def test_the_lowest_rate_follows_from_the_staleness_unless_it_is_given():
    assert drive(7.0, 4.0, Guard(GateConfig(stale_after=0.1)))[-1].reason == (
        "proposals too slow: below 10 Hz"
    )
    assert drive(30.0, 4.0, Guard(config=EngagementConfig(lowest_rate=40.0)))[-1].reason == (
        "proposals too slow: below 40 Hz"
    )
    any_rate = Guard(config=EngagementConfig(lowest_rate=0.0))
    assert "too slow" not in {decision.reason for decision in drive(3.0, 4.0, any_rate)}
    with pytest.raises(ConfigError, match="got -0.5, expected -1, 0 or more"):
        EngagementConfig(lowest_rate=-0.5)
