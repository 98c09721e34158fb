"""What a person wants who drives with a joystick, and whether the pad is still there. Pure: no
messages, no device and no clock.

The vehicle is driven while a button is held. It drives only after the button was seen up, with the
speed stick at rest, so that neither a stick that hangs nor one that was pushed while nothing was
heard starts it. A pad that is gone, and one that may be gone, ends it until the button is pressed
again.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

from liquid_control.config import check, number
from liquid_control.ros.pads.presets import Preset

NEVER = float("inf")


@dataclasses.dataclass(frozen=True)
class HandConfig:
    """How a stick is read, and when its pad counts as gone."""

    still_after: float = number(
        0.1,
        0.05,
        10.0,
        "s",
        "a pad by radio, or on the topic joy, that drives and changes nothing for longer counts as "
        "gone: nothing else says whether it is, and a stick at its end stop changes nothing",
    )
    dead_zone: float = number(
        0.08, 0.0, 0.5, "", "share of a stick's way from its middle that counts as the middle"
    )
    curve: float = number(
        1.5, 1.0, 4.0, "", "exponent of the stick's way: more than 1 is finer around the middle"
    )

    def __post_init__(self) -> None:
        check(self)


class Press(enum.Enum):
    """A button that was pressed."""

    TAKEOVER = "takeover"
    ENGAGE = "engage"
    EMERGENCY_STOP = "emergency_stop"


@dataclasses.dataclass(frozen=True, slots=True)
class Wish:
    """What follows from the pad as it is now. `stick`: steering and speed in [-1, 1], positive to
    the left and forward, while the person drives; `began`: it begins with this one; `ended`: why it
    ended, with this one. `waits`: why holding the button does not drive. `pressed`: since the last
    one, in the order of `Press`."""

    stick: tuple[float, float] | None = None
    began: bool = False
    ended: str = ""
    waits: str = ""
    pressed: tuple[Press, ...] = ()


class Hand:
    """`hear` takes what the pad says, `lose` that it is gone, `look` tells what is wanted. All
    times in seconds of one steady clock."""

    def __init__(
        self, preset: Preset, config: HandConfig | None = None, trusted: bool = False
    ) -> None:
        """`trusted`: it is reported when this pad is gone, as the kernel does of one on a cable, so
        that one which changes nothing is there."""
        self.preset, self._config, self._trusted = preset, config or HandConfig(), trusted
        self._axes, self._buttons = {role: preset.axis(role) for role in ("steering", "speed")}, {}
        self._hold = preset.button("hold")
        self._presses = {preset.button(press.value): press for press in Press}
        self._driving = self._armed = False
        self._gone, self._refused = "", ""
        self._pressed: set[Press] = set()
        self._stick, self._held = (0.0, 0.0), False
        self._alive_until = -NEVER

    @property
    def refused(self) -> str:
        """Why the pad is not heard: another number of axes or buttons than the preset's."""
        return self._refused

    def hear(
        self, axes: Sequence[float], buttons: Sequence[bool | int], now: float, changed: bool
    ) -> None:
        """The pad's state. `changed`: whether anything proves that it is there, a change of it or
        of something that changes by itself."""
        shape = (len(axes), len(buttons))
        if shape != self.preset.shape:
            got, expected = (
                f"{one[0]} axes and {one[1]} buttons" for one in (shape, self.preset.shape)
            )
            self._refused = f"got a pad of {got}, expected {expected} ({self.preset.name})"
            self._forget()
            return
        self._refused = self._gone = ""
        if changed:
            self._alive_until = now + self._config.still_after
        down = {index: bool(buttons[index]) for index in (self._hold, *self._presses)}
        for index, press in self._presses.items():
            if down[index] and self._buttons.get(index) is False:
                self._pressed.add(press)
        self._held, self._buttons = down[self._hold], down
        self._armed = self._armed or not self._held
        self._stick = tuple(self._shaped(sign * axes[index]) for index, sign in self._axes.values())

    def lose(self, reason: str) -> None:
        """The pad is gone."""
        self._gone = reason
        self._forget()

    def look(self, now: float) -> Wish:
        """What the person wants now; presses are handed out once."""
        pressed = tuple(press for press in Press if press in self._pressed)
        self._pressed.clear()
        wrong = self._refused or self._gone
        if not wrong and not self._trusted and now > self._alive_until:
            wrong = f"no sign of it for {self._config.still_after:g} s"
        if self._driving and (wrong or not self._held):
            self._driving = False
            self._armed = self._armed and not wrong
            return Wish(ended=wrong or "released", pressed=pressed)
        if not self._held:
            return Wish(waits=self._refused or self._gone, pressed=pressed)
        if wrong:
            return Wish(waits=wrong, pressed=pressed)
        if not self._driving and not self._armed:
            return Wish(waits="release the button and press it again", pressed=pressed)
        if not self._driving and self._stick[1] != 0.0:
            return Wish(waits="the speed stick is not at rest", pressed=pressed)
        began, self._driving = not self._driving, True
        return Wish(self._stick, began, pressed=pressed)

    def _forget(self) -> None:
        """Nothing of the pad is known any more."""
        self._buttons, self._held, self._armed, self._stick = {}, False, False, (0.0, 0.0)

    def _shaped(self, way: float) -> float:
        """A stick's way from its middle, without the dead zone, finer around it; 0 for what is no
        number."""
        beyond = (abs(way) - self._config.dead_zone) / (1.0 - self._config.dead_zone)
        size = min(beyond, 1.0) ** self._config.curve if beyond > 0.0 else 0.0
        return -size if way < 0.0 else size
