"""The buttons of a joystick: which are held, and which were pressed. Pure: no messages and no
clock."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Sequence

from liquid_control.config import check, number
from liquid_control.errors import ConfigError

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

    def __post_init__(self) -> None:
        check(self)
        for taking in ("takeover_button", "emergency_stop_button"):
            for giving in ("enable_button", "engage_button"):
                if getattr(self, taking) == getattr(self, giving) >= 0:
                    raise ConfigError(
                        f"JoystickConfig.{taking}",
                        getattr(self, taking),
                        f"another button than {giving}",
                    )

    @property
    def used(self) -> dict[str, int]:
        """The buttons that are configured, by name."""
        return {name: index for name, index in dataclasses.asdict(self).items() if index >= 0}


class Joystick:
    """`hear` takes every message, in order.

    `takeover`, `emergency`: whether they were held in the last message that has the button; None
    before the first. `enabled`: whether the last message has the dead-man held. `engage_presses`:
    counted since the start; a press is a change from up to down within the messages of one device,
    so a button that is held when a device is first heard is none. `missing`: the configured buttons
    that the last message does not have, with its number of buttons.
    """

    def __init__(self, config: JoystickConfig) -> None:
        self.config = config
        self.takeover: bool | None = None
        self.emergency: bool | None = None
        self.enabled = False
        self.engage_presses = 0
        self.missing: dict[str, int] = {}
        self._engage_down: dict[Hashable, bool | None] = {}

    def hear(self, buttons: Sequence[int], device: Hashable = None) -> None:
        """`buttons`: 0 where a button is up; `device`: who sent it."""
        down = {
            name: bool(buttons[index]) if index < len(buttons) else None
            for name, index in self.config.used.items()
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
