"""Publishers of one name: two that are alive, and one that was killed and replaced."""

from __future__ import annotations

import itertools

import pytest

from liquid_control.ros.publisher_conflicts import (
    NAMED_WITHIN,
    SENDERS,
    Publisher,
    Senders,
    others_commanding,
    proposing,
)

GATE, POLICY, LEASE = "/safety_node", "/policy_node", 25.0


def kilted(gid: str, number: int) -> dict:
    return {
        "publisher_gid": {"data": gid.encode(), "implementation_identifier": "any"},
        "publication_sequence_number": number,
    }


def jazzy(gid: str, number: int) -> dict:
    return {"publication_sequence_number": number, "reception_sequence_number": None}


def heard(senders: str, information, numbers: dict | None = None, period: float = 0.03) -> Senders:
    """After messages of these senders, one letter each."""
    found, counts = Senders(), {name: itertools.count(1) for name in set(senders)}
    for name, start in (numbers or {}).items():
        counts[name] = itertools.count(start)
    for index, name in enumerate(senders):
        found.hear(information(name, next(counts[name])), 100.0 + index * period)
    return found


@pytest.mark.parametrize("information", [kilted, jazzy])
@pytest.mark.parametrize("senders", ["aaaa", "aaaabbbb", "aaabbbccc", "a", ""])
def test_a_publisher_that_is_replaced_is_no_conflict(information, senders):
    assert heard(senders, information, period=1.5).returned_at == float("-inf")
    if senders.count("c") == 0:
        assert heard(senders, information).returned_at == float("-inf")


@pytest.mark.parametrize("numbers", [{"a": 1, "b": 1}, {"a": 5000, "b": 1}, {"a": 7, "b": 5000}])
@pytest.mark.parametrize("information", [kilted, jazzy])
def test_two_that_speak_in_turns_are_a_conflict(information, numbers):
    found = heard("aaaaababab", information, numbers)
    assert 100.0 + 6 * 0.03 <= found.returned_at <= 100.0 + 9 * 0.03


def test_one_message_between_two_of_a_flood_is_enough_where_the_publisher_is_named():
    assert heard("aaaabaaa", kilted).returned_at == pytest.approx(100.0 + 5 * 0.03)


def test_many_replacements_are_forgotten_and_nothing_is_known_without_information():
    senders = "".join(chr(ord("a") + index) for index in range(SENDERS + 1))
    assert heard(senders + "a", kilted).returned_at == float("-inf")
    assert heard(senders + "b", kilted).returned_at > 0
    found = Senders()
    for _ in range(5):
        found.hear({}, 1.0)  # Humble
    assert found.returned_at == float("-inf")


def publishers(*named: tuple[str, float]) -> list[Publisher]:
    return [Publisher(bytes([index]), name, since) for index, (name, since) in enumerate(named)]


def test_two_gates_of_one_name_are_a_conflict_at_once():
    one, two = publishers((GATE, 60.0)), publishers((GATE, 60.0), (GATE, 0.0))
    assert others_commanding(one, GATE, 0.0) == set()
    (words,) = others_commanding(two, GATE, 0.0)
    assert words.startswith(f"{GATE} a second time")
    # a discovery server may report a gate that died before this one started
    assert others_commanding(two, GATE, LEASE) == set()
    later = publishers((GATE, 90.0), (GATE, LEASE))
    assert len(others_commanding(later, GATE, LEASE)) == 1


def test_others_that_command_are_named():
    assert others_commanding(publishers((GATE, 1.0), ("/a", 0.0), ("/b", 0.0)), GATE, 0.0) == {
        "/a",
        "/b",
    }


def test_a_publisher_without_a_name_counts_once_a_name_would_be_known():
    young, old = (publishers((GATE, 9.0), ("", s)) for s in (NAMED_WITHIN, NAMED_WITHIN + 0.1))
    assert others_commanding(young, GATE, 0.0) == set()
    assert others_commanding(old, GATE, 0.0) == {"a publisher whose node has no name"}


def test_two_policies_of_one_name_are_one_until_both_are_known_to_be_alive():
    pair = publishers((POLICY, 60.0), (POLICY, 19.0))
    assert proposing(pair, both_heard=False, lease=LEASE) == {POLICY}
    assert len(proposing(pair, both_heard=True, lease=LEASE)) == 2
    # killed twice: three are listed, no two for longer than a lease
    three = publishers((POLICY, 90.0), (POLICY, 19.0), (POLICY, 1.0))
    assert proposing(three, both_heard=False, lease=LEASE) == {POLICY}
    old = publishers((POLICY, 60.0), (POLICY, LEASE + 0.1))
    assert len(proposing(old, both_heard=False, lease=LEASE)) == 2
    alone = publishers((POLICY, 60.0))
    assert proposing(alone, both_heard=True, lease=LEASE) == {POLICY}, "the other one has left"
