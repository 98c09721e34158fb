"""Buttons of a joystick as levels and presses."""

from __future__ import annotations

import pytest

from liquid_control.errors import ConfigError
from liquid_control.ros.joystick import DEVICES, Joystick, JoystickConfig

TAKEOVER, ENABLE, ENGAGE, STOP = range(4)
BUTTONS = JoystickConfig(TAKEOVER, ENABLE, ENGAGE, STOP)


def after(*messages, config: JoystickConfig = BUTTONS) -> Joystick:
    """A joystick that heard messages: lists of buttons that are down, of a device with 4
    buttons, or (buttons, device)."""
    joystick = Joystick(config)
    for message in messages:
        down, device = message if isinstance(message, tuple) else (message, None)
        joystick.hear([int(index in down) for index in range(4)], device)
    return joystick


@pytest.mark.parametrize(
    "messages, presses",
    [
        ([[], [ENGAGE]], 1),
        ([[ENGAGE], [ENGAGE]], 0),  # held when it is first heard
        ([[ENGAGE], [], [ENGAGE]], 1),
        ([[], [ENGAGE], [ENGAGE], [ENGAGE]], 1),  # the driver of the joystick repeats
        ([[], [ENGAGE], [], [ENGAGE], []], 2),
        ([([], "a"), ([ENGAGE], "b"), ([], "a"), ([ENGAGE], "b")], 0),  # b was never seen up
        ([([], "a"), ([], "b"), ([ENGAGE], "b"), ([], "a"), ([ENGAGE], "b")], 1),
    ],
)
def test_a_press_is_a_change_that_was_seen(messages, presses):
    assert after(*messages).engage_presses == presses


def test_a_button_that_was_missing_in_between_was_not_seen_up():
    joystick = after([])
    joystick.hear([0, 0])
    joystick.hear([0, 0, 1, 0])
    assert joystick.engage_presses == 0
    joystick.hear([0, 0, 0, 0])
    joystick.hear([0, 0, 1, 0])
    assert joystick.engage_presses == 1


def test_what_takes_control_away_stays_and_what_gives_it_ends_without_the_button():
    joystick = after([TAKEOVER, ENABLE, STOP])
    assert (joystick.takeover, joystick.enabled, joystick.emergency) == (True, True, True)
    joystick.hear([])
    assert (joystick.takeover, joystick.enabled, joystick.emergency) == (True, False, True)
    assert joystick.missing == {
        "takeover_button": 0,
        "enable_button": 0,
        "engage_button": 0,
        "emergency_stop_button": 0,
    }
    joystick.hear([0, 0, 0, 0, 1])
    assert (joystick.takeover, joystick.enabled, joystick.emergency) == (False, False, False)
    assert not joystick.missing


def test_a_button_that_the_joystick_does_not_have_is_named():
    joystick = after([0, 1], config=JoystickConfig(takeover_button=11, engage_button=3))
    assert joystick.missing == {"takeover_button": 4} and joystick.takeover is None
    assert after(config=BUTTONS).missing == {}, "nothing is known before a message"


def test_only_the_latest_devices_are_remembered():
    up = [([], device) for device in range(DEVICES)]
    assert after(*up, ([ENGAGE], 0)).engage_presses == 1
    assert after(*up, ([], "one more"), ([ENGAGE], 0)).engage_presses == 0


@pytest.mark.parametrize("taking", ["takeover_button", "emergency_stop_button"])
@pytest.mark.parametrize("giving", ["enable_button", "engage_button"])
def test_one_button_cannot_take_control_away_and_give_it(taking, giving):
    with pytest.raises(ConfigError, match=f"{taking}: got 3, expected another button"):
        JoystickConfig(**{taking: 3, giving: 3})
    JoystickConfig(**{taking: 3, giving: 4})
