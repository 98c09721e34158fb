"""Driving by hand through the gate: whose proposals count. The whole way, from a page to the
vehicle, is in operate/test_page.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from geometry_msgs.msg import TwistStamped
from std_srvs.srv import SetBool

from liquid_control.control.engagement import EngagementConfig, State
from liquid_control.errors import ConfigError
from liquid_control.ros.proposal_source import Driver, ProposalSource

MANUAL = EngagementConfig(engage="manual")


class Made:
    """Stands in for a node: keeps the callbacks of what is made."""

    def __init__(self) -> None:
        self.callbacks = {}

    def create_subscription(self, kind, topic, callback, profile) -> None:
        self.callbacks[topic] = callback

    def create_service(self, kind, name, callback) -> None:
        self.callbacks[name] = callback

    def ask(self, by_hand: bool) -> SimpleNamespace:
        return self.callbacks["~/drive_by_hand"](
            SetBool.Request(data=by_hand), SimpleNamespace(success=None, message="")
        )


def test_only_the_proposals_of_who_drives_count_and_that_changes_only_while_disengaged():
    node, taken, passed, state = Made(), [], [], [State.DISENGAGED]
    source = ProposalSource(
        node, TwistStamped, True, MANUAL, lambda: state[0], taken.append, passed.append
    )
    assert not source.policy_heard
    sender = {"publisher_gid": {"data": b"one"}}

    def both() -> list:
        taken.clear()
        source.from_policy("policy's")
        node.callbacks["manual"]("hand's", sender)
        return list(taken)

    assert both() == ["policy's"]
    for state[0] in set(State) - {State.DISENGAGED}:
        answer = node.ask(True)
        assert not answer.success and answer.message == f"{state[0].value}: take over first"
        assert node.ask(False).success, "who drives already may be named at any time"
        assert both() == ["policy's"]
    state[0] = State.DISENGAGED
    assert not passed and source.policy_heard
    assert node.ask(True).success and both() == ["hand's"]
    assert passed == ["policy's"], "the start-up check hears of it"
    state[0] = State.ENGAGED
    assert not node.ask(False).success and both() == ["hand's"]
    state[0] = State.DISENGAGED
    assert node.ask(False).success and both() == ["policy's"]


def test_two_nodes_that_drive_by_hand_in_turns_are_a_conflict_one_that_was_replaced_is_none():
    node = Made()
    source = ProposalSource(
        node, TwistStamped, True, MANUAL, lambda: State.DISENGAGED, lambda message: None
    )

    def hear(gid: bytes) -> None:
        node.callbacks["manual"](None, {"publisher_gid": {"data": gid}})

    assert node.ask(True).success
    hear(b"one")
    hear(b"two")
    assert source.conflicts() == ()
    hear(b"one")
    assert source.conflicts() == ("several nodes drive by hand",)
    assert node.ask(False).success and source.conflicts() == (), "those of who does not drive"


def test_without_manual_there_is_neither_topic_nor_service_and_with_it_no_automatic_start():
    node = Made()
    source = ProposalSource(
        node,
        TwistStamped,
        False,
        EngagementConfig(),
        lambda: State.DISENGAGED,
        lambda message: None,
    )
    assert not node.callbacks and source.driver is Driver.POLICY
    with pytest.raises(ConfigError, match=r"engagement.engage: got 'automatic'.*manual"):
        ProposalSource(
            node,
            TwistStamped,
            True,
            EngagementConfig(),
            lambda: State.ENGAGED,
            lambda message: None,
        )
