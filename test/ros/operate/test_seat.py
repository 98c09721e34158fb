"""Who drives: order, time and form of what pages send, without sockets and ROS."""

from __future__ import annotations

import json
import random

import pytest

from liquid_control.ros.operate.messages import Kind, Malformed, Stick, read
from liquid_control.ros.operate.seat import TICK, HeartbeatConfig, Order, Outcome, Seat

SILENT, LATE = HeartbeatConfig().silent_after, HeartbeatConfig().late_after
STOPS = {Order.TAKEOVER, Order.EMERGENCY_STOP}


class Page:
    """A well-behaved page: `says` numbers its messages and names the latest tick."""

    def __init__(self, seat: Seat) -> None:
        self.seat, self.connection = seat, seat.open()
        self.number = self.tick = 0

    def hears(self, now: float) -> None:
        self.tick = self.seat.tick(self.connection, now)

    def text(self, kind: str, /, **changes) -> str:
        more = {"beat": {"stick": None}, "record": {"on": True}}.get(kind, {})
        said = {
            "session": self.connection.session,
            "number": self.number + 1,
            "tick": self.tick,
            "kind": kind,
            **more,
        }
        return json.dumps(said | changes)

    def says(self, kind: str, now: float, /, **changes) -> Outcome:
        text = self.text(kind, **changes)
        self.number += 1
        return self.seat.hear(self.connection, text, now)


@pytest.fixture
def seat() -> Seat:
    return Seat()


def driving(seat: Seat, now: float = 0.0) -> Page:
    page = Page(seat)
    page.hears(now)
    assert page.says("claim", now) == Outcome(Order.ALIVE)
    assert seat.driver is page.connection
    return page


def test_every_wish_of_the_page_that_drives_is_an_order(seat):
    page = driving(seat)
    orders = {
        "takeover": Order.TAKEOVER,
        "emergency_stop": Order.EMERGENCY_STOP,
        "acknowledge": Order.ACKNOWLEDGE,
        "engage": Order.ENGAGE,
        "by_hand": Order.BY_HAND,
        "by_policy": Order.BY_POLICY,
        "mark": Order.MARK,
        "record": Order.RECORD,
    }
    for kind, order in orders.items():
        assert page.says(kind, 0.01) == Outcome(order)
    assert page.says("record", 0.01, on=False) == Outcome(Order.STOP_RECORDING)
    assert page.says("beat", 0.01, stick=[-1, 0.25]) == Outcome(Order.ALIVE, Stick(-1.0, 0.25))
    assert page.says("leave", 0.01) == Outcome(lost="left") and seat.driver is None


def test_others_watch_and_may_only_stop(seat):
    first, second = driving(seat), Page(seat)
    second.hears(0.0)
    for kind in Kind:
        outcome = second.says(kind.value, 0.01)
        assert not outcome.lost and not outcome.close
        if kind.value in ("takeover", "emergency_stop"):
            assert outcome.order in STOPS
        else:
            assert outcome.order is None
    assert second.says("claim", 0.01).refused == "another page drives"
    assert second.says("engage", 0.01).refused == "take control first"
    assert seat.driver is first.connection
    assert first.says("leave", 0.02).lost
    assert second.says("claim", 0.03) == Outcome(Order.ALIVE)


def test_silence_ends_the_turn_and_nothing_brings_it_back_but_a_new_claim(seat):
    page = driving(seat)
    for step in range(1, 5):
        page.hears(step * 0.19)
        assert page.says("beat", step * 0.19) == Outcome(Order.ALIVE)
    last = 4 * 0.19
    assert seat.ends_at == pytest.approx(last + SILENT)
    assert seat.check(last + SILENT - 1e-6) == Outcome() and seat.driver
    assert seat.check(last + SILENT + 1e-6).lost == "silent for 0.20 s"
    assert seat.check(last + SILENT + 1.0) == Outcome() and seat.ends_at is None
    page.hears(2.0)
    assert page.says("beat", 2.0, stick=[0, 1]) == Outcome(), "its beats drive nothing any more"
    assert page.says("engage", 2.0).refused == "take control first"
    assert page.says("claim", 2.0) == Outcome(Order.ALIVE)


def test_a_message_that_comes_after_the_silence_finds_the_turn_ended_first(seat):
    page = driving(seat)
    page.hears(0.5)
    outcome = page.says("engage", 0.5)
    assert outcome.lost.startswith("silent") and outcome.order is None and seat.driver is None
    page = driving(seat, 1.0)
    outcome = page.says("emergency_stop", 2.0)
    assert outcome.lost and outcome.order is Order.EMERGENCY_STOP, "a stop is heard all the same"


def test_what_is_late_by_the_ticks_it_had_heard_ends_the_turn(seat):
    """A network that delays by half a second: beats come at their rate, but know old ticks."""
    page = driving(seat)
    now, heard = 0.0, []
    while seat.driver is not None:
        now += TICK
        assert now < 1.0
        heard.append((now, seat.tick(page.connection, now)))
        page.tick = max([tick for at, tick in heard if at <= now - 0.5], default=1)
        outcome = page.says("beat", now)
    assert outcome.lost.startswith("late by")
    assert now <= LATE + TICK + 1e-9
    assert page.says("engage", now).refused.startswith("late by")
    assert page.says("takeover", now + 9.0) == Outcome(Order.TAKEOVER), "a stop is never late"


