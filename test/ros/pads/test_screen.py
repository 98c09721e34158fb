"""The screen of a joystick, and a pad that is taught by showing."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from liquid_control.cli.main import main
from liquid_control.errors import JoystickError
from liquid_control.ros.pads import device as devices
from liquid_control.ros.pads import screen
from liquid_control.ros.pads.device import AXIS, BUTTON, EVENT, Device
from liquid_control.ros.pads.hand import Hand, HandConfig
from liquid_control.ros.pads.presets import BUTTONS, find_preset, fitting_preset
from liquid_control.ros.pads.screen import picture, teach
from liquid_control.ros.pads.teaching import PUSHED, QUESTIONS, STEADY, Teaching


@pytest.fixture(autouse=True)
def taught(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    find_preset.cache_clear()
    yield
    find_preset.cache_clear()


@pytest.fixture
def plugged():
    """`plugged(name, axes, buttons)`: a pad, and what writes its events."""
    ends = []

    def make(name: str, axes: int, buttons: int):
        out, into = os.pipe()
        os.set_blocking(out, False)
        ends.extend((out, into))

        def write(kind: int, number: int, value: float) -> None:
            raw = int(value) if kind == BUTTON else round(-32767 * value)
            os.write(into, EVENT.pack(0, raw, kind, number))

        return Device(out, name, (axes, buttons), by_radio=False), write

    yield make
    for end in ends:
        os.close(end)


def lines(device: Device, preset, wish=None) -> list[str]:
    return list(picture(device, preset, wish))


def test_the_screen_names_axes_and_buttons_and_what_they_do(plugged):
    pad, write = plugged("Microsoft X-Box 360 pad", 8, 11)
    preset = fitting_preset(pad.name, pad.shape)
    write(AXIS, 3, 0.5)
    write(BUTTON, 4, 1)
    pad.read()
    hand = Hand(preset, HandConfig(), trusted=True)
    hand.hear(pad.axes, [False] * 11, 0.0, True)
    hand.hear(pad.axes, pad.buttons, 0.1, True)
    shown = lines(pad, preset, hand.look(0.1))
    assert shown[0] == "Microsoft X-Box 360 pad: 8 axes, 11 buttons"
    assert shown[1] == "preset xbox"
    steering = next(line for line in shown if line.endswith("steering"))
    assert "right x" in steering and "+0.50" in steering
    bar = steering[steering.index("[") + 1 : steering.index("]")]
    assert bar.index("=") < bar.index("|"), "left is to the left"
    assert [line for line in shown if "[#]" in line] == ["button  4 LB           [#] hold"]
    assert shown[-1].startswith("drives: steering +0.")


def test_an_untaught_pad_is_refused_with_the_way_to_teach_it(plugged):
    pad, _ = plugged("Strange Stick", 3, 5)
    assert fitting_preset(pad.name, pad.shape) is None
    for preset in (None, find_preset("xbox")):
        shown = lines(pad, preset)
        assert "not heard" in shown[1] and "--teach NAME" in shown[1]
        assert not any(line.endswith(("hold", "steering")) for line in shown)


@given(
    axes=st.permutations(range(4)),
    signs=st.tuples(st.sampled_from((1.0, -1.0)), st.sampled_from((1.0, -1.0))),
    buttons=st.permutations(range(6)),
)
def test_what_is_shown_is_what_the_preset_says(axes, signs, buttons):
    shows = dict(zip(("steering", "speed", *BUTTONS), (*axes[:2], *buttons[:4]), strict=True))
    rest = [0.0, 1.0, 0.0, 0.0]  # axis 1 is a trigger
    assume(1 not in axes[:2])
    teaching, role_of = Teaching(), {text: role for role, text in QUESTIONS.items()}
    for _ in range(40 * STEADY):
        if teaching.done:
            break
        now, down = list(rest), [False] * 6
        role = role_of.get(teaching.question, "")
        if role in ("steering", "speed"):
            now[shows[role]] += signs[role == "speed"] * 0.95
        elif role:
            down[shows[role]] = True
        teaching.hear(now, down)
    preset = teaching.preset("mine", "Strange Stick", radio=True)
    for index, role in enumerate(("steering", "speed")):
        assert preset.axis(role) == (shows[role], signs[index])
    assert {role: preset.button(role) for role in BUTTONS} == {
        role: shows[role] for role in BUTTONS
    }
    assert preset.radio and preset.shape == (4, 6)


def test_an_answer_that_is_not_one_is_awaited_and_one_that_is_taken_is_named():
    teaching = Teaching()

    def hear(now, down=(), times=STEADY + 2):
        for _ in range(times):
            teaching.hear(now, [index in down for index in range(4)])

    hear([0.0, 0.0], (2,))
    assert teaching.question == QUESTIONS[""], "not at rest"
    hear([0.0, 0.0])
    hear([0.0, 0.0])
    for now in ([1.0, 1.0], [PUSHED / 2, 0.0]):
        hear(now)
        assert teaching.question == QUESTIONS["steering"], "both, or not far enough"
    hear([1.0, 0.0], times=STEADY // 2)
    hear([0.0, 0.0])
    assert teaching.question == QUESTIONS["steering"], "too short"
    hear([1.0, 0.0])
    assert teaching.question == "Let it go."
    hear([0.0, 0.0])
    hear([-1.0, 0.0])
    hear([0.0, 0.0])
    assert teaching.question == QUESTIONS["speed"]
    assert teaching.problem == "that one is for steering already"


def test_a_pad_is_taught_written_and_then_known_by_its_name(plugged):
    pad, write = plugged("Strange Stick", 2, 4)
    said = []
    down = {}

    def person(seconds: float) -> None:
        """Does what was said last; each answer is held for a while."""
        role = next((role for role, text in QUESTIONS.items() if text == said[-1]), "")
        wanted = {"steering": (AXIS, 0), "speed": (AXIS, 1)}
        wanted |= {role: (BUTTON, index) for index, role in enumerate(BUTTONS)}
        for key in [key for key in down if key != wanted.get(role)]:
            write(*key, 0)
            del down[key]
        if role and wanted[role] not in down:
            write(*wanted[role], 1)
            down[wanted[role]] = True

    preset = teach(pad, "strange", said.append, person)
    assert list(QUESTIONS.values()) == [line for line in said if line != "Let it go."]
    path = screen.write_preset(preset)
    assert fitting_preset("Strange Stick", (2, 4)) == preset and path.stem == "strange"
    assert fitting_preset("Strange Stick", (2, 5)) is None
    few, _ = plugged("Gyro", 6, 0)
    with pytest.raises(JoystickError, match="got 6 axes and 0 buttons, expected 2 and 4 or more"):
        teach(few, "gyro", said.append, person)


def test_the_verb_says_which_preset_fits_and_fails_for_an_untaught_pad(
    plugged, monkeypatch, capsys
):
    found = [plugged("Strange Stick", 3, 5)[0], plugged("Logitech Gamepad F710", 8, 11)[0]]
    monkeypatch.setattr(screen, "open_first", lambda: found.pop(0))
    monkeypatch.setattr(Device, "close", lambda self: None)
    assert main(["joystick", "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["preset"] is None and facts["remedy"] == "liquid-control joystick --teach NAME"
    assert main(["joystick", "--seconds", "0.05"]) == 0
    assert capsys.readouterr().out.strip() == (
        "Logitech Gamepad F710: 8 axes, 11 buttons; preset f710_x"
    )


def test_without_a_joystick_it_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(devices, "INPUT", tmp_path)
    assert main(["joystick"]) == 2
    assert "got no joystick in" in capsys.readouterr().err
    assert main(["joystick", "--teach", "My Pad"]) == 2
    assert "small letters" in capsys.readouterr().err
