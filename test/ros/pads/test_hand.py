"""A person's hand on a pad: what drives, what never does, and what ends it."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liquid_control.ros.pads.hand import Hand, HandConfig, Press
from liquid_control.ros.pads.presets import find_preset

PRESET = find_preset("xbox")
HOLD, TAKEOVER, ENGAGE, STOP = (
    PRESET.button(role) for role in ("hold", "takeover", "engage", "emergency_stop")
)
PERIOD = 0.02
STILL = HandConfig().still_after


class Pad:
    """A pad in the hand: `say` sends its state as often as a driver does, and looks."""

    def __init__(self, trusted: bool = False, **config) -> None:
        self.hand, self.now = Hand(PRESET, HandConfig(**config), trusted), 100.0
        self._before, self.changed_at = None, 0.0

    def say(self, *down: int, steering: float = 0.0, speed: float = 0.0, seconds: float = PERIOD):
        """The wishes while the pad is in this state; what repeats changes nothing."""
        axes = [0.0] * len(PRESET.axes)
        for role, way in (("steering", steering), ("speed", speed)):
            index, sign = PRESET.axis(role)
            axes[index] = sign * way
        buttons = [index in down for index in range(len(PRESET.buttons))]
        wishes = []
        for _ in range(max(round(seconds / PERIOD), 1)):
            self.now += PERIOD
            changed = (axes, buttons) != self._before
            self.changed_at = self.now if changed else self.changed_at
            self.hand.hear(axes, buttons, self.now, changed)
            self._before = (axes, buttons)
            wishes.append(self.hand.look(self.now))
        return wishes

    def drive(self) -> None:
        """Until it drives."""
        self.say()
        assert self.say(HOLD)[-1].began


def test_it_drives_while_the_button_is_held_and_by_the_sticks():
    pad = Pad(trusted=True)
    assert pad.say(speed=1.0, steering=1.0)[-1].stick is None, "not without the button"
    pad.say()
    first = pad.say(HOLD)[-1]
    assert first.began and first.stick == (0.0, 0.0)
    full = pad.say(HOLD, steering=1.0, speed=1.0)[-1]
    assert full.stick == (1.0, 1.0) and not full.began
    assert pad.say(HOLD, steering=-1.0, speed=-1.0)[-1].stick == (-1.0, -1.0)
    inside = HandConfig().dead_zone * 0.99
    assert pad.say(HOLD, steering=inside, speed=-inside)[-1].stick == (0.0, 0.0)
    assert pad.say(steering=0.5)[-1].ended == "released"
    assert pad.say()[-1] == dataclasses.replace(full, stick=None)
    assert pad.say(HOLD)[-1].began, "and again with the next press"


@given(way=st.floats(-1.0, 1.0), further=st.floats(-1.0, 1.0))
def test_a_stick_that_is_pushed_further_asks_for_more_and_its_sign_is_its_side(way, further):
    pad = Pad(trusted=True)
    pad.drive()
    low, high = sorted((way, further))
    first = pad.say(HOLD, steering=low)[-1].stick[0]
    second = pad.say(HOLD, steering=high)[-1].stick[0]
    assert -1.0 <= first <= second <= 1.0
    assert first * low >= 0.0 and second * high >= 0.0


def test_a_button_that_is_held_when_the_pad_is_first_heard_does_not_drive():
    pad = Pad(trusted=True)
    assert pad.say(HOLD, seconds=1.0)[-1].waits == "release the button and press it again"
    pad.say()
    assert pad.say(HOLD)[-1].began


def test_a_stick_that_hangs_does_not_drive_until_it_was_at_rest():
    pad = Pad(trusted=True)
    pad.say(speed=0.5)
    assert pad.say(HOLD, speed=0.5)[-1].waits == "the speed stick is not at rest"
    assert pad.say(HOLD)[-1].began
    assert pad.say(HOLD, speed=0.5)[-1].stick[1] > 0.0


@pytest.mark.parametrize("speed", [0.0, 0.6, 1.0])
def test_a_driver_that_repeats_a_dead_pad_is_noticed_within_a_fifth_of_a_second(speed):
    """joystick_drivers#92, osr-rover-code#70: the receiver or autorepeat sends the last state for
    ever."""
    pad = Pad()
    pad.drive()
    assert pad.say(HOLD, speed=speed)[-1].stick is not None
    began = pad.now
    wishes = pad.say(HOLD, speed=speed, seconds=60.0)
    ends = [index for index, wish in enumerate(wishes) if wish.ended]
    assert len(ends) == 1 and f"no sign of it for {STILL:g} s" in wishes[ends[0]].ended
    assert (ends[0] + 1) * PERIOD <= STILL + 1.5 * PERIOD < 0.2
    assert all(wish.stick is None for wish in wishes[ends[0] :]), "for ever"
    assert pad.now > began + 59.0
    assert pad.say(HOLD, speed=0.0)[-1].stick is None, "one that is back does not go on"
    pad.say()
    assert pad.say(HOLD)[-1].began, "but after the button was released"


def test_a_hand_that_moves_the_stick_a_little_keeps_driving_and_a_cable_needs_none():
    pad, cable = Pad(), Pad(trusted=True)
    pad.drive(), cable.drive()
    for step in range(100):
        [*_, last] = pad.say(HOLD, speed=0.7 + 0.01 * (step % 2), seconds=0.08)
        assert last.stick is not None
    assert cable.say(HOLD, speed=1.0, seconds=60.0)[-1].stick == (0.0, 1.0)


def test_a_pad_that_is_unplugged_ends_it_at_once_and_nothing_of_it_is_kept():
    pad = Pad(trusted=True)
    pad.drive()
    pad.say(HOLD, speed=1.0)
    pad.hand.lose("it is gone")
    assert pad.hand.look(pad.now).ended == "it is gone"
    assert pad.hand.look(pad.now + 10.0).waits == "it is gone"
    assert pad.say(HOLD)[-1].stick is None, "plugged in again with the button held"
    pad.say()
    assert pad.say(HOLD)[-1].began


def test_another_pad_or_mode_is_refused_and_its_buttons_are_not_guessed():
    """f1tenth_system#11, #14: with another pad's mapping the dead-man button steers."""
    pad = Pad(trusted=True)
    pad.drive()
    pad.hand.hear([0.0] * 6, [True] * 12, pad.now, True)
    wish = pad.hand.look(pad.now)
    words = "got a pad of 6 axes and 12 buttons, expected 8 axes and 11 buttons (xbox)"
    assert wish.ended == words == pad.hand.refused and not wish.pressed
    assert pad.say(HOLD)[-1].stick is None and not pad.hand.refused


