"""`liquid-control joystick`: a pad's axes and buttons live, which preset fits it, and teaching one
that none fits. Needs no ROS."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from liquid_control.config import check, number, text
from liquid_control.errors import ConfigError, JoystickError
from liquid_control.ros.pads.device import Device, open_device, open_first
from liquid_control.ros.pads.hand import Hand, HandConfig, Wish
from liquid_control.ros.pads.presets import (
    AXES,
    BUTTONS,
    NAME,
    Preset,
    find_preset,
    fitting_preset,
    write_preset,
)
from liquid_control.ros.pads.teaching import Teaching
from liquid_control.system.verb import Interrupted, Verb

PERIOD = 0.02
WIDTH = 21
"""Characters of a bar, odd: its middle is one."""
UNTAUGHT = "no preset fits it"
CLEAR, HOME, REST = "\x1b[2J", "\x1b[H", "\x1b[K"
"""Of a terminal: all of it, to its top, the rest of a line."""


@dataclasses.dataclass(frozen=True)
class JoystickSettings:
    """Show a joystick's axes and buttons live and which preset fits it; teach one that none
    fits."""

    device: str = text("", "the joystick, /dev/input/js0 say; empty: the first that is plugged in")
    preset: str = text("", "hold it against this preset, a name or a file; empty: by its name")
    teach: str = text("", "write a preset of this name, from what you show")
    seconds: float = number(0.0, 0.0, 86400.0, "s", "how long to show it; 0: until Ctrl-C")

    def __post_init__(self) -> None:
        check(self)
        if self.teach and not NAME.fullmatch(self.teach):
            raise ConfigError("JoystickSettings.teach", self.teach, "small letters, digits and _")


def joystick(settings: JoystickSettings) -> dict:
    """Shows the pad until Ctrl-C, or teaches it. Raises JoystickError without one, ConfigError for
    a preset that is not there."""
    device = open_device(Path(settings.device)) if settings.device else open_first()
    wanted, teach = find_preset(settings.preset) if settings.preset else None, settings.teach
    path = None
    try:
        time.sleep(PERIOD)
        device.read()  # its initial state
        preset = wanted or fitting_preset(device.name, device.shape)
        if preset is None and not teach and sys.stdin.isatty() and sys.stderr.isatty():
            teach = _offer(device)
        if teach:
            preset = _teach(device, teach)
            path = write_preset(preset)
        try:
            _show(device, preset, settings.seconds)
        except KeyboardInterrupt:
            facts = _facts(device, preset, path)
            if settings.seconds:
                raise Interrupted(facts) from None
    finally:
        device.close()
    return _facts(device, preset, path)


def _facts(device: Device, preset: Preset | None, path: Path | None) -> dict:
    axes, buttons = device.shape
    fits = preset is not None and preset.shape == device.shape
    facts = {
        "device": device.name,
        "axes": axes,
        "buttons": buttons,
        "preset": preset.name if fits else None,
        "by_radio": device.by_radio or bool(preset and preset.radio),
    }
    if not fits:
        facts["remedy"] = "liquid-control joystick --teach NAME"
    return facts | ({"written": str(path)} if path else {})


def _lines(facts: Mapping) -> str:
    found = f"{facts['device']}: {facts['axes']} axes, {facts['buttons']} buttons"
    if facts["preset"] is None:
        return f"{found}; {UNTAUGHT}: {facts['remedy']}"
    written = f"\nwritten to {facts['written']}" if "written" in facts else ""
    return f"{found}; preset {facts['preset']}{written}"


def picture(device: Device, preset: Preset | None, wish: Wish | None) -> Iterator[str]:
    """The lines of the screen."""
    axes, buttons = device.shape
    yield f"{device.name}: {axes} axes, {buttons} buttons"
    fits = preset is not None and preset.shape == device.shape
    if not fits:
        yield f"{UNTAUGHT}; it is not heard. Teach it: liquid-control joystick --teach NAME"
    else:
        radio = device.by_radio or preset.radio
        yield f"preset {preset.name}{', by radio' if radio else ''}"
    yield ""
    roles = {getattr(preset, role): role for role in (*AXES, *BUTTONS)} if fits else {}
    for index, way in enumerate(device.axes):
        name = preset.axes[index] if fits else ""
        yield f"axis   {index:2} {name:12} {_bar(way)} {way:+.2f}  {roles.get(name, '')}".rstrip()
    for index, down in enumerate(device.buttons):
        name = preset.buttons[index] if fits else ""
        mark, role = "[#]" if down else "[ ]", roles.get(name, "").replace("_", " ")
        yield f"button {index:2} {name:12} {mark} {role}".rstrip()
    yield ""
    if wish is not None:
        yield from _wanted(wish)


def _wanted(wish: Wish) -> Iterator[str]:
    if wish.stick is not None:
        steering, speed = wish.stick
        yield f"drives: steering {steering:+.2f} (left is positive), speed {speed:+.2f}"
    else:
        yield f"does not drive{': ' if wish.waits else ''}{wish.waits}"


def _bar(way: float) -> str:
    """A stick's way from the middle; positive, which is left, to the left."""
    middle = WIDTH // 2
    at = round(middle - way * middle)
    low, high = sorted((at, middle))
    cells = ["=" if low <= index <= high else " " for index in range(WIDTH)]
    cells[middle] = "|"
    return f"[{''.join(cells)}]"


