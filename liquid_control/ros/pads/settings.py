"""Settings of the joystick's node."""

from __future__ import annotations

import dataclasses

from liquid_control.config import check, choice, number, text
from liquid_control.errors import ConfigError
from liquid_control.ros.pads.presets import Preset, find_preset


@dataclasses.dataclass(frozen=True)
class JoystickNodeConfig:
    """Which pad, and what it drives; read once, when the node starts."""

    source: str = choice(
        "device", ("device", "topic"), "read the pad from the kernel, or from messages on joy"
    )
    device: str = text("", "the pad, /dev/input/js0 say; empty: the first that is plugged in")
    preset: str = text(
        "", "preset of the pad, a name or a file; empty: by its name; needed with source topic"
    )
    hand_speed: float = number(
        2.0,
        0.05,
        30.0,
        "m/s",
        "speed of a stick that is pushed all the way; the gate's limits hold",
    )
    gate: str = text("safety_node", "name of the safety gate")

    def __post_init__(self) -> None:
        check(self)
        if self.source == "topic" and not self.preset:
            expected = "a preset, with source: topic: messages do not name their joystick"
            raise ConfigError("JoystickNodeConfig.preset", self.preset, expected)
        if self.preset:
            find_preset(self.preset)

    @property
    def pad(self) -> Preset | None:
        """The preset that is named."""
        return find_preset(self.preset) if self.preset else None