def test_presses_are_changes_that_were_seen_and_are_handed_out_once():
    pad = Pad(trusted=True)
    assert not pad.say(TAKEOVER, STOP, ENGAGE)[-1].pressed, "held from the start"
    pad.say()
    assert pad.say(TAKEOVER, STOP)[-1].pressed == (Press.TAKEOVER, Press.EMERGENCY_STOP)
    assert not pad.say(TAKEOVER, STOP)[-1].pressed
    assert pad.say(TAKEOVER, STOP, ENGAGE)[-1].pressed == (Press.ENGAGE,)


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_numbers_that_no_stick_gives_stay_within_its_way(wrong):
    pad = Pad(trusted=True)
    pad.drive()
    steering = pad.say(HOLD, steering=wrong)[-1].stick[0]
    assert -1.0 <= steering <= 1.0


@given(
    st.lists(
        st.tuples(
            st.sets(st.sampled_from((HOLD, TAKEOVER, ENGAGE, STOP))),
            st.floats(-1.0, 1.0),
            st.floats(-1.0, 1.0),
            st.booleans(),
        ),
        max_size=40,
    )
)
def test_whatever_happens_it_drives_only_with_the_button_held_and_a_sign_of_the_pad(history):
    pad, seen_up = Pad(), False
    for down, steering, speed, gone in history:
        if gone:
            pad.hand.lose("gone")
            assert pad.hand.look(pad.now).stick is None
            seen_up = False
            continue
        for index, wish in enumerate(
            pad.say(*down, steering=steering, speed=speed, seconds=0.4), start=1
        ):
            if wish.stick is not None:
                assert HOLD in down and seen_up
                assert index * PERIOD <= STILL + 1.5 * PERIOD, "it repeats since the first one"
        seen_up = seen_up or HOLD not in down
