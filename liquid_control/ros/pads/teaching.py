"""Teaches a joystick that no preset fits: a person shows what each stick and button does. Pure: no
device and no clock."""

from __future__ import annotations

from collections.abc import Sequence

from liquid_control.errors import ConfigError
from liquid_control.ros.pads.presets import AXES, BUTTONS, Preset

PUSHED, RESTS = 0.7, 0.3
"""Way of a stick that is pushed, and of one that rests."""
STEADY = 10
"""Messages in a row that say the same."""
QUESTIONS = {
    "": "Let go of all sticks and buttons.",
    "steering": "Push the stick that steers all the way to the LEFT.",
    "speed": "Push the stick for the speed all the way FORWARD.",
    "hold": "Press the button that is to be held while driving by hand.",
    "takeover": "Press the button that takes over from the policy.",
    "engage": "Press the button that lets the policy drive.",
    "emergency_stop": "Press the button for the emergency stop.",
}
"""What is asked for, by role, in order."""


class Teaching:
    """`hear` takes the pad's state, at a steady rate. `question`: what the person is to do now;
    `problem`: why the last answer does not do; `done`: whether all is known.

    A stick that is pushed counts once it is let go, and so does a button: between two answers the
    pad is at rest.
    """

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, float]] = {}
        self._left = list(QUESTIONS)
        self._rest: list[float] = []
        self._answer: tuple[int, float] | None = None
        self._same, self._before = 0, None
        self._shape = (0, 0)
        self.problem = ""

    @property
    def done(self) -> bool:
        return not self._left

    @property
    def question(self) -> str:
        if self.done:
            return ""
        return "Let it go." if self._answer is not None else QUESTIONS[self._left[0]]

    def hear(self, axes: Sequence[float], buttons: Sequence[bool]) -> None:
        """The pad's state now."""
        if self.done:
            return
        self._shape = len(axes), len(buttons)
        if not self._left[0]:
            self._settle(axes, buttons)
            return
        role = self._left[0]
        pushed = self._pushed(axes) if role in AXES else _pressed(buttons)
        self._same = self._same + 1 if pushed == self._before else 0
        self._before = pushed
        if self._same < STEADY:
            return
        if len(pushed) == 1 and self._answer is None:
            self._answer = pushed[0]
        elif not pushed and self._answer is not None:
            self._take(role, self._answer)
            self._answer = None

    def preset(self, name: str, device: str, radio: bool) -> Preset:
        """What was shown, as a preset for devices of this name. Raises ConfigError where the name
        is none."""
        axes = tuple(f"axis {index}" for index in range(self._shape[0]))
        buttons = tuple(f"button {index}" for index in range(self._shape[1]))
        roles = {role: axes[self._found[role][0]] for role in AXES}
        turned = tuple(roles[role] for role in AXES if self._found[role][1] < 0.0)
        roles |= {role: buttons[self._found[role][0]] for role in BUTTONS}
        if not device:
            raise ConfigError("joystick", device, "a device with a name")
        return Preset(name, (device,), axes, buttons, **roles, reversed=turned, radio=radio)

    def _settle(self, axes: Sequence[float], buttons: Sequence[bool]) -> None:
        """The pad's rest: of a trigger an end, of a stick its middle."""
        now = [*axes]
        still = not any(buttons) and self._rest and _apart(now, self._rest) < RESTS
        self._same = self._same + 1 if still else 0
        self._rest = now
        if self._same >= STEADY:
            self._left.pop(0)
            self._same = 0

    def _pushed(self, axes: Sequence[float]) -> list[tuple[int, float]]:
        """The sticks that are pushed, each with the sign of its way."""
        ways = [now - rest for now, rest in zip(axes, self._rest, strict=True)]
        return [
            (index, 1.0 if way > 0.0 else -1.0)
            for index, way in enumerate(ways)
            if abs(way) >= PUSHED and abs(self._rest[index]) < RESTS
        ]

    def _take(self, role: str, answer: tuple[int, float]) -> None:
        kind = AXES if role in AXES else BUTTONS
        taken = [other for other in kind if self._found.get(other, (-1,))[0] == answer[0]]
        if taken:
            self.problem = f"that one is for {taken[0].replace('_', ' ')} already"
            return
        self.problem = ""
        self._found[role] = answer
        self._left.pop(0)


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return max((abs(a - b) for a, b in zip(one, other, strict=True)), default=0.0)


def _pressed(buttons: Sequence[bool]) -> list[tuple[int, float]]:
    return [(index, 1.0) for index, down in enumerate(buttons) if down]
