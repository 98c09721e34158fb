"""Where a pad's state comes from: the kernel's device, or the topic `joy` of another driver. Each
`feed`s a `Hand`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Protocol

from rclpy.node import Node
from sensor_msgs.msg import Joy

from liquid_control.errors import JoystickError
from liquid_control.ros import qos
from liquid_control.ros.pads.device import Device, open_device, open_first
from liquid_control.ros.pads.hand import Hand, HandConfig
from liquid_control.ros.pads.presets import Preset, fitting_preset
from liquid_control.ros.polled_subscription import PolledSubscription

AGAIN = 0.5
"""A device that is not there is looked for so often [s]."""


class Pad(Protocol):
    """`hand`: what the person wants with it; None while no pad that a preset fits was seen. `name`:
    of the pad; `trouble`: why it is not heard."""

    hand: Hand | None
    name: str
    trouble: str

    def feed(self, now: float) -> None:
        """Takes what has come in."""
        ...


class DevicePad:
    """A pad of this machine, see `Pad`; one that is unplugged is looked for until it is back.

    By cable the kernel says when it is gone. By radio nothing does, for a receiver stays and a
    Bluetooth connection ends seconds later: such a pad must change now and then, or its motion
    sensors, which never rest, must.
    """

    def __init__(self, path: str, preset: Preset | None, config: HandConfig) -> None:
        """`preset`: None for the one that fits its name. `path`: empty for the first pad."""
        self._path, self._preset, self._config = path, preset, config
        self._device: Device | None = None
        self._alive: Device | None = None
        self._look_at = float("-inf")
        self.hand, self.name, self.trouble = None, "", "no joystick yet"

    def feed(self, now: float) -> None:
        try:
            if self._device is None:
                if now < self._look_at:
                    return
                self._look_at = now + AGAIN
                self._open()
            changes = self._device.read()
        except JoystickError as error:
            self._lose(str(error))
            return
        if self._alive is not None:
            try:
                changes += self._alive.read()
            except JoystickError:
                self._alive.close()
                self._alive = None
        if self.hand is not None:
            self.hand.hear(self._device.axes, self._device.buttons, now, bool(changes))
            self.trouble = self.hand.refused

    def close(self) -> None:
        for device in (self._device, self._alive):
            if device is not None:
                device.close()
        self._device = self._alive = None

    def _open(self) -> None:
        self._device = device = open_device(Path(self._path)) if self._path else open_first()
        preset = self._preset or fitting_preset(device.name, device.shape)
        self.name, self.trouble = device.name, ""
        if preset is None:
            axes, buttons = device.shape
            self.hand = None
            self.trouble = (
                f"no preset fits {device.name} with {axes} axes and {buttons} buttons: "
                "liquid-control joystick teaches it"
            )
            return
        by_radio = device.by_radio or preset.radio
        self.hand = Hand(preset, self._config, trusted=not by_radio)
        if by_radio and preset.alive:
            try:
                self._alive = open_first(f"{device.name} {preset.alive}")
            except JoystickError:
                self._alive = None  # then the sticks alone say that it is there

    def _lose(self, reason: str) -> None:
        self.close()
        self.trouble = reason
        if self.hand is not None:
            self.hand.lose(reason)


class TopicPad:
    """A pad whose driver publishes `joy`, see `Pad`. Its messages prove nothing: drivers repeat
    them after the pad is gone. Only those that differ from the one before do."""

    def __init__(self, node: Node, preset: Preset, config: HandConfig) -> None:
        self.hand, self.name, self.trouble = Hand(preset, config), "joy", "nothing on joy yet"
        self._joy = PolledSubscription(node, Joy, "joy", qos.OPERATOR)
        self._before: tuple | None = None

    def feed(self, now: float) -> None:
        clock_ns = time.time_ns()
        for message, received_ns in self._joy.take():
            state = (message.axes, message.buttons)
            arrived = now - max(clock_ns - received_ns, 0) / 1e9
            self.hand.hear(*state, arrived, state != self._before)
            self._before = state
            self.trouble = self.hand.refused
