"""Buttons of a joystick as levels and presses."""

from __future__ import annotations

import pytest

from liquid_control.errors import ConfigError
from liquid_control.ros.joystick import DEVICES, Joystick, JoystickConfig
from liquid_control.ros.pads.presets import find_preset

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


def test_a_preset_names_the_buttons_and_what_is_set_takes_precedence():
    own = JoystickConfig(preset="f710_d", takeover_button=3)
    preset = find_preset("f710_d")
    assert own.used == {
        "takeover_button": 3,
        "enable_button": preset.button("hold"),
        "engage_button": preset.button("engage"),
        "emergency_stop_button": preset.button("emergency_stop"),
    }
    with pytest.raises(ConfigError, match="got 4, expected another button than enable_button"):
        JoystickConfig(preset="f710_d", takeover_button=preset.button("hold"))
    with pytest.raises(ConfigError, match="got 'rumblepad', expected .*f710_d"):
        JoystickConfig(preset="rumblepad")


def test_a_pad_that_is_not_the_presets_gives_nothing_and_takes_nothing_back():
    """f1tenth_system#11, #14: in another mode of the same pad the buttons are others."""
    joystick, shape = Joystick(JoystickConfig(preset="f710_x")), find_preset("f710_x").shape
    preset = find_preset("f710_x")
    taking = [int(index == preset.button("takeover")) for index in range(shape[1])]
    joystick.hear(taking, axes=shape[0])
    assert joystick.takeover and not joystick.unlike
    for axes, buttons in ((6, 12), (0, 0), (8, 12), (6, 11)):
        joystick.hear([1] * buttons, axes=axes)
        assert joystick.takeover and not joystick.enabled and joystick.engage_presses == 0
        words = f"the joystick has {axes} axes and {buttons} buttons, joystick.preset f710_x 8 and"
        assert joystick.unlike == f"{words} 11"
    joystick.hear([0] * shape[1], axes=shape[0])
    assert not joystick.takeover and not joystick.unlike