@pytest.mark.parametrize(
    "changes",
    [
        {"number": 1},
        {"number": 3},
        {"number": 0},
        {"tick": 0},
        {"tick": 99},
        {"session": "0" * 32},
        {"kind": "drive"},
        {"kind": ["beat"]},
        {"stick": [2, 0]},
        {"stick": [True, 0]},
        {"stick": [0, 0, 0]},
        {"more": 1},
        {"number": 2.0},
        {"number": True},
        {"number": 2**60},
    ],
    ids=str,
)
def test_what_is_repeated_out_of_order_or_not_a_message_ends_turn_and_connection(seat, changes):
    page = driving(seat)
    page.hears(0.01)
    outcome = page.says("beat", 0.02, **changes)
    assert outcome.lost and outcome.close and outcome.order is None and seat.driver is None


def test_what_was_recorded_on_one_connection_is_refused_on_another_and_again_on_its_own(seat):
    page = driving(seat)
    recorded = [page.text("engage"), page.text("claim", number=1)]
    page.says("leave", 0.01)
    for text in recorded:
        other = Page(seat)
        other.hears(0.02)
        for connection in (other.connection, page.connection):
            outcome = seat.hear(connection, text, 0.03)
            assert outcome.close and outcome.order is None and seat.driver is None


def test_the_end_of_the_connection_ends_the_turn_of_its_page_alone(seat):
    page, other = driving(seat), Page(seat)
    assert seat.closed(other.connection) == Outcome() and seat.driver
    assert seat.closed(page.connection).lost == "connection lost" and seat.driver is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"{}",
        "",
        "[]",
        "NaN",
        "{" * 200,
        "[" * 500,
        '{"number": NaN}',
        '{"kind": 1, "kind": 2}',
        "\ud800",
        "9" * 511,
        " " * 600,
    ],
)
def test_what_is_no_json_object_of_ours_is_refused_and_nothing_raises_but_malformed(data, seat):
    with pytest.raises(Malformed):
        read(data, "word")
    page = driving(seat)
    assert seat.hear(page.connection, data, 0.01).close and seat.driver is None


def damaged(text: str, luck: random.Random) -> str:
    """A message with some characters changed, lost, or swapped with another's."""
    letters = list(text)
    for _ in range(luck.randint(1, 4)):
        at = luck.randrange(len(letters))
        letters[at] = luck.choice(['"', "{", "}", "1", "e", ",", ":", "-", "\x00", "é", ""])
    return "".join(letters)


def test_nothing_of_many_damaged_messages_is_obeyed():
    luck, seat, refused = random.Random(0), Seat(), 0
    for number in range(1500):
        page = driving(seat, float(number))
        kind = luck.choice(list(Kind)).value
        text = page.text(kind)
        data = damaged(text, luck)
        outcome = seat.hear(page.connection, data, number + 0.01)
        try:
            same = json.loads(data) == json.loads(text)
        except ValueError:
            same = False
        if not same and outcome.close:
            assert outcome.lost and outcome.order is None and seat.driver is None
            refused += 1
        elif not same:  # another message that is valid: a word for a stick, or a tick
            read(data, page.connection.session)
        seat.closed(page.connection)
    assert refused > 1200


@pytest.mark.parametrize("seed", range(5))
def test_whatever_pages_do_only_the_page_that_drives_and_is_there_gives_orders(seed):
    """Any mixture of three pages, delays, silence, repeats and foreign sessions."""
    luck = random.Random(seed)
    given = sum(_history(luck) for _ in range(60))
    assert given > 200, "not everything is refused"


def _history(luck: random.Random) -> int:
    """How many orders were given, stops aside."""
    seat, now, given = Seat(), 0.0, 0
    pages = [Page(seat) for _ in range(3)]
    alive_at: dict[int, float] = {}
    for _ in range(40):
        now += luck.choice([0.01, 0.05, 0.1, 0.19, 0.21, 0.6])
        index = luck.randrange(3)
        page = pages[index]
        if luck.random() < 0.7:
            page.hears(now)
        tick_at = page.connection.age(page.tick, now)
        kind = luck.choice([*Kind, Kind.CLAIM, Kind.CLAIM]).value
        changes = luck.choice([{}] * 9 + [{"number": 1}, {"session": "x"}])
        was, ends_at = seat.driver, seat.ends_at
        outcome = page.says(kind, now, **changes)
        if was is not None and now >= ends_at:
            assert outcome.lost, "silence is noticed at the latest with the next message"
        if outcome.order is not None and outcome.order not in STOPS:
            assert seat.driver is page.connection and tick_at <= LATE
            given += 1
            if kind != "claim":
                assert was is page.connection and now - alive_at[index] < SILENT
        if seat.driver is page.connection and outcome.order is not None and tick_at <= LATE:
            alive_at[index] = now
        if outcome.close:
            assert seat.driver is not page.connection
            pages[index] = Page(seat)
    return given


def test_while_something_speaks_against_it_nobody_begins_to_drive_and_the_driver_goes_on(seat):
    first, second = driving(seat), Page(seat)
    seat.objection = "another server of the page: /operator_node"
    second.hears(0.0)
    assert first.says("engage", 0.01) == Outcome(Order.ENGAGE)
    assert first.says("leave", 0.02).lost == "left"
    assert second.says("claim", 0.03) == Outcome(refused=seat.objection) and seat.driver is None
    assert second.says("takeover", 0.04) == Outcome(Order.TAKEOVER)
    seat.objection = ""
    assert second.says("claim", 0.05) == Outcome(Order.ALIVE)
