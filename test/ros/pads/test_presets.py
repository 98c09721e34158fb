"""Joysticks by name: each device gets the preset of its mode, and nothing else does."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from liquid_control.errors import ConfigError
from liquid_control.ros.pads import presets
from liquid_control.ros.pads.presets import (
    Preset,
    find_preset,
    fitting_preset,
    preset_files,
    read_preset,
    write_preset,
)

DEVICES = [
    ("Logitech Gamepad F710", 8, 11, "f710_x"),
    ("Logitech Logitech Cordless RumblePad 2", 6, 12, "f710_d"),
    ("Microsoft X-Box 360 pad", 8, 11, "xbox"),
    ("Microsoft X-Box One S pad", 8, 11, "xbox"),
    ("Xbox 360 Wireless Receiver (XBOX)", 8, 11, "xbox"),
    ("Xbox Wireless Controller", 8, 11, "xbox"),
    ("Xbox Wireless Controller", 8, 15, "xbox_bluetooth"),
    ("Sony Interactive Entertainment Wireless Controller", 8, 13, "dualshock4"),
    ("Wireless Controller", 8, 13, "dualshock4"),
    ("Sony Interactive Entertainment DualSense Wireless Controller", 8, 13, "dualsense"),
    ("DualSense Wireless Controller", 8, 13, "dualsense"),
    ("8BitDo Pro 2", 8, 15, "8bitdo"),
    ("8BitDo SN30 Pro", 8, 11, "8bitdo_x"),
    ("DualSense Wireless Controller Motion Sensors", 6, 0, None),
    ("Logitech Gamepad F710", 6, 12, None),
    ("Xbox Wireless Controller", 8, 10, None),
    ("Some Other Pad", 8, 11, None),
]
OWN = Preset(
    "mine",
    ("Some Other Pad",),
    ("x", "y", "z"),
    ("one", "two", "three", "four"),
    *("z", "y", "one", "two", "three", "four"),
    reversed=("z",),
    radio=True,
)


@pytest.fixture(autouse=True)
def taught(tmp_path, monkeypatch):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    find_preset.cache_clear()
    yield tmp_path
    find_preset.cache_clear()


@pytest.mark.parametrize("device, axes, buttons, name", DEVICES)
def test_a_device_is_known_by_its_name_and_its_shape(device, axes, buttons, name):
    preset = fitting_preset(device, (axes, buttons))
    assert (preset and preset.name) == name


def test_every_preset_is_used_and_its_pad_can_do_all():
    known = set(preset_files())
    assert known == {name for *_, name in DEVICES if name}
    for name in known:
        preset = find_preset(name)
        roles = {preset.button(role) for role in presets.BUTTONS}
        assert len(roles) == 4 and preset.axis("steering")[0] != preset.axis("speed")[0]


def test_a_preset_that_was_taught_is_found_and_takes_precedence():
    assert fitting_preset("Some Other Pad 3", (3, 4)) is None
    path = write_preset(OWN)
    assert read_preset(path) == find_preset("mine") == fitting_preset("Some Other Pad 3", (3, 4))
    assert OWN.axis("steering") == (2, -1.0) and OWN.axis("speed") == (1, 1.0)
    ours = dataclasses.replace(find_preset("xbox"), name="my_xbox", hold="RB")
    write_preset(ours)
    assert fitting_preset("Microsoft X-Box 360 pad", (8, 11)) == ours, "over a longer name"
    (path.parent / "broken.yaml").write_text("devices: [X-Box\n")
    assert fitting_preset("Microsoft X-Box 360 pad", (8, 11)) == ours


@pytest.mark.parametrize(
    "change, words",
    [
        ({"hold": "five"}, "hold: got 'five', expected one of one, two, three, four"),
        ({"takeover": "one"}, "hold, takeover, engage, emergency_stop"),
        ({"steering": "y"}, "steering, speed"),
        ({"devices": ()}, "devices"),
        ({"devices": "Some"}, "devices"),
        ({"axes": ("x", "x", "z")}, "axes"),
        ({"buttons": tuple(map(str, range(65)))}, "at most 64"),
        ({"reversed": ("w",)}, "reversed"),
        ({"name": "My Pad"}, "small letters"),
        ({"radio": "yes"}, "radio"),
    ],
)
def test_a_preset_that_contradicts_itself_is_refused(change, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(OWN, **change)


@pytest.mark.parametrize(
    "text, words",
    [
        ("[]", "devices, axes, buttons"),
        ("devices: [a\n", "valid YAML"),
        ("1: 2\n", "devices, axes, buttons"),
        ("trigger: 3\n", "trigger"),
        (yaml.safe_dump({"name": "x"}), "devices, axes, buttons"),
        ("\x00", "valid YAML"),
    ],
)
def test_a_file_that_is_no_preset_is_one_line(tmp_path, text, words):
    path = tmp_path / "odd.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words) as caught:
        read_preset(path)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_not_known_lists_those_that_are(tmp_path):
    with pytest.raises(
        ConfigError, match="got 'playstation', expected 8bitdo, .* joystick teaches"
    ):
        find_preset("playstation")
    with pytest.raises(ConfigError, match="No such file"):
        find_preset(str(tmp_path / "gone.yaml"))
