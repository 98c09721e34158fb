"""The buttons of a joystick: which are held, and which were pressed. Pure: no messages and no
clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

from liquid_control.config import check, number, text
from liquid_control.errors import ConfigError
from liquid_control.ros.pads.presets import Preset, find_preset

ROLES = {
    "takeover_button": "takeover",
    "enable_button": "hold",
    "engage_button": "engage",
    "emergency_stop_button": "emergency_stop",
}
"""The buttons, and what a preset calls them."""
DEVICES = 16
"""States of this many devices are kept."""


@dataclasses.dataclass(frozen=True)
class JoystickConfig:
    """Buttons of a `sensor_msgs/Joy`, counted from 0. A button that takes control away must not
    be one that gives it."""

    takeover_button: int = number(-1, -1, 63, "", "takeover while held; -1: none")
    enable_button: int = number(-1, -1, 63, "", "dead-man switch; -1: none")
    engage_button: int = number(-1, -1, 63, "", "requests to engage when pressed; -1: none")
    emergency_stop_button: int = number(
        -1, -1, 63, "", "emergency stop, latched until acknowledged; -1: none"
    )
    preset: str = text(
        "",
        "joystick whose buttons count where none is set (liquid-control joystick names it); one "
        "with another number of axes or buttons is not heard; empty: any joystick",
    )

    def __post_init__(self) -> None:
        check(self)
        used = self.used
        for taking in ("takeover_button", "emergency_stop_button"):
            for giving in ("enable_button", "engage_button"):
                if used.get(taking, -1) == used.get(giving, -2):
                    raise ConfigError(
                        f"JoystickConfig.{taking}", used[taking], f"another button than {giving}"
                    )

    @property
    def pad(self) -> Preset | None:
        """The preset. Raises ConfigError for one that is not there."""
        return find_preset(self.preset) if self.preset else None

    @property
    def used(self) -> dict[str, int]:
        """The buttons that are configured, by name."""
        pad = self.pad
        theirs = {name: pad.button(role) for name, role in ROLES.items()} if pad else {}
        ours = {name: index for name in ROLES if (index := getattr(self, name)) >= 0}
        return {name: index for name in ROLES if (index := (theirs | ours).get(name)) is not None}


class Joystick:
    """`hear` takes every message, in order.

    `takeover`, `emergency`: whether they were held in the last message that has the button; None
    before the first. `enabled`: whether the last message has the dead-man held. `engage_presses`:
    counted since the start; a press is a change from up to down within the messages of one device,
    so a button that is held when a device is first heard is none. `missing`: the configured buttons
    that the last message does not have, with its number of buttons. `unlike`: why the last message
    is that of another joystick than the preset's, of which no button is known; empty where it is
    not.
    """

    def __init__(self, config: JoystickConfig) -> None:
        self.config, self._used = config, config.used
        self._shape, self.unlike = config.pad.shape if config.pad else None, ""
        self.takeover: bool | None = None
        self.emergency: bool | None = None
        self.enabled = False
        self.engage_presses = 0
        self.missing: dict[str, int] = {}
        self._engage_down: dict[Hashable, bool | None] = {}

    def hear(self, buttons: Sequence[int], device: Hashable = None, axes: int = 0) -> None:
        """`buttons`: 0 where a button is up; `device`: who sent it; `axes`: their number."""
        shape, self.unlike = (axes, len(buttons)), ""
        if self._shape is not None and shape != self._shape:
            self.unlike = (
                f"the joystick has {axes} axes and {len(buttons)} buttons, joystick.preset "
                f"{self.config.preset} {self._shape[0]} and {self._shape[1]}"
            )
            buttons = ()
        down = {
            name: bool(buttons[index]) if index < len(buttons) else None
            for name, index in self._used.items()
        }
        self.missing = {name: len(buttons) for name, held in down.items() if held is None}
        if (held := down.get("takeover_button")) is not None:
            self.takeover = held
        if (held := down.get("emergency_stop_button")) is not None:
            self.emergency = held
        self.enabled = bool(down.get("enable_button"))
        if device not in self._engage_down and len(self._engage_down) >= DEVICES:
            self._engage_down.clear()
        held, before = down.get("engage_button"), self._engage_down.get(device)
        self.engage_presses += before is False and held is True
        self._engage_down[device] = held
