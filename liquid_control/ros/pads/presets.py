"""Joysticks by the names of their devices: what their axes and buttons are called, and which do
what. Needs no ROS.

Indices and signs are those of `sensor_msgs/Joy` as `joy_node` fills it, and of the kernel's
/dev/input/js*: an axis is 1 to the left and up. A pad of another number of axes or buttons is
another pad, or another mode of it: no preset fits it, whatever its name.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import re
from pathlib import Path

import yaml

from liquid_control.config import from_mapping
from liquid_control.errors import ConfigError
from liquid_control.ros.own_folder import own_folder
from liquid_control.system.installed_data import named_files

FOLDER = "joysticks"
AXES = ("steering", "speed")
BUTTONS = ("hold", "takeover", "engage", "emergency_stop")
MOST = 64
"""Axes and buttons of a pad, at most."""
NAME = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
LIST = tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Preset:
    """`devices`: names of devices, or parts of them. `axes`, `buttons`: their names, in order.
    `steering`, `speed`, `hold`, `takeover`, `engage`, `emergency_stop`: names of those that do
    this. `reversed`: axes that are 1 to the right or down. `radio`: nothing says when the pad is
    gone, even where its receiver has a cable. `alive`: end of the name of a second device that
    changes all the time as long as the pad is there."""

    name: str
    devices: LIST = ()
    axes: LIST = ()
    buttons: LIST = ()
    steering: str = ""
    speed: str = ""
    hold: str = ""
    takeover: str = ""
    engage: str = ""
    emergency_stop: str = ""
    reversed: LIST = ()
    radio: bool = False
    alive: str = ""

    def __post_init__(self) -> None:
        where = f"joystick preset {self.name}"
        if not NAME.fullmatch(self.name):
            raise ConfigError("joystick preset", self.name, "small letters, digits and _")
        for field in ("devices", "axes", "buttons", "reversed"):
            names = getattr(self, field)
            fine = isinstance(names, (list, tuple)) and all(isinstance(one, str) for one in names)
            if not fine or len(set(names)) < len(names) or len(names) > MOST or not all(names):
                expected = f"at most {MOST} different names"
                raise ConfigError(f"{where}: {field}", names, expected)
            object.__setattr__(self, field, tuple(names))
        if not self.devices:
            raise ConfigError(f"{where}: devices", self.devices, "names of devices")
        for roles, named in ((AXES, self.axes), (BUTTONS, self.buttons)):
            given = [getattr(self, role) for role in roles]
            for role, one in zip(roles, given, strict=True):
                if one not in named:
                    expected = f"one of {', '.join(named) or 'none'}"
                    raise ConfigError(f"{where}: {role}", one, expected)
            if len(set(given)) < len(given):
                raise ConfigError(f"{where}: {', '.join(roles)}", given, "one of its own for each")
        if not set(self.reversed) <= set(self.axes):
            raise ConfigError(f"{where}: reversed", self.reversed, "names of axes")
        if not isinstance(self.radio, bool) or not isinstance(self.alive, str):
            raise ConfigError(f"{where}: radio, alive", (self.radio, self.alive), "truth and text")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of axes and of buttons."""
        return len(self.axes), len(self.buttons)

    def button(self, role: str) -> int:
        """The index of the button that does this."""
        return self.buttons.index(getattr(self, role))

    def axis(self, role: str) -> tuple[int, float]:
        """The index of the axis that does this, and the sign with which it is read."""
        name = getattr(self, role)
        return self.axes.index(name), -1.0 if name in self.reversed else 1.0

    def fits(self, device: str, shape: tuple[int, int]) -> int:
        """How well a device fits: 0 not at all, else the length of the name that it was known
        by."""
        known = [name for name in self.devices if name.casefold() in device.casefold()]
        return max(map(len, known), default=0) if shape == self.shape else 0


def taught_folder() -> Path:
    """Where presets are that were taught on this machine."""
    return own_folder(os.environ) / FOLDER


def preset_files() -> dict[str, Path]:
    """All presets by name; one that was taught here takes precedence."""
    taught = {path.stem: path for path in sorted(taught_folder().glob("*.yaml"))}
    return {**named_files(FOLDER), **taught}


def read_preset(path: Path) -> Preset:
    """Raises ConfigError for a file that is not there or holds no preset."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise ConfigError(str(path), reason, "a preset of a joystick") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(str(path), reason, "a file of valid YAML") from error
    if not isinstance(content, dict) or "name" in content or not all(map(_is_word, content)):
        expected = "devices, axes, buttons and what they do, as in joysticks/"
        raise ConfigError(str(path), type(content).__name__, expected)
    return from_mapping(Preset, {"name": path.stem, **content})


@functools.lru_cache(maxsize=16)
def find_preset(name: str) -> Preset:
    """A preset by its name, or of a file. Raises ConfigError."""
    files = preset_files()
    path = files.get(name, Path(name).expanduser())
    if name not in files and path.suffix != ".yaml":
        known = ", ".join(sorted(files))
        expected = f"{known}, or a YAML file; liquid-control joystick teaches another"
        raise ConfigError("joystick preset", name, expected)
    return read_preset(path)


def fitting_preset(device: str, shape: tuple[int, int]) -> Preset | None:
    """The preset for a device of this name and number of axes and buttons: one that was taught
    here, else the one that knows the longest part of its name; None where the pad is untaught.
    A file that was taught and holds no preset is passed over."""
    best: tuple[tuple[bool, int], Preset] | None = None
    for path in preset_files().values():
        try:
            preset = read_preset(path)
        except ConfigError:
            continue
        rank = (path.parent == taught_folder(), preset.fits(device, shape))
        if rank[1] and (best is None or rank > best[0]):
            best = rank, preset
    return best[1] if best else None


def write_preset(preset: Preset) -> Path:
    """Writes a preset that was taught, and returns its file. Raises ConfigError where it cannot be
    written."""
    path = taught_folder() / f"{preset.name}.yaml"
    defaults = {field.name: field.default for field in dataclasses.fields(Preset)}
    content = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(preset).items()
        if name != "name" and value != defaults[name]
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        expected = f"a file that can be written ({error.strerror})"
        raise ConfigError("preset", str(path), expected) from error
    find_preset.cache_clear()
    return path


def _is_word(key: object) -> bool:
    return isinstance(key, str)