def _show(device: Device, preset: Preset | None, seconds: float) -> None:
    """Until the time is up or the pad is gone; on a terminal live."""
    fits = preset is not None and preset.shape == device.shape
    trusted = not (device.by_radio or (preset and preset.radio))
    hand = Hand(preset, HandConfig(), trusted) if fits else None
    live, end = sys.stderr.isatty(), time.monotonic() + (seconds or float("inf"))
    if not live and not seconds:
        return
    if live:
        print(CLEAR, end="", file=sys.stderr)
    while (now := time.monotonic()) < end:
        changes = device.read()
        wish = None
        if hand is not None:
            hand.hear(device.axes, device.buttons, now, bool(changes))
            wish = hand.look(now)
        if live:
            lines = (line + REST for line in picture(device, preset, wish))
            print(HOME + "\n".join(lines), end="\n\x1b[J", file=sys.stderr, flush=True)
        time.sleep(PERIOD)


def _offer(device: Device) -> str:
    """The name under which an untaught pad is to be taught; empty: not at all."""
    axes, buttons = device.shape
    what = f"{device.name}: {axes} axes, {buttons} buttons. {UNTAUGHT.capitalize()}."
    print(f"{what}\nA name to teach it (small letters, digits, _), or nothing:", file=sys.stderr)
    name = input().strip()
    if name and not NAME.fullmatch(name):
        raise ConfigError("name", name, "small letters, digits and _")
    return name


def _teach(device: Device, name: str) -> Preset:
    """Asks for each stick and button. Raises JoystickError when the pad is gone."""
    return teach(device, name, lambda line: print(line, file=sys.stderr), time.sleep)


def teach(
    device: Device, name: str, say: Callable[[str], None], wait: Callable[[float], None]
) -> Preset:
    """The preset that a person shows. `say` gets each question, `wait` passes the time."""
    if device.shape[0] < len(AXES) or device.shape[1] < len(BUTTONS):
        axes, buttons = device.shape
        raise JoystickError(
            f"{device.name}: got {axes} axes and {buttons} buttons, expected {len(AXES)} and "
            f"{len(BUTTONS)} or more"
        )
    teaching, said = Teaching(), ""
    while not teaching.done:
        device.read()
        teaching.hear(device.axes, device.buttons)
        problem = f"({teaching.problem}) " if teaching.problem else ""
        if (line := problem + teaching.question) != said and not teaching.done:
            say(line)
            said = line
        wait(PERIOD)
    return teaching.preset(name, device.name, device.by_radio)


VERB = Verb(JoystickSettings, joystick, _lines, lambda facts: facts["preset"] is not None)
