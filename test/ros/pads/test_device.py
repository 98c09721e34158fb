"""A joystick as the kernel gives it: events of a pipe in place of a device."""

from __future__ import annotations

import os

import pytest

from liquid_control.errors import JoystickError
from liquid_control.ros.pads import device, source
from liquid_control.ros.pads.device import AXIS, BUTTON, EVENT, INITIAL, Device
from liquid_control.ros.pads.hand import HandConfig


@pytest.fixture
def pad():
    """`(device, write)`: a pad of two axes and three buttons; `write(kind, number, value)` is its
    next event, `write(None)` unplugs it."""
    out, into = os.pipe()
    os.set_blocking(out, False)
    ends = [into]

    def write(kind, number=0, value=0, cut=None) -> None:
        if kind is None:
            os.close(ends.pop())
        else:
            os.write(into, EVENT.pack(5, value, kind, number)[cut or slice(None)])

    made = Device(out, "Some Pad", (2, 3), by_radio=False)
    yield made, write
    made.close()
    for end in ends:
        os.close(end)


def test_the_state_follows_the_events_left_and_up_are_positive(pad):
    made, write = pad
    assert made.read() == 0 and made.shape == (2, 3)
    write(AXIS | INITIAL, 0, -32767)
    write(AXIS | INITIAL, 1, 32767)
    write(BUTTON | INITIAL, 2, 1)
    assert made.read() == 3
    assert made.axes == [1.0, -1.0] and made.buttons == [False, False, True]
    write(AXIS, 0, -32768)
    write(AXIS, 1, 0)
    write(BUTTON, 2, 0)
    assert made.read() == 2, "what stays as it was is no change"
    assert made.axes == [1.0, 0.0] and made.buttons == [False] * 3


def test_events_of_other_kinds_and_numbers_are_passed_over_and_cut_ones_awaited(pad):
    made, write = pad
    for kind, number in ((AXIS, 7), (BUTTON, 3), (4, 0), (0x7F, 1)):
        write(kind, number, 1)
    assert made.read() == 0
    write(BUTTON, 1, 1, slice(0, 3))
    assert made.read() == 0
    write(BUTTON, 1, 1, slice(3, None))
    assert made.read() == 1 and made.buttons[1]


def test_a_flood_is_read_to_its_end(pad):
    made, write = pad
    for index in range(1000):
        write(AXIS, 0, index + 1)
    assert made.read() == 1000


def test_one_that_is_unplugged_is_gone_at_the_next_read(pad):
    made, write = pad
    write(BUTTON, 0, 1)
    assert made.read() == 1
    write(None)
    with pytest.raises(JoystickError, match="Some Pad is gone"):
        made.read()


def test_what_is_no_joystick_says_so(tmp_path, monkeypatch):
    (tmp_path / "js0").write_text("")
    with pytest.raises(JoystickError, match=r"js0: got another file, expected /dev/input/js\*"):
        device.open_device(tmp_path / "js0")
    with pytest.raises(JoystickError, match="is it plugged in"):
        device.open_device(tmp_path / "js9")
    monkeypatch.setattr(device, "INPUT", tmp_path)
    with pytest.raises(JoystickError, match="got no joystick in .*js0: got another file"):
        device.open_first()
    for name in ("js10", "js9"):
        (tmp_path / name).write_text("")
    assert [path.name for path in device.device_paths()] == ["js0", "js9", "js10"]


@pytest.fixture
def machine(monkeypatch):
    """`machine(pads...)`: what is plugged in, by name and shape; returns what writes events."""

    def make(*names: tuple[str, int, int]):
        found, writers = {}, {}
        for name, axes, buttons in names:
            out, into = os.pipe()
            os.set_blocking(out, False)
            found[name] = Device(out, name, (axes, buttons), by_radio="radio" in name)
            writers[name] = into

        def first(end: str = "") -> Device:
            fits = [one for name, one in found.items() if name.endswith(end)]
            if not fits:
                raise JoystickError("got no joystick")
            return found.pop(fits[0].name)

        monkeypatch.setattr(source, "open_first", first)
        return writers

    return make


def test_a_pad_on_a_cable_is_there_until_it_is_unplugged_and_found_again(machine):
    ends = machine(("Microsoft X-Box 360 pad", 8, 11))
    one = source.DevicePad("", None, HandConfig())
    one.feed(10.0)
    assert one.hand.preset.name == "xbox" and not one.trouble
    os.write(ends["Microsoft X-Box 360 pad"], EVENT.pack(0, 1, BUTTON, 4))
    one.feed(10.1)
    assert one.hand.look(60.0).stick == (0.0, 0.0), "it changes nothing, and is there"
    os.close(ends["Microsoft X-Box 360 pad"])
    one.feed(60.1)
    assert "is gone" in one.hand.look(60.1).ended and "is gone" in one.trouble
    ends = machine(("Microsoft X-Box 360 pad", 8, 11))
    one.feed(60.2)
    assert "is gone" not in one.trouble and one.hand.look(60.2).stick is None
    one.close()
    os.close(ends["Microsoft X-Box 360 pad"])


def test_by_radio_a_pad_that_changes_nothing_is_gone_unless_its_sensors_move(machine):
    name = "DualSense Wireless Controller radio"
    for sensors in (False, True):
        names = [(name, 8, 13)] + [(f"{name} Motion Sensors", 6, 0)] * sensors
        ends = machine(*names)
        one = source.DevicePad("", None, HandConfig())
        one.feed(10.0)
        os.write(ends[name], EVENT.pack(0, 1, BUTTON, 4))
        one.feed(10.1)
        assert one.hand.look(10.1).stick is not None
        for turn in range(20):
            if sensors:
                sensed = EVENT.pack(0, turn + 1, AXIS, 0)
                os.write(ends[f"{name} Motion Sensors"], sensed)
            one.feed(10.15 + 0.05 * turn)
        assert (one.hand.look(11.1).stick is not None) == sensors
        one.close()
        for end in ends.values():
            os.close(end)


def test_an_untaught_pad_is_not_heard_and_no_pad_is_looked_for_again(machine):
    machine()
    one = source.DevicePad("", None, HandConfig())
    one.feed(10.0)
    assert one.hand is None and one.trouble == "got no joystick"
    [end] = machine(("Strange Stick", 3, 5)).values()
    one.feed(10.1)
    assert one.trouble == "got no joystick", "not so soon"
    one.feed(11.0)
    assert one.hand is None and "liquid-control joystick teaches it" in one.trouble
    one.close()
    os.close(end)
